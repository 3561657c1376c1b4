import { describe, expect, it } from 'vitest';
import { parse, parseFailure, printed } from '../../test/support/parse.ts';
import { StackOverflowError } from '../util/errors.ts';
import { NixParser } from './grammar.ts';

it('the grammar passes all of the checks of Chevrotain', () => {
  expect(() => new NixParser({ skipValidations: false })).not.toThrow();
});

describe('operators', () => {
  it.each([
    ['!a == b', '((! a) == b)'],
    ['!a + b', '(! (a + b))'],
    ['!a // b', '((! a) // b)'],
    ['! !a', '(! (! a))'],
    ['a + !b + c', '(a + (! (b + c)))'],
    ['a * !b + c == d', '((__mul a (! (b + c))) == d)'],
    ['a ++ b + c', '((a ++ b) + c)'],
    ['a ++ b ++ c', '(a ++ (b ++ c))'],
    ['a // b // c', '(a // (b // c))'],
    ['a -> b -> c', '(a -> (b -> c))'],
    ['a || b && c', '(a || (b && c))'],
    ['a && b || c', '((a && b) || c)'],
    ['a + b + c', '((a + b) + c)'],
    ['a - b - c', '(__sub (__sub a b) c)'],
    ['a - b * c / d', '(__sub a (__div (__mul b c) d))'],
    ['a == b && c != d', '((a == b) && (c != d))'],
    ['a < b == c > d', '((__lessThan a b) == (__lessThan d c))'],
    ['a <= b', '(! (__lessThan b a))'],
    ['a >= b', '(! (__lessThan a b))'],
    ['a ? b', '((a) ? b)'],
    ['a ? b ? c', '((((a) ? b)) ? c)'],
    ['a ? b.c."d e".${f} && g', '(((a) ? b.c."d e"."${f}") && g)'],
    ['-a ? b', '(((__sub 0 a)) ? b)'],
    ['-a.b', '(__sub 0 (a).b)'],
    ['-f x', '(__sub 0 (f x))'],
    ['- -a', '(__sub 0 (__sub 0 a))'],
    ['a + -b * c', '(a + (__mul (__sub 0 b) c))'],
    ['a -b', '(__sub a b)'],
    ['a-b', 'a-b'],
    ['f -1', '(__sub f 1)'],
    ['!f x', '(! (f x))'],
    ['f x ++ g y', '((f x) ++ (g y))'],
    ['a.b or c d', '((a).b or (c) d)'],
  ])('%s', (source, expected) => {
    expect(printed(source)).toBe(expected);
  });

  it.each([
    ['1 < 2 < 3', "1:7 syntax error, unexpected '<'"],
    ['1 == 1 == true', "1:8 syntax error, unexpected '=='"],
    ['a != b == c', "1:8 syntax error, unexpected '=='"],
    ['a <= !b >= c', "1:9 syntax error, unexpected '>='"],
    ['1 + if a then b else c', "1:5 syntax error, unexpected 'if'"],
    ['a && x: x', "1:7 syntax error, unexpected ':', expecting end of file"],
    ['a ++ let x = 1; in x', "1:10 syntax error, unexpected identifier, expecting '{'"],
    ['f with x; y', "1:3 syntax error, unexpected 'with', expecting end of file"],
    ['[ -1 ]', "1:3 syntax error, unexpected '-'"],
    ['[ !a ]', "1:3 syntax error, unexpected '!'"],
    ['f -', '1:4 syntax error, unexpected end of file'],
    ['a ?', `1:4 syntax error, unexpected end of file, expecting identifier or 'or' or '\${' or '"'`],
    ['a + * b', "1:5 syntax error, unexpected '*'"],
    [')', "1:1 syntax error, unexpected ')'"],
    ['', '1:1 syntax error, unexpected end of file'],
  ])('%s is an error', (source, expected) => {
    expect(parseFailure(source)).toBe(expected);
  });

  it('a call of a call is one call', () => {
    expect(printed('(f a) b c')).toBe('(f a b c)');
    expect(printed('(a - b) c')).toBe('(__sub a b c)');
    expect(printed('(x: x) a')).toBe('((x: x) a)');
    expect(printed('f (g a) b')).toBe('(f (g a) b)');
  });

  it('hundreds in a row need no stack', () => {
    const expr = parse(Array.from({ length: 50_000 }, () => 'a').join(' + '));
    expect(expr.tag).toBe('concat');
  });
});

describe('deep nesting', () => {
  it.each([
    ['[', ']'],
    ['(', ')'],
    ['{ a = ', '; }'],
    ['x: ', ''],
    ['"${', '}"'],
  ])('%s is parsed, or too deep for the stack, which is an error of ours', (open, close) => {
    const nested = (depth: number): string => `${open.repeat(depth)}[ ]${close.repeat(depth)}`;
    expect(() => parse(nested(100))).not.toThrow();
    expect(() => parse(nested(100_000))).toThrow(StackOverflowError);
    expect(() => parse(nested(100))).not.toThrow();
  });
  it('of prefix operators needs no stack', () => {
    expect(parse(`${'!'.repeat(100_000)}a`).tag).toBe('not');
    expect(parse(`${'- '.repeat(100_000)}a`).tag).toBe('call');
  });
});

describe('pipes', () => {
  const features = ['pipe-operators'];
  it.each([
    ['a |> f', '(f a)'],
    ['a |> f |> g', '(g (f a))'],
    ['a |> f 1 |> g 2', '(g 2 (f 1 a))'],
    ['f <| a', '(f a)'],
    ['g <| f <| a', '(g (f a))'],
    ['x: x |> f', '(x: (f x))'],
    ['a + b |> f', '(f (a + b))'],
    ['a || b |> f -> c', '((f -> c) (a || b))'],
    ['-a |> f', '(f (__sub 0 a))'],
    ['(g <| a) |> f', '(f (g a))'],
  ])('%s', (source, expected) => {
    expect(printed(source, { features })).toBe(expected);
  });
  it.each([
    ['a |> f <| b', "1:8 syntax error, unexpected '<|', expecting end of file"],
    ['f <| a |> g', "1:8 syntax error, unexpected '|>', expecting end of file"],
    ['a |> x: x', "1:7 syntax error, unexpected ':', expecting end of file"],
    ['a |>', '1:5 syntax error, unexpected end of file'],
  ])('%s is an error', (source, expected) => {
    expect(parseFailure(source, { features })).toBe(expected);
  });
  it.each(['a |> f', '(if false then a <| f else 1)'])('%s needs the feature', (source) => {
    expect(parseFailure(source)).toMatch(
      /^1:\d+ experimental Nix feature 'pipe-operators' is disabled; add '--extra-experimental-features pipe-operators' to enable it$/,
    );
  });
  it('an error before the operator comes first', () => {
    expect(parseFailure('{ a = 1; a = 2; } |> f')).toMatch(/already defined/);
    expect(parseFailure(') |> f')).toBe("1:1 syntax error, unexpected ')'");
  });
});

describe('functions', () => {
  it.each([
    ['x: y: x', '(x: (y: x))'],
    ['{}: 1', '({  }: 1)'],
    ['{ ... }: 1', '({ ... }: 1)'],
    ['{ b, a }: 1', '({ a, b }: 1)'],
    ['{ a, b, }: 1', '({ a, b }: 1)'],
    ['{ a ? 1, b ? a, ... }: b', '({ a ? 1, b ? a, ... }: b)'],
    ['args@{ a }: a', '({ a } @ args: a)'],
    ['{ a }@args: a', '({ a } @ args: a)'],
    ['{ a ? { b, c }: b }: a', '({ a ? ({ b, c }: b) }: a)'],
    ['{ a ? b: c }: a', '({ a ? (b: c) }: a)'],
    ['[ (x: x) ]', '[ ((x: x)) ]'],
  ])('%s', (source, expected) => {
    expect(printed(source)).toBe(expected);
  });

  it.each([
    ['{ a, a }: a', "1:6 duplicate formal function argument 'a'"],
    ['a@{ a }: a', "1:1 duplicate formal function argument 'a'"],
    ['{ a }@a: a', "1:1 duplicate formal function argument 'a'"],
    ['{ x, y, y, x, x }: 1', "1:12 duplicate formal function argument 'x'"],
    ['{ a, a }: { b = 1; b = 2; }', "1:20 attribute 'b' already defined at «string»:1:13"],
    ['{ ..., a }: a', "1:6 syntax error, unexpected ',', expecting '}'"],
    ['{ a ... }: a', "1:5 syntax error, unexpected '...', expecting '.' or '='"],
    ['{ a, ... , }: a', "1:10 syntax error, unexpected ',', expecting '}'"],
    ['{ , }: a', "1:3 syntax error, unexpected ',', expecting 'inherit'"],
    ['{ a b }: a', "1:5 syntax error, unexpected identifier, expecting '.' or '='"],
    ['{ or }: 1', "1:6 syntax error, unexpected '}', expecting '.' or '='"],
    ['{ a, or }: 1', "1:6 syntax error, unexpected 'or', expecting identifier or '...' or '}'"],
    ['{ a, b c }: a', "1:8 syntax error, unexpected identifier, expecting '}' or ','"],
    ['{ a, "b" }: a', `1:6 syntax error, unexpected '"', expecting identifier or '...' or '}'`],
    ['{ a }', "1:6 syntax error, unexpected end of file, expecting ':' or '@'"],
    ['{ a }@b', "1:8 syntax error, unexpected end of file, expecting ':'"],
    ['{ a }@{ b }: a', "1:7 syntax error, unexpected '{', expecting identifier"],
    ['a@b: a', "1:3 syntax error, unexpected identifier, expecting '{'"],
    ['f { a }', "1:7 syntax error, unexpected '}', expecting '.' or '='"],
    ['rec { a }', "1:9 syntax error, unexpected '}', expecting '.' or '='"],
    ['x:', '1:3 syntax error, unexpected end of file'],
  ])('%s is an error', (source, expected) => {
    expect(parseFailure(source)).toBe(expected);
  });

  it('are called what they are first bound to, with the functions that they give back', () => {
    const expr = parse('{ f = x: y: z: 1; g.h = a: { i = b: 1; }; "${j}" = k: 1; }');
    const names: (number | null)[] = [];
    const visit = (value: unknown): void => {
      if (value === null || typeof value !== 'object') return;
      if ('tag' in value && value.tag === 'lambda') names.push((value as unknown as { name: number | null }).name);
      for (const inner of value instanceof Map ? value.values() : Object.values(value)) visit(inner);
    };
    visit(expr);
    expect(names.slice(0, 3)).toEqual([names[0], names[0], names[0]]);
    expect(names[0]).not.toBeNull();
    expect(names.slice(3, 5)).toEqual([expect.any(Number), expect.any(Number)]);
    expect(new Set(names.slice(0, 5)).size).toBe(3);
    expect(names[5]).toBeNull();
  });
});

describe('statements', () => {
  it.each([
    ['if a then b else c', '(if a then b else c)'],
    ['assert a; b', 'assert a; b'],
    ['with a; b', '(with a; b)'],
    ['let a = 1; in a', '(let a = 1; in a)'],
    ['let in 1', '(let in 1)'],
    ['let { a = 1; body = a; }', '(rec { a = 1; body = a; }).body'],
    ['[ let { body = 1; } ]', '[ ((rec { body = 1; }).body) ]'],
    [
      'let a = 1; in with a; assert b; if c then x: x else y',
      '(let a = 1; in (with a; assert b; (if c then (x: x) else y)))',
    ],
    ['let ${"a"} = 1; "b" = 2; in a', '(let a = 1; b = 2; in a)'],
  ])('%s', (source, expected) => {
    expect(printed(source)).toBe(expected);
  });
  it.each([
    ['let a = 1; "${b}" = 2; in a', '1:1 dynamic attributes not allowed in let'],
    ['let a = 1; a.${b} = 2; in a', "1:12 attribute 'a' already defined at «string»:1:5"],
    ['1 + (let ${a} = 1; in 2)', '1:6 dynamic attributes not allowed in let'],
    ['let a = 1 in a', "1:11 syntax error, unexpected 'in', expecting ';'"],
    ['let or = 1; in or', "1:16 syntax error, unexpected 'or'"],
    ['if a then b', "1:12 syntax error, unexpected end of file, expecting 'else'"],
    ['assert a b', "1:11 syntax error, unexpected end of file, expecting ';'"],
    ['let { a = 1; } in a', "1:16 syntax error, unexpected 'in', expecting end of file"],
  ])('%s is an error', (source, expected) => {
    expect(parseFailure(source)).toBe(expected);
  });
});

describe('selection', () => {
  it.each([
    ['a.b.c', '(a).b.c'],
    ['a.or', '(a).or'],
    ['a.b or c', '(a).b or (c)'],
    ['a.b or c.d', '(a).b or ((c).d)'],
    ['a.b or c or', '(a).b or ((c or))'],
    ['a."b".${"c"}.${d}."${e}"', '(a).b.c."${d}"."${(e)}"'],
    ['a."b c"."if".if-x', '(a)."b c"."if".if-x'],
    ['(a).b', '(a).b'],
    ['{ a = 1; }.a', '({ a = 1; }).a'],
    ['"x".y', '("x").y'],
    ['f a.b c', '(f (a).b c)'],
    ['a.1', '(a 0.1)'],
    ['a or b', '(a or b)'],
    ['map or []', '(map or [ ])'],
    ['[ (x: x) or ]', '[ (((x: x) or)) ]'],
    ['__curPos', '__curPos'],
    ['a.__curPos', '(a).__curPos'],
  ])('%s', (source, expected) => {
    expect(printed(source)).toBe(expected);
  });
  it.each([
    ['a.', `1:3 syntax error, unexpected end of file, expecting identifier or 'or' or '\${' or '"'`],
    ['a.b or', '1:7 syntax error, unexpected end of file'],
    ['or', "1:1 syntax error, unexpected 'or'"],
    ['a.b or or', "1:8 syntax error, unexpected 'or'"],
  ])('%s is an error', (source, expected) => {
    expect(parseFailure(source)).toBe(expected);
  });

  it('`or` as a name is warned about where it will mean something else', () => {
    const warnings = (source: string): string[] => {
      const out: string[] = [];
      parse(source, { warn: (message) => out.push(message) });
      return out;
    };
    expect(warnings('f g or')).toHaveLength(1);
    expect(warnings('[ a or ]')).toHaveLength(1);
    expect(warnings('a.b or c or')).toHaveLength(1);
    expect(warnings('[ a\n or ]')[0]).toContain('(a\n or)');
    expect(warnings('f (g or)')).toEqual([]);
    expect(warnings('map or []')).toEqual([]);
    expect(warnings('[ (a or) ]')).toEqual([]);
  });
});
