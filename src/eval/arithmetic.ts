// `+ - * / <`: what is simple here; the rest is the builtins' and concat.ts's.
import type { Pos } from '../util/positions.ts';
import { concatParts } from './concat.ts';
import type { Evaluator } from './evaluator.ts';
import type { Env } from './lambda.ts';
import type { Value } from './value.ts';

/** ADD: `a + b`. */
export function add(ev: Evaluator, off: number, env: Env): Value {
  const words = ev.code.words;
  const a = ev.operand(words[off + 3]!, env, "in an operand of '+'");
  if (typeof a === 'number') {
    const b = ev.operand(words[off + 5]!, env, "in an operand of '+'");
    if (typeof b === 'number') {
      const sum = a + b;
      if (sum <= Number.MAX_SAFE_INTEGER && sum >= Number.MIN_SAFE_INTEGER) return sum;
    }
    return concatParts(ev, off, env, [a, b]);
  }
  if (typeof a === 'string') {
    const b = ev.operand(words[off + 5]!, env, "in an operand of '+'");
    if (typeof b === 'string') return a + b;
    return concatParts(ev, off, env, [a, b]);
  }
  return concatParts(ev, off, env, [a]);
}

/** `- * / <` where they mean the builtins. */
export function arithmetic(ev: Evaluator, off: number, env: Env): Value {
  const words = ev.code.words;
  const op = words[off]!;
  let a = ev.quick(words[off + 2]!, env);
  let b = a === undefined ? undefined : ev.quick(words[off + 3]!, env);
  if (b !== undefined) return compute(ev, op, a!, b, words[off + 1]!);
  if (ev.depth > ev.maxDepth) ev.checkLimits(words[off + 1]!);
  ev.depth++;
  try {
    a ??= ev.evaluate(words[off + 2]!, env);
    b = ev.evaluate(words[off + 3]!, env);
  } catch (error) {
    throw ev.frame(error, `while calling the '${ev.operators[op - 37]!.name}' builtin`, words[off + 1]!);
  }
  ev.depth--;
  return compute(ev, op, a, b, words[off + 1]!);
}

export function compute(ev: Evaluator, op: number, a: Value, b: Value, pos: Pos): Value {
  if (typeof a === 'number' && typeof b === 'number') {
    switch (op) {
      case 37: {
        const difference = a - b;
        if (difference <= Number.MAX_SAFE_INTEGER && difference >= Number.MIN_SAFE_INTEGER) return difference;
        break;
      }
      case 38: {
        const product = a * b;
        if (product <= Number.MAX_SAFE_INTEGER && product >= Number.MIN_SAFE_INTEGER) return product + 0;
        break;
      }
      case 40:
        return a < b;
    }
  } else if (op === 40 && typeof a === 'string' && typeof b === 'string') return a < b;
  return ev.invoke(ev.operators[op - 37]!, [a, b], pos);
}
