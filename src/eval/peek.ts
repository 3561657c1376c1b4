// Looking at slots without forcing them, for printers.
import { BLACKHOLE, FAILED, LateConstant, Thunk, VALUE } from './thunk.ts';
import type { Slot, Value } from './value.ts';

/** What an unforced slot is. */
export class Unevaluated {
  readonly state: 'thunk' | 'blackhole' | 'failed';
  constructor(state: 'thunk' | 'blackhole' | 'failed') {
    this.state = state;
  }
}

const THUNK = new Unevaluated('thunk');
const HOLE = new Unevaluated('blackhole');
const FAILURE = new Unevaluated('failed');

/** The value where there is one already. */
export function peek(slot: Slot): Value | Unevaluated {
  let current: Slot = slot;
  while (current instanceof Thunk) {
    if (current.off === BLACKHOLE) return HOLE;
    if (current.off === FAILED) return FAILURE;
    if (current instanceof LateConstant && current.off !== VALUE) return (current.a as () => Value)();
    if (current.off !== VALUE) return THUNK;
    current = current.a as Slot;
  }
  return current;
}
