import { describe, expect, it } from 'vitest';
import { parse, parseFailure, printed } from '../../test/support/parse.ts';

function text(source: string): string {
  const expr = parse(source);
  if (expr.tag === 'string') return expr.value;
  if (expr.tag !== 'concat') throw new Error(`not a string: ${expr.tag}`);
  return expr.parts.map((part) => (part.expr.tag === 'string' ? part.expr.value : '?')).join('');
}

describe('indented strings', () => {
  it.each([
    ["''  a''", 'a'],
    ["''\n  a\n ''", 'a\n'],
    ["''\n  a\n''", 'a\n'],
    ["''\n  a\n  b\n    c\n''", 'a\nb\n  c\n'],
    ["''\n\n  a\n''", '\na\n'],
    ["''   \n  a''", 'a'],
    ["''  x\n  y''", 'x\ny'],
    ["''\n  a\n \n  b''", 'a\n\nb'],
    ["''\n  a\n      \n  b''", 'a\n    \nb'],
    ["''\n\ta\n\tb''", '\ta\n\tb'],
    ["''\n  \ta\n  b''", '\ta\nb'],
    ["''\n  a\n b''", ' a\nb'],
    ["''\n  a\n   ''", 'a\n'],
    ["''\n  a   ''", 'a   '],
    ["''''", ''],
    ["''\n''", ''],
    ["''   ''", ''],
    ["''\n\n''", '\n'],
    ["''\r\n  a\r\n  b''", '\r\n  a\r\n  b'],
    ["''\n  a\r\n  b''", 'a\r\nb'],
  ])('%j is %j', (source, expected) => {
    expect(text(source)).toBe(expected);
  });

  it.each([
    ["''a'''b''", "a''b"],
    ["''a''$b''", 'a$b'],
    ["''''${x}''", '${x}'],
    ["''$${x}''", '$${x}'],
    ["''a$b''", 'a$b'],
    ["''a$''", 'a$'],
    ["''a'b''", "a'b"],
    ["''a '''' b''", "a ''' b"],
    ["''''\\n''\\t''\\a''", '\n\ta'],
    ["''\\n''", '\\n'],
    ["''''\\\\''", '\\'],
    [`''"''`, '"'],
    ["'''a''", "'a"],
  ])('escapes: %j is %j', (source, expected) => {
    expect(text(source)).toBe(expected);
  });

  it('pieces stay apart', () => {
    expect(printed("''a'''b''$''")).toBe(`("a" + "''" + "b" + "$")`);
    expect(printed("{ ${''a''$''} = 1; ${''b''} = 2; }")).toBe('{ b = 2; "${("a" + "$")}" = 1; }');
  });

  it('escapes end the indentation and keep what is before them', () => {
    expect(text("'' ''\\  x''")).toBe('  x');
    expect(text("''\n    a\n  ''\\ b''")).toBe('  a\n b');
    expect(text("''\n  ''$\n    a''")).toBe('$\n  a');
  });

  it.each([
    ["''\n  ${x}\n  a''", '(x + "\\na")'],
    ["''${x}''", '(x)'],
    ["'' ${x} ''", '(x + " ")'],
    ["''\n    ${x}\n  b\n''", '("  " + x + "\\nb\\n")'],
    ["''\n  a${x}\n   ''", '("a" + x + "\\n")'],
    ["''\n  a\n  ${x}''", '("a\\n" + x)'],
    [`''\${"a"} ''`, '("a" + " ")'],
    [`''\${"a"}''`, '"a"'],
    ["''\n  ${x}${y}''", '(x + y)'],
    ["''a ${''b ${c}''}''", '("a " + ("b " + c))'],
  ])('interpolation: %j', (source, expected) => {
    expect(printed(source)).toBe(expected);
  });

  it.each([
    ["''a", "1:4 syntax error, unexpected end of file, expecting indented string or '${' or end of an indented string"],
    [
      "''a '",
      "1:6 syntax error, unexpected end of file, expecting indented string or '${' or end of an indented string",
    ],
    [
      "''a ''$",
      "1:8 syntax error, unexpected end of file, expecting indented string or '${' or end of an indented string",
    ],
    [
      "''a ''$'",
      "1:9 syntax error, unexpected end of file, expecting indented string or '${' or end of an indented string",
    ],
    ["''a ''\\", '1:7 syntax error, unexpected invalid token, expecting end of file'],
    [
      "''$'''",
      "1:7 syntax error, unexpected end of file, expecting indented string or '${' or end of an indented string",
    ],
    ["''${", '1:5 syntax error, unexpected end of file'],
    ["''${}''", "1:5 syntax error, unexpected '}'"],
    ["''${a", "1:6 syntax error, unexpected end of file, expecting '}'"],
    ["''a\0''", "1:3 input string 'a␀' cannot be represented as Nix string because it contains null bytes"],
  ])('%j is an error', (source, expected) => {
    expect(parseFailure(source)).toBe(expected);
  });
});
