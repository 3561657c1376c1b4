// A thunk is one small state machine: suspended -> blackhole -> value | failed. `off` tells the state:
// >= 0 suspended code at that offset (a = environment); negative: see the constants. Only Evaluator.force moves it.
import type { Pos } from '../util/positions.ts';
import type { Slot } from './value.ts';

export const VALUE = -1;
export const BLACKHOLE = -2;
export const FAILED = -3;
/** a = function slot, b = arguments (Slot[]), pos = where the call stands. */
export const APPLY = -4;
/** a = () => Slot. */
export const NATIVE = -5;

export class Thunk {
  off: number;
  a: unknown;
  b: unknown;
  constructor(off: number, a: unknown, b: unknown) {
    this.off = off;
    this.a = a;
    this.b = b;
  }
  /** `f a b …`, later. */
  static apply(fn: Slot, args: readonly Slot[]): Thunk {
    return new Thunk(APPLY, fn, args);
  }
  static native(compute: () => Slot): Thunk {
    return new Thunk(NATIVE, compute, undefined);
  }
}

export type { Pos };
