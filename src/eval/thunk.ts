// A thunk is one small state machine: suspended -> blackhole -> value | failed. `off` tells the state:
// >= 0 suspended code at that offset (a = environment); negative: see the constants. Only Evaluator.force moves it.
import type { Slot } from './value.ts';

/** a = the value. */
export const VALUE = -1;
/** Being forced. */
export const BLACKHOLE = -2;
/** a = the error; forcing throws a copy of it. */
export const FAILED = -3;
/** a = [function, ...arguments], all slots. */
export const APPLY = -4;
/** a = () => Slot. */
export const NATIVE = -5;

export class Thunk {
  off: number;
  a: unknown;
  constructor(off: number, a: unknown) {
    this.off = off;
    this.a = a;
  }
  /** `f a b …`, later. */
  static apply(fn: Slot, args: readonly Slot[]): Thunk {
    return new Thunk(APPLY, [fn, ...args]);
  }
  static native(compute: () => Slot): Thunk {
    return new Thunk(NATIVE, compute);
  }
}
