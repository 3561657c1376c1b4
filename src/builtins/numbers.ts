// Arithmetic. The operators + - * / call these through their globals (__sub and the like) only where Nix does.
import type { Evaluator } from '../eval/evaluator.ts';
import { addInts, divideInts, floatToInt, multiplyInts, subtractInts } from '../eval/int64.ts';
import { makeInt, NixFloat, type BuiltinRecord, type NixInt, type Slot, type Value } from '../eval/value.ts';
import { EvalError } from '../util/errors.ts';
import { formatFloatG } from '../eval/format-float.ts';

function numberOf(ev: Evaluator, value: Value, why: string): number {
  return value instanceof NixFloat ? value.value : ev.expectFloat(value, 0, why);
}

function intOf(ev: Evaluator, value: Value, why: string): NixInt {
  return typeof value === 'number' || typeof value === 'bigint' ? value : ev.expectInt(value, 0, why);
}

function arithmetic(
  ev: Evaluator,
  x: Slot,
  y: Slot,
  ints: (a: NixInt, b: NixInt) => NixInt,
  floats: (a: number, b: number) => number,
  why1: string,
  why2: string,
  intWhy1 = why1,
): Value {
  const a = ev.force(x);
  const b = ev.force(y);
  if (a instanceof NixFloat || b instanceof NixFloat) {
    const left = numberOf(ev, a, why1);
    return new NixFloat(floats(left, numberOf(ev, b, why2)));
  }
  const left = intOf(ev, a, intWhy1);
  return ints(left, intOf(ev, b, why2));
}

const addFloats = (a: number, b: number): number => a + b;
const subtractFloats = (a: number, b: number): number => a - b;
const multiplyFloats = (a: number, b: number): number => a * b;

function div(ev: Evaluator, x: Slot, y: Slot): Value {
  const a = ev.force(x);
  const b = ev.force(y);
  const divisor = ev.expectFloat(b, 0, 'while evaluating the second operand of the division');
  if (divisor === 0) throw new EvalError('division by zero');
  const why = 'while evaluating the first operand of the division';
  if (a instanceof NixFloat || b instanceof NixFloat) return new NixFloat(numberOf(ev, a, why) / divisor);
  return divideInts(intOf(ev, a, why), b as NixInt);
}

function bitwise(
  name: string,
  doc: string,
  small: (a: number, b: number) => number,
  large: (a: bigint, b: bigint) => bigint,
): BuiltinRecord {
  const why1 = `while evaluating the first argument passed to builtins.${name}`;
  const why2 = `while evaluating the second argument passed to builtins.${name}`;
  return {
    name,
    args: ['e1', 'e2'],
    doc,
    impl(ev, _pos, x, y) {
      const a = ev.expectInt(x, 0, why1);
      const b = ev.expectInt(y, 0, why2);
      if (typeof a === 'number' && typeof b === 'number' && a === (a | 0) && b === (b | 0)) return small(a, b);
      return makeInt(BigInt.asIntN(64, large(BigInt(a), BigInt(b))));
    },
  };
}

const BUG = 'Due to a bug (see https://github.com/NixOS/nix/issues/12899)';
const FUTURE = '\tFuture Nix versions might implement the correct behavior.';

/** ceil and floor: ints go through a double and must survive it. */
function round(ev: Evaluator, slot: Slot, name: string, f: (x: number) => number): Value {
  const number = ev.expectFloat(slot, 0, `while evaluating the first argument passed to builtins.${name}`);
  const arg = ev.force(slot);
  const isInt = typeof arg === 'number' || typeof arg === 'bigint';
  const rounded = f(number);
  if (!(rounded >= -(2 ** 63) && rounded < 2 ** 63)) {
    throw new EvalError(
      isInt
        ? `${BUG} the NixInt argument ${arg.toString()} caused undefined behavior in previous Nix versions.\n${FUTURE}`
        : `NixFloat argument ${formatFloatG(number)} is not in the range of NixInt`,
    );
  }
  const result = floatToInt(rounded);
  if (isInt && result !== arg) {
    throw new EvalError(
      `${BUG} a loss of precision occurred in previous Nix versions because the NixInt argument ${arg.toString()}` +
        ` was rounded to ${result.toString()}.\n${FUTURE}`,
    );
  }
  return result;
}

export const numberBuiltins: readonly BuiltinRecord[] = [
  {
    name: 'add',
    args: ['e1', 'e2'],
    doc: 'The sum of two numbers: an integer if both are, otherwise a float. Overflow is an error.',
    impl: (ev, _pos, x, y) =>
      arithmetic(
        ev,
        x,
        y,
        addInts,
        addFloats,
        'while evaluating the first argument of the addition',
        'while evaluating the second argument of the addition',
      ),
  },
  {
    name: 'sub',
    args: ['e1', 'e2'],
    doc: 'The difference of two numbers. The operator `-`, unary or binary, calls whatever `__sub` is in scope.',
    impl: (ev, _pos, x, y) =>
      arithmetic(
        ev,
        x,
        y,
        subtractInts,
        subtractFloats,
        'while evaluating the first argument of the subtraction',
        'while evaluating the second argument of the subtraction',
      ),
  },
  {
    name: 'mul',
    args: ['e1', 'e2'],
    doc: 'The product of two numbers.',
    impl: (ev, _pos, x, y) =>
      arithmetic(
        ev,
        x,
        y,
        multiplyInts,
        multiplyFloats,
        'while evaluating the first of the multiplication',
        'while evaluating the second argument of the multiplication',
        'while evaluating the first argument of the multiplication',
      ),
  },
  {
    name: 'div',
    args: ['e1', 'e2'],
    doc: 'The quotient of two numbers. Integers are divided towards zero; dividing by zero is an error, for floats too.',
    impl: (ev, _pos, x, y) => div(ev, x, y),
  },
  bitwise(
    'bitAnd',
    'The bitwise and of two 64-bit integers.',
    (a, b) => a & b,
    (a, b) => a & b,
  ),
  bitwise(
    'bitOr',
    'The bitwise or of two 64-bit integers.',
    (a, b) => a | b,
    (a, b) => a | b,
  ),
  bitwise(
    'bitXor',
    'The bitwise exclusive or of two 64-bit integers.',
    (a, b) => a ^ b,
    (a, b) => a ^ b,
  ),
  {
    name: 'ceil',
    args: ['number'],
    doc: 'The smallest integer that is not below *number*. An error if that is outside the range of integers.',
    impl: (ev, _pos, x) => round(ev, x, 'ceil', Math.ceil),
  },
  {
    name: 'floor',
    args: ['number'],
    doc: 'The largest integer that is not above *number*. An error if that is outside the range of integers.',
    impl: (ev, _pos, x) => round(ev, x, 'floor', Math.floor),
  },
  {
    name: 'lessThan',
    args: ['e1', 'e2'],
    doc:
      'Whether *e1* is less than *e2*: numbers by value, strings and paths bytewise, lists lexicographically. ' +
      'Other types, and values of different types, cannot be compared.',
    impl(ev, _pos, x, y) {
      ev.force(x);
      ev.force(y);
      return ev.lessThan(x, y, 0, '');
    },
  },
];
