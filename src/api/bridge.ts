// One evaluator as the library's parts share it. Every way in goes through `enter`: limits start there, the call depth
// is what it was when it ends, and errors leave as text. Calls nest where Nix code calls JavaScript that calls Nix.
import type { Evaluator as Engine } from '../eval/evaluator.ts';
import type { Limits } from '../eval/limits.ts';
import type { Slot } from '../eval/value.ts';
import { outward } from './errors.ts';
import type { NixValue } from './nix-value.ts';

/** Handles, and functions made from Nix's, → what they stand for. */
const handles = new WeakMap<object, { readonly bridge: Bridge; readonly slot: Slot }>();

export abstract class Bridge {
  readonly engine: Engine;
  private nesting = 0;

  constructor(engine: Engine) {
    this.engine = engine;
  }

  /** A handle for a slot. */
  abstract wrap(slot: Slot): NixValue;
  protected abstract limits(): Limits | null;

  enter<T>(run: () => T): T {
    const { engine } = this;
    const { depth } = engine;
    if (this.nesting++ === 0) engine.setLimits(this.limits());
    try {
      return run();
    } catch (error) {
      throw outward(error, engine.positions);
    } finally {
      engine.depth = depth;
      if (--this.nesting === 0) engine.setLimits(null);
    }
  }

  register(handle: object, slot: Slot): void {
    handles.set(handle, { bridge: this, slot });
  }

  /** What a handle stands for. @throws TypeError if it is another evaluator's */
  slotOf(handle: object): Slot | undefined {
    const known = handles.get(handle);
    if (known !== undefined && known.bridge !== this) {
      throw new TypeError('a value of one Evaluator cannot be used in another; convert it with toJS() first');
    }
    return known?.slot;
  }
}
