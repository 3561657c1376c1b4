// Packages that a value holds, as `nix-env` finds them: what fails an assertion may be left out, and the channels of
// ~/.nix-defexpr are looked into as if each were asked for.
import type { Attrs } from '../../eval/attrs.ts';
import type { AutoCallOptions } from '../../eval/auto-call.ts';
import type { Evaluator } from '../../eval/evaluator.ts';
import type { Slot } from '../../eval/value.ts';
import { CatchableError } from '../../util/errors.ts';
import { intern } from '../../util/symbols.ts';
import { DerivationWalk } from '../derivations.ts';
import { PackageInfo } from './package-info.ts';

/** In a set of channels. */
export const COMBINE_CHANNELS = '_combineChannels';

const sCombineChannels = intern(COMBINE_CHANNELS);

export interface FindOptions {
  readonly calls: AutoCallOptions;
  readonly ignoreAssertions: boolean;
}

/** @throws EvalError where the value is neither a derivation nor a set or list of them */
export function findPackages(ev: Evaluator, slot: Slot, attrPath: string, options: FindOptions): PackageInfo[] {
  const finder = new PackageFinder(ev, options);
  finder.collect(slot, attrPath);
  return finder.found;
}

class PackageFinder extends DerivationWalk<PackageInfo> {
  private readonly ignoreAssertions: boolean;

  constructor(ev: Evaluator, { calls, ignoreAssertions }: FindOptions) {
    super(ev, calls);
    this.ignoreAssertions = ignoreAssertions;
  }

  protected override looksIntoAll(set: Attrs): boolean {
    return set.has(sCombineChannels);
  }

  protected override take(slot: Slot, attrPath: string): boolean {
    const { depth } = this.ev;
    try {
      return super.take(slot, attrPath);
    } catch (error) {
      if (!(error instanceof CatchableError && this.ignoreAssertions)) throw error;
      this.ev.depth = depth;
      return false;
    }
  }

  protected describe(attrs: Attrs, attrPath: string): PackageInfo {
    const found = new PackageInfo(this.ev, attrPath, attrs);
    found.readName();
    return found;
  }
}
