// A thunk is one small state machine: suspended -> blackhole -> value | failed. `off` tells the state:
// >= 0 suspended code at that offset (a = environment); negative: see the constants. Only Evaluator.force moves it.
import type { Sym } from '../util/symbols.ts';
import type { Slot, Value } from './value.ts';

/** a = the value. */
export const VALUE = -1;
/** Being forced. */
export const BLACKHOLE = -2;
/** a = the error; forcing throws a copy of it. */
export const FAILED = -3;
/** An ApplyThunk: a = function, b = argument. */
export const APPLY = -4;
/** a = () => Slot. */
export const NATIVE = -5;
/** An ApplyThunk: a = function, b = its second argument; the first one is a name, whose symbol is APPLY_NAMED - off. */
export const APPLY_NAMED = -6;

export class Thunk {
  off: number;
  a: unknown;
  constructor(off: number, a: unknown) {
    this.off = off;
    this.a = a;
  }
  /** A cell of its own for a value. */
  static evaluated(value: Value): Thunk {
    return new Thunk(VALUE, value);
  }
  /** `f a`, later. */
  static applyOne(fn: Slot, arg: Slot): Thunk {
    return new ApplyThunk(APPLY, fn, arg);
  }
  /** `f "name" value`, later. */
  static applyNamed(fn: Slot, name: Sym, value: Slot): Thunk {
    return new ApplyThunk(APPLY_NAMED - name, fn, value);
  }
  static native(compute: () => Slot): Thunk {
    return new Thunk(NATIVE, compute);
  }
}

/** What ApplyThunk has, for who has seen that `off` is APPLY or one of APPLY_NAMED's. */
export interface Application {
  b: Slot | undefined;
}

/** An application that waits: apart, because code that waits needs no second word and is much more common. */
export class ApplyThunk extends Thunk {
  b: Slot | undefined;
  constructor(off: number, a: Slot, b: Slot) {
    super(off, a);
    this.b = b;
  }
}

/** A constant that is found out only when it is used. Printers show it all the same. */
export class LateConstant extends Thunk {
  constructor(compute: () => Slot) {
    super(NATIVE, compute);
  }
}
