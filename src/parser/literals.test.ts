import { describe, expect, it } from 'vitest';
import { parse, parseFailure, printed } from '../../test/support/parse.ts';

describe('integers', () => {
  it.each([
    ['0', '0'],
    ['007', '7'],
    ['9007199254740993', '9007199254740993'],
    ['9223372036854775807', '9223372036854775807'],
    ['000009223372036854775807', '9223372036854775807'],
  ])('%s is %s', (source, expected) => {
    expect(printed(source)).toBe(expected);
  });

  it('are numbers as long as they are safe, and bigints beyond', () => {
    expect(parse('9007199254740991')).toMatchObject({ tag: 'int', value: 9007199254740991 });
    expect(parse('9007199254740992')).toMatchObject({ tag: 'int', value: 9007199254740992n });
  });

  it.each(['9223372036854775808', '18446744073709551616', '99999999999999999999999'])('%s is too large', (source) => {
    expect(parseFailure(` ${source}`)).toBe(`1:2 invalid integer '${source}'`);
  });

  it('have no negative literals', () => {
    expect(printed('-1')).toBe('(__sub 0 1)');
    expect(parseFailure('-9223372036854775808')).toBe("1:2 invalid integer '9223372036854775808'");
  });
});

describe('floats', () => {
  it.each([
    ['1.', 1],
    ['.5', 0.5],
    ['0.5', 0.5],
    ['1.e2', 100],
    ['1.5E+3', 1500],
    ['25.0e-1', 2.5],
    ['.0', 0],
    ['0.0e5', 0],
  ])('%s', (source, value) => {
    expect(parse(source)).toMatchObject({ tag: 'float', value });
  });

  it.each([
    ['1e3', '(1 e3)'],
    ['1.5e', '(1.5 e)'],
    ['1.5e+', 'syntax'],
    ['00.5', '(0 0.5)'],
    ['1.5.5', '(1.5 0.5)'],
  ])('%s is several tokens', (source, expected) => {
    if (expected === 'syntax') expect(parseFailure(source)).toBe('1:6 syntax error, unexpected end of file');
    else expect(printed(source)).toBe(expected);
  });

  it.each(['0.', '0. 1', '00.'])('%s is no float', (source) => {
    expect(parseFailure(source)).toMatch(/expecting identifier or 'or' or '\$\{' or '"'$/);
  });

  it.each(['1.0e999', '1.0e-999', '.1e-310'])('%s is out of range', (source) => {
    expect(parseFailure(source)).toBe(`1:1 invalid float '${source}'`);
  });
});

describe('strings', () => {
  const value = (source: string): string => {
    const expr = parse(source);
    if (expr.tag !== 'string') throw new Error(`not a string: ${expr.tag}`);
    return expr.value;
  };

  it.each([
    [String.raw`"\n\r\t\\\"\a\x"`, '\n\r\t\\"ax'],
    [String.raw`"\u0041"`, 'u0041'],
    ['"\r\n\r\r\n\n"', '\n\n\n\n'],
    ['"\\\r"', '\r'],
    ['"$$"', '$$'],
    ['"$"', '$'],
    ['"$x"', '$x'],
    ['"$${x}"', '$${x}'],
    [String.raw`"\${x}"`, '${x}'],
    [String.raw`"$\{x}"`, '${x}'],
    ['"$$$"', '$$$'],
    ['""', ''],
  ])('%j', (source, expected) => {
    expect(value(source)).toBe(expected);
  });

  it('interpolate', () => {
    expect(printed('"a${b}c${d}"')).toBe('("a" + b + "c" + d)');
    expect(printed('"${x}"')).toBe('(x)');
    expect(printed('"$$${x}"')).toBe('("$$" + x)');
    expect(printed('"${"${x}"}"')).toBe('((x))');
  });

  it.each([
    ['"a', `1:3 syntax error, unexpected end of file, expecting '"'`],
    ['"a${b', "1:6 syntax error, unexpected end of file, expecting '}'"],
    ['"a$', `1:4 syntax error, unexpected end of file, expecting '"'`],
    ['"\\', `1:3 syntax error, unexpected end of file, expecting '"'`],
    ['"${}"', "1:4 syntax error, unexpected '}'"],
    ['"a\0b"', "1:2 input string 'a␀b' cannot be represented as Nix string because it contains null bytes"],
  ])('%j is an error', (source, expected) => {
    expect(parseFailure(source)).toBe(expected);
  });
});

describe('paths', () => {
  it.each([
    ['./a', '/base/a'],
    ['../a', '/a'],
    ['./.', '/base'],
    ['a/b', '/base/a/b'],
    ['1/2', '/base/1/2'],
    ['1.0/3', '/base/1.0/3'],
    ['-/x', '/base/-/x'],
    ['+a/b', '/base/+a/b'],
    ['.../a', '/base/.../a'],
    ['/a/./b/../c', '/a/c'],
    ['/../..', undefined],
    ['/..', '/'],
    ['~/x', '/home/me/x'],
    ['~/../x', '/home/me/../x'],
  ])('%s', (source, expected) => {
    expect(printed(source)).toBe(expected ?? '/');
  });

  it.each([
    ['a /b', '(a /b)'],
    ['a/ b', '(__div a b)'],
    ['a / b', '(__div a b)'],
    ['a//b', '(a // b)'],
    ["a'/b", "(a' /b)"],
    ['a.b/c', '/base/a.b/c'],
    ['[1/2]', '[ (/base/1/2) ]'],
    ['x -b/c', '(x /base/-b/c)'],
  ])('%s', (source, expected) => {
    expect(printed(source)).toBe(expected);
  });

  it('interpolate', () => {
    expect(printed('./a/${x}')).toBe('(/base/a/ + x)');
    expect(printed('./${x}')).toBe('(/base/ + x)');
    expect(printed('/${x}')).toBe('(/ + x)');
    expect(printed('a/b${x}c/d${y}')).toBe('(/base/a/b + x + "c/d" + y)');
    expect(printed('~/${x}')).toBe('(/home/me/ + x)');
    expect(printed('./${x} y')).toBe('((/base/ + x) y)');
  });

  it.each([
    ['./a/', '1:1 path has a trailing slash'],
    ['./a/ b', '1:5 path has a trailing slash'],
    ['[ /a/ ]', '1:6 path has a trailing slash'],
    ['./${x}/', '1:7 path has a trailing slash'],
    ['./x//y', "1:1 syntax error, unexpected end of path, expecting '${'"],
    ['./x//y ', "1:5 syntax error, unexpected end of path, expecting '${'"],
    ['~', '1:1 syntax error, unexpected invalid token'],
    ['~x', '1:1 syntax error, unexpected invalid token'],
  ])('%s is an error', (source, expected) => {
    expect(parseFailure(source)).toBe(expected);
  });

  it('of a home need one', () => {
    expect(() => parse('~/x', { homeDir: null })).toThrow("the path '~/x' can not be resolved in pure mode");
  });

  it('in angle brackets are looked up by the names in scope', () => {
    expect(printed('<nixpkgs>')).toBe('(__findFile __nixPath "nixpkgs")');
    expect(printed('<a/b.c>')).toBe('(__findFile __nixPath "a/b.c")');
    expect(printed('x<y>z')).toBe('(x (__findFile __nixPath "y") z)');
    expect(printed('x <y> {}')).toBe('(x (__findFile __nixPath "y") { })');
    expect(printed('<nixpkgs> {}')).toBe('(__findFile __nixPath "nixpkgs" { })');
    expect(printed('x < y')).toBe('(__lessThan x y)');
    expect(parseFailure('<a/>')).toBe("1:1 syntax error, unexpected '<'");
    expect(parseFailure('x < y > z')).toBe("1:7 syntax error, unexpected '>'");
  });
});

describe('URIs', () => {
  it.each([
    ['http://a.b/c?d=e&f', 'http://a.b/c?d=e&f'],
    ['x:x', 'x:x'],
    ['a.b+c-d:e', 'a.b+c-d:e'],
    ['x:/foo', 'x:/foo'],
  ])('%s is a string', (source, value) => {
    expect(parse(source)).toMatchObject({ tag: 'string', value });
  });
  it.each([
    ['x: x', '(x: x)'],
    ['{x}:x', '({ x }: x)'],
    ['a_b:c', '(a_b: c)'],
    ["a':c", "(a': c)"],
    ['x: y:z', '(x: "y:z")'],
  ])('%s is a function', (source, expected) => {
    expect(printed(source)).toBe(expected);
  });
});

describe('what is not a token', () => {
  it.each(['^', '&', '|', '$x', "'", '\\', '`', '\ufeff1', '\u00a01', '\f1'])('%j', (source) => {
    expect(parseFailure(source)).toBe('1:1 syntax error, unexpected invalid token');
  });
  it('a zero byte ends the program', () => {
    expect(printed('1 \0 ) } garbage')).toBe('1');
    expect(parseFailure('( \0')).toBe('1:4 syntax error, unexpected end of file');
  });
  it('comments and blanks are nothing', () => {
    expect(printed('# c\r1')).toBe('1');
    expect(printed('/* a /* b */ 1 /**/ /** d */ # x')).toBe('1');
    expect(parseFailure('/* a')).toBe("1:1 syntax error, unexpected '/'");
  });
});
