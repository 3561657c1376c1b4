// Packages that a value holds, as `nix-env` finds them: what fails an assertion may be left out, and the channels of
// ~/.nix-defexpr are looked into as if each were asked for.
import { Attrs } from '../../eval/attrs.ts';
import { autoCall, type AutoCallOptions } from '../../eval/auto-call.ts';
import type { Evaluator } from '../../eval/evaluator.ts';
import type { Slot } from '../../eval/value.ts';
import { CatchableError, NixError, TypeMismatchError } from '../../util/errors.ts';
import { intern } from '../../util/symbols.ts';
import { isDerivation } from '../derivations.ts';
import { PackageInfo } from './package-info.ts';

/** In a set of channels. */
export const COMBINE_CHANNELS = '_combineChannels';

const sCombineChannels = intern(COMBINE_CHANNELS);
const sRecurse = intern('recurseForDerivations');

export interface FindOptions {
  readonly calls: AutoCallOptions;
  readonly ignoreAssertions: boolean;
}

/** @throws EvalError where the value is neither a derivation nor a set or list of them */
export function findPackages(ev: Evaluator, slot: Slot, attrPath: string, options: FindOptions): PackageInfo[] {
  const finder = new Finder(ev, options);
  finder.visit(slot, attrPath);
  return finder.found;
}

class Finder {
  readonly found: PackageInfo[] = [];
  private readonly done = new Set<Attrs>();
  private readonly ev: Evaluator;
  private readonly options: FindOptions;

  constructor(ev: Evaluator, options: FindOptions) {
    this.ev = ev;
    this.options = options;
  }

  visit(slot: Slot, attrPath: string): void {
    const { ev } = this;
    if (ev.depth > ev.maxDepth || --ev.fuel < 0) ev.checkLimits(0);
    ev.depth++;
    try {
      const value = autoCall(ev, slot, this.options.calls);
      if (!this.mayHold(value, attrPath)) return;
      if (value instanceof Attrs) this.visitSet(value, attrPath);
      else if (Array.isArray(value)) {
        (value as Slot[]).forEach((element, i) => {
          const path = join(attrPath, String(i));
          if (this.mayHold(element, path)) this.visit(element, path);
        });
      } else throw new TypeMismatchError('expression does not evaluate to a derivation (or a set or list of those)');
    } finally {
      ev.depth--;
    }
  }

  private visitSet(set: Attrs, attrPath: string): void {
    const combine = set.has(sCombineChannels);
    set.forEachByName((name, slot, pos) => {
      if (!/^[A-Za-z_][A-Za-z0-9_+-]*$/.test(name)) return;
      try {
        const path = join(attrPath, name);
        if (combine) this.visit(slot, path);
        else if (this.mayHold(slot, path) && this.isRecursive(slot)) this.visit(slot, path);
      } catch (error) {
        if (error instanceof NixError) error.addFrame(`while evaluating the attribute '${name}'`, pos);
        throw error;
      }
    });
  }

  private isRecursive(slot: Slot): boolean {
    const value = this.ev.force(slot);
    const recurse = value instanceof Attrs ? value.get(sRecurse) : undefined;
    if (recurse === undefined) return false;
    const why = 'while evaluating the attribute `recurseForDerivations`';
    return this.ev.expectBool(recurse, (value as Attrs).posOf(sRecurse), why);
  }

  /** Records a derivation. Whether it makes sense to look inside. */
  private mayHold(slot: Slot, attrPath: string): boolean {
    const { depth } = this.ev;
    try {
      const value = this.ev.force(slot);
      if (!isDerivation(this.ev, value)) return true;
      if (this.done.has(value)) return false;
      this.done.add(value);
      const found = new PackageInfo(this.ev, attrPath, value);
      found.readName();
      this.found.push(found);
      return false;
    } catch (error) {
      if (!(error instanceof CatchableError && this.options.ignoreAssertions)) throw error;
      this.ev.depth = depth;
      return false;
    }
  }
}

const join = (prefix: string, name: string): string => (prefix === '' ? name : `${prefix}.${name}`);
