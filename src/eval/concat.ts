// `+`, string and path interpolation.
import { Op } from '../parser/code.ts';
import { EvalError } from '../util/errors.ts';
import type { Pos } from '../util/positions.ts';
import { coerceToString } from './coerce.ts';
import { ContextBuilder } from './context.ts';
import type { Evaluator } from './evaluator.ts';
import { addInts } from './int64.ts';
import type { Env } from './lambda.ts';
import { canonicalPath } from './search-path.ts';
import { ContextString, makeString, NixFloat, PathValue, type NixInt, type Value } from './value.ts';
import { showType } from './value-type.ts';

const OPERAND = "in an operand of '+'";

/**
 * ADD and CONCAT. The first operand decides: numbers add, a path takes the rest as text, everything else is a string.
 * `known`: the first operands, which are evaluated already.
 */
export function concatParts(ev: Evaluator, off: number, env: Env, known: readonly Value[] = []): Value {
  const words = ev.code.words;
  const isAdd = words[off] === Op.ADD;
  const n = isAdd ? 2 : words[off + 3]!;
  const at = isAdd ? off + 2 : off + 4;
  const forceString = !isAdd && words[off + 2] === 1;
  const pos = words[off + 1]!;
  const a = known.length === 0 ? ev.operand(words[at + 1]!, env, OPERAND) : known[0]!;
  if (!forceString) {
    if (typeof a === 'number' || typeof a === 'bigint' || a instanceof NixFloat) {
      return sum(ev, a, at, n, env, known);
    }
  }
  const isPath = !forceString && a instanceof PathValue;
  // Nix quirk: only where the first operand is a string (or the parts are of an interpolation) are paths copied.
  const copy = forceString || typeof a === 'string' || a instanceof ContextString;
  let context: ContextBuilder | null = null; // most strings need none
  let text = '';
  for (let i = 0; i < n; i++) {
    let value: Value;
    if (i === 0) value = a;
    else if (i < known.length) value = known[i]!;
    else value = ev.operand(words[at + 2 * i + 1]!, env, OPERAND);
    if (typeof value === 'string') text += value;
    else if (value instanceof ContextString) {
      text += value.text;
      (context ??= new ContextBuilder()).add(value.context);
    } else {
      context ??= new ContextBuilder();
      text += coerceToString(ev, value, words[at + 2 * i]!, context, 'while evaluating a path segment', { copy });
    }
  }
  const needed = context === null ? null : context.get();
  if (!isPath) return makeString(text, needed);
  if (needed !== null) {
    throw new EvalError('a string that refers to a store path cannot be appended to a path', { pos });
  }
  return new PathValue(canonicalPath(text));
}

function sum(ev: Evaluator, first: NixInt | NixFloat, at: number, n: number, env: Env, known: readonly Value[]): Value {
  const words = ev.code.words;
  // C++ adds to a sum that starts at 0: -0.0 + -0.0 is 0.
  let total: NixInt | number = first instanceof NixFloat ? 0 + first.value : first;
  let isFloat = first instanceof NixFloat;
  for (let i = 1; i < n; i++) {
    const pos: Pos = words[at + 2 * i]!;
    const value: Value = i < known.length ? known[i]! : ev.operand(words[at + 2 * i + 1]!, env, OPERAND);
    if (typeof value === 'number' || typeof value === 'bigint') {
      if (isFloat) total = (total as number) + Number(value);
      else {
        try {
          total = addInts(total, value);
        } catch (error) {
          if (error instanceof EvalError) error.pos = pos;
          throw error;
        }
      }
    } else if (value instanceof NixFloat) {
      total = Number(total) + value.value;
      isFloat = true;
    } else {
      throw new EvalError(`cannot add ${showType(value)} to ${isFloat ? 'a float' : 'an integer'}`, { pos });
    }
  }
  return isFloat ? new NixFloat(total as number) : total;
}
