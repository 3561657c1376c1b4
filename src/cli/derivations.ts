// Finding the derivations that a value holds, as nix-build and nix-instantiate do: a derivation, a list, a set (one
// level, deeper where recurseForDerivations = true).
import { autoCall, type AutoCallOptions } from '../eval/auto-call.ts';
import { Attrs } from '../eval/attrs.ts';
import { ContextBuilder, parseContextElement } from '../eval/context.ts';
import type { Evaluator } from '../eval/evaluator.ts';
import type { Slot, Value } from '../eval/value.ts';
import { EvalError, NixError, TypeMismatchError } from '../util/errors.ts';
import { baseName, isDerivationPath, tryParseStorePath } from '../store/store-path.ts';
import { intern } from '../util/symbols.ts';

export interface FoundDerivation {
  /** As it was reached below the root: `a.b.0`; "" for the root itself. */
  readonly attrPath: string;
  readonly name: string;
  readonly attrs: Attrs;
  readonly outputName: string;
}

const sType = intern('type');
const sName = intern('name');
const sDrvPath = intern('drvPath');
const sOutputName = intern('outputName');
const sOutPath = intern('outPath');
const sRecurse = intern('recurseForDerivations');

/** Walks through a value. What is made of each derivation on the way is for whoever extends it. */
export abstract class DerivationWalk<Found> {
  readonly found: Found[] = [];
  protected readonly ev: Evaluator;
  private readonly done = new Set<Attrs>();
  private readonly calls: AutoCallOptions;

  constructor(ev: Evaluator, calls: AutoCallOptions) {
    this.ev = ev;
    this.calls = calls;
  }

  /** @throws EvalError where the value is neither a derivation nor a set or list of them */
  collect(slot: Slot, attrPath: string): void {
    const { ev } = this;
    // A set that recurses into itself has no end.
    if (ev.depth > ev.maxDepth || --ev.fuel < 0) ev.checkLimits(0);
    ev.depth++;
    try {
      this.collectBelow(slot, attrPath);
    } finally {
      ev.depth--;
    }
  }

  private collectBelow(slot: Slot, attrPath: string): void {
    const value = autoCall(this.ev, slot, this.calls);
    if (!this.take(value, attrPath)) return;
    if (value instanceof Attrs) this.collectSet(value, attrPath);
    else if (Array.isArray(value)) {
      value.forEach((element: Slot, i) => {
        const path = join(attrPath, String(i));
        if (this.take(element, path)) this.collect(element, path);
      });
    } else throw new TypeMismatchError('expression does not evaluate to a derivation (or a set or list of those)');
  }

  private collectSet(set: Attrs, attrPath: string): void {
    const all = this.looksIntoAll(set);
    set.forEachByName((name, slot, pos) => {
      if (!/^[A-Za-z_][A-Za-z0-9_+-]*$/.test(name)) return;
      try {
        const path = join(attrPath, name);
        if (all || (this.take(slot, path) && this.isRecursive(slot))) this.collect(slot, path);
      } catch (error) {
        if (error instanceof NixError) error.addFrame(`while evaluating the attribute '${name}'`, pos);
        throw error;
      }
    });
  }

  private isRecursive(slot: Slot): boolean {
    const value = this.ev.force(slot);
    if (!(value instanceof Attrs)) return false;
    const recurse = value.get(sRecurse);
    if (recurse === undefined) return false;
    const why = 'while evaluating the attribute `recurseForDerivations`';
    return this.ev.expectBool(recurse, value.posOf(sRecurse), why);
  }

  /** Records a derivation. Returns whether it makes sense to look inside. */
  protected take(slot: Slot, attrPath: string): boolean {
    const value = this.ev.force(slot);
    if (!isDerivation(this.ev, value)) return true;
    if (this.done.has(value)) return false;
    this.done.add(value);
    this.found.push(this.describe(value, attrPath));
    return false;
  }

  /** Whether each attribute is looked into as if it were asked for. */
  protected looksIntoAll(_set: Attrs): boolean {
    return false;
  }

  /** @throws EvalError where the derivation lacks what it must have */
  protected abstract describe(attrs: Attrs, attrPath: string): Found;
}

export class DerivationFinder extends DerivationWalk<FoundDerivation> {
  protected describe(attrs: Attrs, attrPath: string): FoundDerivation {
    const name = attrs.get(sName);
    if (name === undefined) throw new TypeMismatchError('derivation name missing');
    const why = "while evaluating the 'name' attribute of a derivation";
    return {
      attrPath,
      name: this.ev.expectStringNoContext(name, attrs.posOf(sName), why),
      attrs,
      outputName: outputNameOf(this.ev, attrs),
    };
  }
}

export function isDerivation(ev: Evaluator, value: Value): value is Attrs {
  if (!(value instanceof Attrs)) return false;
  const type = value.get(sType);
  return type !== undefined && ev.force(type) === 'derivation';
}

function outputNameOf(ev: Evaluator, attrs: Attrs): string {
  const slot = attrs.get(sOutputName);
  if (slot === undefined) return '';
  return ev.expectStringNoContext(slot, attrs.posOf(sOutputName), 'while evaluating the output name of a derivation');
}

/** The .drv of a derivation. @throws EvalError where it has none */
export function drvPathOf(ev: Evaluator, attrs: Attrs): string {
  const slot = attrs.get(sDrvPath);
  if (slot === undefined) throw new EvalError("derivation does not contain a 'drvPath' attribute");
  const pos = attrs.posOf(sDrvPath);
  const why = "while evaluating the 'drvPath' attribute of a derivation";
  const drvPath = ev.coerceToString(slot, pos, new ContextBuilder(), why);
  const storePath = tryParseStorePath(drvPath, ev.io.storeDir);
  if (storePath !== undefined && !isDerivationPath(storePath)) {
    throw new EvalError(`store path '${baseName(storePath)}' is not a valid derivation path`).addFrame(why, pos);
  }
  return drvPath;
}

/**
 * Store paths that a value which is no derivation stands for: a string with context, or a set whose outPath is one
 * (the embedded set's sources, `"${pkg}/bin"`). Null where it stands for none.
 */
export function storePathOf(
  ev: Evaluator,
  value: Value,
): { path: string; needs: { drvPath: string; output: string }[] } | null {
  const context = new ContextBuilder();
  let text: string;
  if (value instanceof Attrs && value.has(sOutPath)) {
    text = ev.coerceToString(value, 0, context, 'while evaluating what to build');
  } else if (typeof value === 'object' && value !== null && 'context' in value) {
    text = ev.coerceToString(value, 0, context, 'while evaluating what to build');
  } else return null;
  const needs = (context.get() ?? []).flatMap((element) => {
    const parsed = parseContextElement(element);
    return parsed.kind === 'built' ? [{ drvPath: parsed.drvPath, output: parsed.output }] : [];
  });
  // Without a path in the store: an output whose path only building tells.
  return text.startsWith(`${ev.io.storeDir}/`) || needs.length === 1 ? { path: text, needs } : null;
}

const join = (prefix: string, name: string): string => (prefix === '' ? name : `${prefix}.${name}`);
