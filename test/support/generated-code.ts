// What the second tier of an evaluator has made.
import type { Evaluator } from '../../src/eval/evaluator.ts';

/** The text of all functions for lambdas. */
export function generatedCode(ev: Evaluator): string[] {
  return ev.code.lambdas.flatMap(({ code }) => (code === null ? [] : [String(code)]));
}

/** In the place of Function: what a host does that allows no code made of text. */
export function FORBIDDEN_CODE(): never {
  throw new EvalError('Code generation from strings disallowed for this context');
}
