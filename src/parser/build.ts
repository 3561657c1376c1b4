// Pieces of the tree that take more than one step to make.
import type { Pos } from '../util/positions.ts';
import { intern } from '../util/symbols.ts';
import type { AttrName, Expr } from './ast.ts';
import { stripIndentation, type IndentedPart } from './indented-string.ts';

export interface Part {
  readonly expr: Expr;
  readonly pos: Pos;
}
/** Text, or pieces where there is an interpolation. */
export type StringParts = string | Part[];

/** A computed name that is a string literal after all is static. */
export function attrNameOf(expr: Expr, pos: Pos): AttrName {
  return expr.tag === 'string' ? { sym: intern(expr.value), expr: null, pos } : { sym: null, expr, pos };
}

/** `"…"` */
export function concatString(parts: StringParts, pos: Pos): Expr {
  return typeof parts === 'string'
    ? { tag: 'string', value: parts, pos }
    : { tag: 'concat', forceString: true, parts, pos: parts[0]?.pos ?? pos };
}

/** `''…''` with an interpolation. */
export function indentedString(parts: readonly IndentedPart[], pos: Pos): Expr {
  const stripped: Part[] = stripIndentation(parts).map((part) => ({
    expr: part.expr ?? { tag: 'string', value: part.text, pos: part.pos },
    pos: part.pos,
  }));
  if (stripped.length === 0) return { tag: 'string', value: '', pos };
  const only = stripped.length === 1 ? stripped[0]!.expr : null;
  if (only?.tag === 'string') return only;
  return { tag: 'concat', forceString: true, parts: stripped, pos };
}

/** A call of a call is one call with more arguments, at the place of the first. */
export function makeCall(fn: Expr, arg: Expr, pos: Pos): Expr {
  if (fn.tag !== 'call') return { tag: 'call', fn, args: [arg], pos };
  (fn.args as Expr[]).push(arg);
  return fn;
}
