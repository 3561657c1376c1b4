import { describe, expect, it } from 'vitest';
import { parseFailure, printed } from '../../test/support/parse.ts';

describe('attributes', () => {
  it.each([
    ['{ a.b = 1; a.c = 2; }', '{ a = { b = 1; c = 2; }; }'],
    ['{ a.b.c = 1; a.b.d = 2; a.e = 3; }', '{ a = { b = { c = 1; d = 2; }; e = 3; }; }'],
    ['{ a = { b = 1; }; a.c = 2; }', '{ a = { b = 1; c = 2; }; }'],
    ['{ a.b = 1; a = { c = 2; }; }', '{ a = { b = 1; c = 2; }; }'],
    ['{ a = { b = 1; }; a = { c = 2; }; }', '{ a = { b = 1; c = 2; }; }'],
    ['{ a = ({ b = 1; }); a.c = 2; }', '{ a = { b = 1; c = 2; }; }'],
    ['{ a.b.c = 1; a = { b.d = 2; }; }', '{ a = { b = { c = 1; d = 2; }; }; }'],
    ['{ a = rec { b = 1; }; a.c = b; }', '{ a = rec { b = 1; c = b; }; }'],
    ['{ a.c = 1; a = rec { b = 2; }; }', '{ a = { b = 2; c = 1; }; }'],
    ['{ a = { ${x} = 1; }; a = { ${y} = 2; b = 3; }; }', '{ a = { b = 3; "${x}" = 1; "${y}" = 2; }; }'],
    ['{ a.${x}.c = 1; a.${x}.d = 2; }', '{ a = { "${x}" = { c = 1; }; "${x}" = { d = 2; }; }; }'],
    ['{ ${x}.a = 1; ${x}.a = 2; }', '{ "${x}" = { a = 1; }; "${x}" = { a = 2; }; }'],
    ['{ "a" = 1; ${"b"} = 2; ${"c" } .d = 3; }', '{ a = 1; b = 2; c = { d = 3; }; }'],
    ['{ "${"a"}" = 1; }', '{ "${("a")}" = 1; }'],
    ["{ ''a'' = 1; }", undefined],
    ["{ ${''a''} = 1; ${u:v} = 2; }", '{ a = 1; "u:v" = 2; }'],
    [
      '{ a = { inherit (x) b; }; a = { inherit (y) c; inherit d; }; }',
      '{ a = { inherit d; inherit (x) b; inherit (y) c; }; }',
    ],
    ['{ inherit; inherit (x); inherit (y) b or "c d" ${"e"}; }', '{ inherit (y) b "c d" e or; }'],
    ['{ inherit a "b"; inherit (c) d; e = 1; }', '{ inherit a b; inherit (c) d; e = 1; }'],
    ['rec { inherit a; b = a; }', 'rec { inherit a; b = a; }'],
    ['{ or = 1; "if" = 2; "" = 3; a-b\' = 4; "1" = 5; }', '{ "" = 3; "1" = 5; a-b\' = 4; "if" = 2; or = 1; }'],
    ['{ }', '{ }'],
    ['let a.b = 1; a.c = 2; in a', '(let a = { b = 1; c = 2; }; in a)'],
  ])('%s', (source, expected) => {
    if (expected === undefined) expect(parseFailure(source)).toMatch(/unexpected start of an indented string/);
    else expect(printed(source)).toBe(expected);
  });

  it.each([
    ['{ a = 1; a = 2; }', "1:10 attribute 'a' already defined at «string»:1:3"],
    ['{ a.b = 1; a.b = 2; }', "1:12 attribute 'a.b' already defined at «string»:1:3"],
    ['{ a = 1; a.b = 2; }', "1:10 attribute 'a' already defined at «string»:1:3"],
    ['{ a.b = 1; a = 2; }', "1:12 attribute 'a' already defined at «string»:1:3"],
    ['{ a.b = 1; a = { b = 2; }; }', "1:18 attribute 'a.b' already defined at «string»:1:3"],
    ['{ a.b.c = 1; a.b = { d = 1; c = 2; }; }', "1:29 attribute 'a.b.c' already defined at «string»:1:3"],
    ['{ a = let b = 1; in { }; a.c = 2; }', "1:26 attribute 'a' already defined at «string»:1:3"],
    ['{ a = [ ]; a = { }; }', "1:12 attribute 'a' already defined at «string»:1:3"],
    ['{ inherit a; a = 1; }', "1:14 attribute 'a' already defined at «string»:1:11"],
    ['{ inherit a; a.b = 1; }', "1:14 attribute 'a' already defined at «string»:1:11"],
    ['{ inherit (x) a; a.b = 1; }', "1:18 attribute 'a' already defined at «string»:1:15"],
    ['{ a = 1; inherit a; }', "1:18 attribute 'a' already defined at «string»:1:3"],
    ['{ inherit a a; }', "1:13 attribute 'a' already defined at «string»:1:11"],
    ['{ inherit (x) a; inherit (y) a; }', "1:30 attribute 'a' already defined at «string»:1:15"],
    ['{ a = { b = 1; }; a = { inherit (x) b; }; }', "1:37 attribute 'a.b' already defined at «string»:1:9"],
    ['{ "b c" = 1; "b c" = 2; }', `1:14 attribute '"b c"' already defined at «string»:1:3`],
    ['{ a.${"b"} = 1; a."b" = 2; }', "1:17 attribute 'a.b' already defined at «string»:1:3"],
    ['{\n  a = 1;\r\n  a = 2;\n}', "3:3 attribute 'a' already defined at «string»:2:3"],
    ['{ inherit ${a}; }', '1:11 dynamic attributes not allowed in inherit'],
    ['{ inherit "${"a"}"; }', '1:11 dynamic attributes not allowed in inherit'],
    ['{ inherit (x) a "${b}" c; }', '1:17 dynamic attributes not allowed in inherit'],
    ['{ a = 1; a = 2', "1:15 syntax error, unexpected end of file, expecting ';'"],
    ['{ a = 1; a = 2; b', "1:10 attribute 'a' already defined at «string»:1:3"],
    ['{ inherit a.b; }', "1:12 syntax error, unexpected '.'"],
    ['{ 1 = 2; }', "1:3 syntax error, unexpected integer, expecting 'inherit'"],
    ['{ a = 1 }', "1:9 syntax error, unexpected '}', expecting ';'"],
    ['{ a; }', "1:4 syntax error, unexpected ';', expecting '.' or '='"],
  ])('%j is an error', (source, expected) => {
    expect(parseFailure(source)).toBe(expected);
  });
});
