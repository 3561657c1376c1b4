// What a line of a repl is: bindings, an expression, or the beginning of either.
import type { Evaluator } from '../../eval/evaluator.ts';
import type { Expr } from '../../parser/index.ts';
import { EvalError, ParseError } from '../../util/errors.ts';

/** The input is only a beginning: more lines are needed. Never seen outside of the repl. */
export class IncompleteInputError extends EvalError {}

export type ReplInput =
  /** `x = 1; inherit (y) z`: a set literal. */
  { readonly kind: 'bindings'; readonly expr: Expr } | { readonly kind: 'expression'; readonly expr: Expr };

/** @throws IncompleteInputError; ParseError in Nix's words */
export function parseInput(ev: Evaluator, text: string, baseDir: string): ReplInput {
  const whole = parseBindings(ev, text, '', baseDir);
  if (!('error' in whole)) return { kind: 'bindings', expr: whole };
  // The last semicolon may be left out.
  const closed = parseBindings(ev, text, '\n;', baseDir);
  if (!('error' in closed)) return { kind: 'bindings', expr: closed };
  // A string took the semicolon in.
  if (wantsMore(closed.error)) throw new IncompleteInputError(closed.error.message);
  try {
    return { kind: 'expression', expr: parseExpression(ev, text, baseDir) };
  } catch (error) {
    // Bindings whose last value is not finished. (Nix reads on only for expressions and strings.)
    if (error instanceof ParseError && whole.atEnd && closed.atEnd) throw new IncompleteInputError(error.message);
    throw error;
  }
}

/** @throws IncompleteInputError, ParseError */
export function parseExpression(ev: Evaluator, text: string, baseDir: string): Expr {
  try {
    return ev.parse(text, baseDir, { kind: 'string' });
  } catch (error) {
    if (error instanceof ParseError && wantsMore(error)) throw new IncompleteInputError(error.message);
    throw error;
  }
}

interface Failure {
  readonly error: ParseError;
  /** Nothing of the user's text is wrong, but what was put after it. */
  readonly atEnd: boolean;
}

function parseBindings(ev: Evaluator, text: string, end: string, baseDir: string): Expr | Failure {
  try {
    // A line break before the brace: the text may end in a comment.
    return ev.parse(text, baseDir, { kind: 'string' }, ['{', `${end}\n}`]);
  } catch (error) {
    if (!(error instanceof ParseError)) throw error;
    return { error, atEnd: wantsMore(error) || error.pos - ev.positions.lastOrigin().base >= text.length };
  }
}

function wantsMore(error: ParseError): boolean {
  return error.message.includes('unexpected end of file');
}
