import { ParseError } from '../util/errors.ts';
import type { Pos } from '../util/positions.ts';
import type { Tokens } from './lexer.ts';

export function syntaxError(tokens: Tokens, base: Pos): ParseError {
  if (tokens.error !== null) return new ParseError(tokens.error.message, { pos: base + tokens.error.offset });
  return new ParseError('syntax error', { pos: base });
}
