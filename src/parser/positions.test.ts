// Where Nix says that expressions are; offsets from 1, as the first byte of the source has position 1.
import { describe, expect, it } from 'vitest';
import { parse } from '../../test/support/parse.ts';
import type { AttrsExpr, Expr } from './ast.ts';

function attrsOf(source: string): AttrsExpr {
  const expr = parse(source);
  if (expr.tag !== 'attrs') throw new Error(expr.tag);
  return expr;
}

describe('positions', () => {
  it.each([
    ['  x', 3],
    ['a + b', 3],
    ['(a) ++ b', 5],
    ['a - b', 3],
    ['a < b', 3],
    ['  -a', 3],
    [' f x y', 2],
    [' (f x) y', 3],
    ['((f)) x', 1],
    [' (a).b', 2],
    [' a or', 2],
    [' x: x', 2],
    [' { a }@b: a', 2],
    [' b@{ a }: a', 2],
    [' with a; b', 2],
    [' assert a; b', 2],
    [' if a then b else c', 2],
    [' { }', 2],
    [' rec { }', 2],
    [' let { }', 2],
    [' [ a ]', 2],
    [' "a${b}"', 3],
    [" ''a${b}''", 2],
    [' ./${b}', 2],
    [' <a>', 2],
    ['a |> f', 3],
    ['f <| a', 3],
  ])('%j: %i', (source, pos) => {
    expect(parse(source, { features: ['pipe-operators'] }).pos).toBe(pos);
  });

  it('of operands of + include parentheses and prefixes', () => {
    const expr = parse(' (a) + -b');
    expect(expr).toMatchObject({ tag: 'concat', parts: [{ pos: 2 }, { pos: 8 }] });
    expect(parse('!a + b')).toMatchObject({ tag: 'not', operand: { parts: [{ pos: 2 }, { pos: 6 }] } });
  });

  it('of pieces of strings are those of text and ${', () => {
    expect(parse('"a${b}c"')).toMatchObject({ parts: [{ pos: 2 }, { pos: 3 }, { pos: 7 }] });
    expect(parse("''\n a ${b}''")).toMatchObject({ parts: [{ pos: 4 }, { pos: 7 }] });
  });

  it('of attributes are those of their paths and names', () => {
    const { attrs } = attrsOf('{ a.b = 1; inherit c; inherit (d) e; f = 1; }');
    expect([...attrs.values()].map((def) => def.pos)).toEqual([3, 20, 35, 38]);
    const nested = [...attrs.values()][0]!.expr as AttrsExpr;
    expect(nested.pos).toBe(0);
    expect([...nested.attrs.values()][0]!.pos).toBe(3);
  });

  it('of names that desugaring brings in are none', () => {
    const call = parse('a - b') as Expr & { tag: 'call' };
    expect(call.fn.pos).toBe(0);
  });

  it('of formals are those of their names', () => {
    const lambda = parse('{ a, b ? 1 }: a') as Expr & { tag: 'lambda' };
    expect(lambda.formals!.formals.map((formal) => formal.pos)).toEqual([3, 6]);
  });

  it('count from the base of the origin', () => {
    expect(parse('x').pos).toBe(1);
  });
});
