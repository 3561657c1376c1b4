// What generated code calls.
import { findStrictSlots } from '../../parser/strictness.ts';
import type { LambdaRecord } from '../../parser/code.ts';
import type { Pos } from '../../util/positions.ts';
import { Attrs } from '../attrs.ts';
import { compute } from '../arithmetic.ts';
import { concatParts } from '../concat.ts';
import { newEnv } from '../environment.ts';
import { equalValues } from '../equality.ts';
import type { Evaluator } from '../evaluator.ts';
import { mismatch, notABoolean } from '../failures.ts';
import { Lambda, nestedRecord } from '../lambda.ts';
import {
  assertionFailed,
  bindFormals,
  computedName,
  hasPathFrom,
  joinLists,
  lookUpWith,
  selectFrom,
  selectPathFrom,
} from '../operations.ts';
import { Thunk } from '../thunk.ts';
import { Primop, type Slot, type Value } from '../value.ts';

/** The value of a variable that is an operand and has none yet. */
function forceOperand(ev: Evaluator, thunk: Thunk, pos: Pos, why: string): Value {
  try {
    return ev.forceThunk(thunk, pos);
  } catch (error) {
    throw ev.frame(error, why, pos);
  }
}

function strictSlots(ev: Evaluator, record: LambdaRecord): number {
  return record.strict >= 0 ? record.strict : findStrictSlots(ev.code.words, record);
}

/** CALL1 of what is no lambda. */
function callOther1(ev: Evaluator, fn: Value, arg: Slot, off: number): Value {
  const { words } = ev.code;
  const pos = words[off + 1]!;
  if (!(fn instanceof Primop) || fn.arity !== 1) return ev.call(fn, [arg], pos);
  if (fn.takesItems === 0) ev.noteFresh(fn, 0, words[off + 3]!, arg);
  return ev.invokeOne(fn, arg, pos);
}

/** CALL2 of what is no lambda of two arguments. */
function callOther2(ev: Evaluator, fn: Value, first: Slot, second: Slot, off: number): Value {
  const { words } = ev.code;
  const pos = words[off + 1]!;
  if (!(fn instanceof Primop) || fn.arity !== 2) return ev.call(fn, [first, second], pos);
  if (fn.takesItems === 1) ev.noteFresh(fn, 1, words[off + 4]!, second);
  return ev.invokeTwo(fn, first, second, pos);
}

/** CALLN likewise. */
function callOtherN(ev: Evaluator, fn: Value, args: readonly Slot[], off: number): Value {
  const { words } = ev.code;
  if (fn instanceof Primop && fn.arity === args.length && fn.takesItems >= 0) {
    ev.noteFresh(fn, fn.takesItems, words[off + 4 + fn.takesItems]!, args[fn.takesItems]!);
  }
  return ev.call(fn, args, words[off + 1]!);
}

function notASet(ev: Evaluator, value: Value): never {
  throw mismatch('a set', value, ev);
}

const all = {
  Attrs,
  Lambda,
  Thunk,
  assertionFailed,
  bindFormals,
  callOther1,
  callOther2,
  callOtherN,
  compute,
  computedName,
  concatParts,
  equalValues,
  forceOperand,
  hasPathFrom,
  joinLists,
  lookUpWith,
  nested: nestedRecord,
  newEnv,
  notABoolean,
  notASet,
  selectFrom,
  selectPathFrom,
  strictSlots,
};

export const supportNames: readonly string[] = Object.keys(all);
export const support: readonly unknown[] = Object.values(all);
