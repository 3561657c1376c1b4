// Values and messages of the pure builtins, laziness and order of checks included.
import { describe, expect, it } from 'vitest';
import { evaluate } from '../../test/support/evaluate.ts';

const features = { settings: { experimentalFeatures: new Set(['flakes', 'parse-toml-timestamps']) } };

function values(title: string, cases: readonly (readonly [source: string, value: string])[]): void {
  describe(title, () => {
    it.each(cases)('%s', (source, value) => {
      expect(evaluate(source, features)).toBe(value);
    });
  });
}

function failures(title: string, cases: readonly (readonly [source: string, message: string])[]): void {
  describe(`${title} that fail`, () => {
    it.each(cases)('%s', (source, message) => {
      expect(() => evaluate(source, features)).toThrow(message);
    });
  });
}

values('numbers', [
  ['builtins.add 1 2.5', '3.5'],
  ['builtins.div (-7) 2', '-3'],
  ['7 / 2.0', '3.5'],
  ['9223372036854775807 + 0', '9223372036854775807'],
  ['builtins.bitAnd (-1) 9223372036854775807', '9223372036854775807'],
  ['builtins.bitXor 5 3', '6'],
  ['builtins.floor (-1.5)', '-2'],
  ['builtins.ceil 1.2', '2'],
  ['builtins.floor 9007199254740992', '9007199254740992'],
  ['9007199254740993 == 9007199254740992.0', 'true'],
  [
    '[ (1 < 1.5) (2.5 < 2) ("a" < "b") (/a < /b) ([ 1 2 ] < [ 1 3 ]) ([ ] < [ 1 ]) ]',
    '[ true false true true true true ]',
  ],
]);
failures('numbers', [
  ['9223372036854775807 + 1', 'integer overflow in adding 9223372036854775807 + 1'],
  ['(-9223372036854775807 - 1) / (-1)', 'integer overflow in dividing -9223372036854775808 / -1'],
  ['4611686018427387904 * 2', 'integer overflow in multiplying 4611686018427387904 * 2'],
  ['1 / 0.0', 'division by zero'],
  ['1 / 0', 'division by zero'],
  ['builtins.add 1 "a"', 'expected an integer but found a string: "a"'],
  ['builtins.ceil 1.0e300', 'NixFloat argument 1e+300 is not in the range of NixInt'],
  ['builtins.floor 9007199254740993', 'because the NixInt argument 9007199254740993 was rounded to 9007199254740992'],
  [
    'true < false',
    'cannot compare a Boolean with a Boolean; values of that type are incomparable (values are true and false)',
  ],
  ['1 < "a"', 'cannot compare an integer with a string; values are 1 and "a"'],
]);

values('lists', [
  ['map (throw "f") [ ]', '[ ]'],
  ['builtins.filter (throw "f") [ ]', '[ ]'],
  ['builtins.sort (throw "f") [ ]', '[ ]'],
  ['builtins.foldl\' (a: x: x) (throw "nul") [ 1 2 ]', '2'],
  ['builtins.length (map throw [ 1 2 ])', '2'],
  ['builtins.all (x: x < 2) [ 1 3 (throw "late") ]', 'false'],
  ['builtins.any (x: x > 2) [ 1 3 (throw "late") ]', 'true'],
  ['builtins.elem 2 [ 1 2 (throw "late") ]', 'true'],
  ['builtins.elemAt [ 1 2 3 ] 2', '3'],
  [
    'builtins.sort (a: b: a.k < b.k) [ { k = 2; v = "a"; } { k = 1; v = "b"; } { k = 2; v = "c"; } ]',
    '[ { k = 1; v = "b"; } { k = 2; v = "a"; } { k = 2; v = "c"; } ]',
  ],
  ['builtins.length (builtins.sort (a: b: true) (builtins.genList (x: x) 100))', '100'],
  ['builtins.partition (x: x > 1) [ 1 2 3 ]', '{ right = [ 2 3 ]; wrong = [ 1 ]; }'],
  ['builtins.groupBy (x: if x > 1 then "b" else "a") [ 1 2 3 ]', '{ a = [ 1 ]; b = [ 2 3 ]; }'],
  ['builtins.concatMap (x: [ x x ]) [ 1 2 ]', '[ 1 1 2 2 ]'],
  ['builtins.concatLists [ [ 1 ] [ ] [ 2 3 ] ]', '[ 1 2 3 ]'],
  ['builtins.genList (x: x * x) 4', '[ 0 1 4 9 ]'],
  ['builtins.tail [ 1 2 ]', '[ 2 ]'],
  [
    'builtins.genericClosure { startSet = [ { key = 1; } ]; operator = { key }: if key < 3 then [ { key = key + 1; } { key = 1.0; } ] else [ ]; }',
    '[ { key = 1; } { key = 2; } { key = 3; } ]',
  ],
  ['builtins.genericClosure { startSet = [ ]; }', '[ ]'],
]);
failures('lists', [
  ['builtins.foldl\' (throw "f") 1 [ ]', 'f'],
  ['builtins.any (throw "f") [ ]', 'f'],
  ['builtins.genList (throw "f") 0', 'f'],
  ['builtins.genList (x: x) (-1)', 'cannot create list of size -1'],
  ['builtins.elemAt [ 1 ] 1', "'builtins.elemAt' called with index 1 on a list of size 1"],
  ['builtins.elemAt (throw "list") "x"', 'expected an integer but found a string: "x"'],
  ['builtins.head [ ]', "'builtins.head' called on an empty list"],
  ['builtins.partition (x: true) [ (throw "forced") ]', 'forced'],
  ['builtins.filter (x: 1) [ 1 ]', 'expected a Boolean but found an integer: 1'],
  [
    'builtins.genericClosure { startSet = [ { key = 1; } { key = "a"; } ]; operator = x: [ ]; }',
    'cannot compare a string with an integer; values are "a" and 1',
  ],
  ['builtins.genericClosure { startSet = [ { } ]; operator = x: [ ]; }', "attribute 'key' missing"],
]);

values('sets', [
  ['builtins.attrNames { b = 1; a = 2; "é" = 3; "Z" = 4; }', '[ "Z" "a" "b" "é" ]'],
  ['builtins.attrValues { b = 1; a = 2; }', '[ 2 1 ]'],
  ['builtins.attrNames (builtins.listToAttrs [ { name = "a"; value = throw "v"; } { name = "a"; } ])', '[ "a" ]'],
  ['builtins.listToAttrs [ { name = "a"; value = 1; } { name = "a"; value = 2; } ]', '{ a = 1; }'],
  ['builtins.intersectAttrs { a = 1; b = 2; c = 3; } { b = 4; c = 5; d = 6; }', '{ b = 4; c = 5; }'],
  ['removeAttrs { a = 1; b = 2; } [ "a" "zz" "a" ]', '{ b = 2; }'],
  ['builtins.catAttrs "a" [ { a = 1; } { } { a = 2; } ]', '[ 1 2 ]'],
  ['builtins.mapAttrs (n: v: n + v) { a = "1"; b = "2"; }', '{ a = "a1"; b = "b2"; }'],
  ['builtins.attrNames (builtins.mapAttrs (throw "f") { a = 1; })', '[ "a" ]'],
  [
    'builtins.zipAttrsWith (n: vs: { inherit n vs; }) [ { a = 1; } { a = 2; b = 3; } ]',
    '{ a = { n = "a"; vs = [ 1 2 ]; }; b = { n = "b"; vs = [ 3 ]; }; }',
  ],
  ['builtins.functionArgs ({ a, b ? 1, ... }: a)', '{ a = false; b = true; }'],
  ['[ (builtins.functionArgs (x: x)) (builtins.functionArgs map) ]', '[ { } { } ]'],
  ['builtins.unsafeGetAttrPos "a" { a = 1; }', 'null'],
]);
failures('sets', [
  ['builtins.getAttr "a b" { }', 'attribute \'"a b"\' missing'],
  ['builtins.functionArgs { __functor = self: x: x; }', "'functionArgs' requires a function"],
  ['builtins.listToAttrs [ { value = 1; } ]', "attribute 'name' missing"],
  ['builtins.listToAttrs [ { name = "a"; } { name = "a"; value = 1; } ]', "attribute 'value' missing"],
  ['builtins.listToAttrs [ { name = "a"; } { value = 1; } ]', "attribute 'name' missing"],
  ['builtins.hasAttr 1 { }', 'expected a string but found an integer: 1'],
]);

values('strings', [
  ['builtins.substring 1 2 "abcd"', '"bc"'],
  ['builtins.substring 2 (-1) "abcd"', '"cd"'],
  ['builtins.substring 9 1 "abcd"', '""'],
  ['builtins.stringLength "é"', '2'],
  ['builtins.replaceStrings [ "a" "" ] [ "x" "-" ] "ba"', '"-bx-"'],
  ['builtins.replaceStrings [ "" "a" ] [ "-" "b" ] "aa"', '"-a-a-"'],
  ['builtins.replaceStrings [ "a" "b" ] [ "1" (throw "unused") ] "aca"', '"1c1"'],
  ['builtins.concatStringsSep ", " [ "a" "b" ]', '"a, b"'],
  ['map baseNameOf [ "a//" "/" "a/b" /c/d "" ]', '[ "" "" "b" "d" "" ]'],
  ['map dirOf [ "a" "a//b" "/a" "a/b/c" ]', '[ "." "a/" "/" "a/b" ]'],
  ['[ (dirOf /a/b) (dirOf /a) (dirOf /.) ]', '[ /a / / ]'],
  ['toString [ 1 [ ] [ [ ] ] 2 true null 1.5 ]', '"1  2 1  1.500000"'],
  ['builtins.hashString "sha1" "abc"', '"a9993e364706816aba3e25717850c26c9cd0d89d"'],
  [
    'builtins.convertHash { hash = builtins.hashString "md5" ""; hashAlgo = "md5"; toHashFormat = "sri"; }',
    '"md5-1B2M2Y8AsgTpgAmY7PhCfg=="',
  ],
  ['placeholder "out"', '"/1rz4g4znpzjwh1xymhjpm42vipw92pr73vdgl6xs1hycac8kf2n9"'],
]);
failures('strings', [
  ['builtins.substring (-1) 1 "a"', "negative start position in 'substring'"],
  [
    'builtins.replaceStrings [ "a" ] [ ] "a"',
    "'from' and 'to' arguments passed to builtins.replaceStrings have different lengths",
  ],
  ['builtins.concatStringsSep " " [ 1 ]', 'cannot coerce an integer to a string: 1'],
  [
    'builtins.hashString "foo" ""',
    "unknown hash algorithm 'foo', expect 'blake3', 'md5', 'sha1', 'sha256', or 'sha512'",
  ],
]);

values('versions', [
  ['builtins.compareVersions "1.0" "1.0.0"', '-1'],
  ['builtins.compareVersions "1.0" "1.0pre"', '1'],
  ['builtins.compareVersions "1-0" "1.0"', '0'],
  ['builtins.compareVersions "2147483648" "1"', '-1'],
  ['builtins.splitVersion "1.2pre-x"', '[ "1" "2" "pre" "x" ]'],
  [
    'map builtins.parseDrvName [ "a--1" "-1" "a-é" "apache-httpd-2.0" ]',
    '[ { name = "a"; version = "-1"; } { name = ""; version = "1"; } { name = "a"; version = "é"; } { name = "apache-httpd"; version = "2.0"; } ]',
  ],
]);

values('control', [
  ['builtins.tryEval (throw "x")', '{ success = false; value = false; }'],
  ['builtins.tryEval (assert false; 1)', '{ success = false; value = false; }'],
  ['(builtins.tryEval [ (throw "x") ]).success', 'true'],
  ['builtins.seq [ (throw "x") ] 1', '1'],
  ['builtins.deepSeq (let s = { inherit s; }; in s) 1', '1'],
  ['builtins.traceVerbose (throw "unused") 1', '1'],
  ['builtins.break 1', '1'],
]);
failures('control', [
  ['builtins.tryEval (abort "x")', "evaluation aborted with the following error message: 'x'"],
  ['builtins.tryEval (1 + "a")', 'cannot add a string to an integer'],
  ['builtins.deepSeq [ (throw "x") ] 1', 'x'],
  ['builtins.warn 1 2', 'expected a string but found an integer: 1'],
]);

values('JSON', [
  [
    'builtins.fromJSON "[1, -0, 1.5, 1e2, true, null, \\"a\\\\u00e9\\\\ud83d\\\\ude00\\"]"',
    '[ 1 0 1.5 100 true null "aé😀" ]',
  ],
  ['builtins.fromJSON "{\\"a\\": 1, \\"a\\": 2}"', '{ a = 2; }'],
  ['builtins.fromJSON "[9223372036854775807, 18446744073709551616]"', '[ 9223372036854775807 1.84467e+19 ]'],
  [
    'builtins.typeOf (builtins.fromJSON "[${builtins.concatStringsSep "" (builtins.genList (x: "[") 20000)}${builtins.concatStringsSep "" (builtins.genList (x: "]") 20000)}]")',
    '"list"',
  ],
]);
failures('JSON', [
  ['builtins.fromJSON "9223372036854775808"', 'unsigned json number 9223372036854775808 outside of Nix integer range'],
  [
    'builtins.fromJSON "[1, x"',
    "[json.exception.parse_error.101] parse error at line 1, column 5: syntax error while parsing value - invalid literal; last read: '1, x'",
  ],
  [
    'builtins.fromJSON ""',
    'parse error at line 1, column 1: attempting to parse an empty input; check that your input string or stream contains the expected JSON',
  ],
  [
    'builtins.fromJSON "{\\"a\\" 1}"',
    "column 6: syntax error while parsing object separator - unexpected number literal; expected ':'",
  ],
  // The column is lost where a line ends behind the number.
  ['builtins.fromJSON "01\\n"', 'line 1, column 0: syntax error while parsing value - unexpected number literal'],
  ['builtins.fromJSON "\\n[1 2\\n]"', 'line 2, column 0: syntax error while parsing array - unexpected number literal'],
  ['builtins.fromJSON "[1 2]"', "column 4: syntax error while parsing array - unexpected number literal; expected ']'"],
  ['builtins.fromJSON "1 2"', 'syntax error while parsing value - unexpected number literal; expected end of input'],
  [
    'builtins.fromJSON "[\\"a\nb\\"]"',
    "line 2, column 0: syntax error while parsing value - invalid string: control character U+000A (LF) must be escaped to \\u000A or \\n; last read: '\"a<U+000A>'",
  ],
  [
    'builtins.fromJSON "\\"\\\\ud800\\""',
    'invalid string: surrogate U+D800..U+DBFF must be followed by U+DC00..U+DFFF; last read: \'"\\ud800"\'',
  ],
  ['builtins.fromJSON "01"', 'unexpected number literal; expected end of input'],
  ['builtins.fromJSON "-"', "invalid number; expected digit after '-'; last read: '-'"],
  ['builtins.fromJSON "1E400"', "[json.exception.out_of_range.406] number overflow parsing '1E400'"],
  ['builtins.fromJSON "\\"\\\\u0000\\""', 'cannot be represented as Nix string because it contains null bytes'],
]);

values('TOML', [
  [
    'builtins.fromTOML "a = 1\\n[b.c]\\nd = [ 1.5, \'x\' ]\\n[[e]]\\n[[e]]\\nf = { g.h = true }"',
    '{ a = 1; b = { c = { d = [ 1.5 "x" ]; }; }; e = [ { } { f = { g = { h = true; }; }; } ]; }',
  ],
  [
    'builtins.fromTOML "t = 1979-05-27 07:32:00.5Z"',
    '{ t = { _type = "timestamp"; value = "1979-05-27T07:32:00.500Z"; }; }',
  ],
  ['builtins.fromTOML "s = \\"\\"\\"\\n a \\\\\\n   b\\"\\"\\""', '{ s = " a b"; }'],
]);
failures('TOML', [
  ['builtins.fromTOML "a = 1\\na = 2"', 'toml::insert_value: failed to insert a value, value already exists'],
  [
    'builtins.fromTOML "a = { b = 1, }"',
    'while parsing TOML: [error] toml::parse_inline_table: trailing comma is not allowed',
  ],
  ['builtins.fromTOML "a.b = 1\\n[a]"', 'table already defined'],
  ['builtins.fromTOML "a = {}\\na.b = 1"', 'failed to insert a value: inline table is immutable'],
  ['builtins.fromTOML "a = [ {} ]\\na.b = 1"', 'toml::insert_value:inline array of tables are immutable'],
  ['builtins.fromTOML "[[a.b]]\\n[a]\\nb.c = 1"', 'toml::insert_value:dotted key cannot reopen an array-of-tables'],
  ['builtins.fromTOML "[a.b]\\n[a]\\nb.c = 1"', 'toml::insert_value: reopening a table using dotted keys'],
  ['builtins.fromTOML "a = -1e400"', 'toml::parse_floating: failed to read floating point value from stream'],
  ['builtins.fromTOML "a = \\"\\\\e\\""', 'toml::parse_escape_sequence: unknown escape sequence.'],
  ['builtins.fromTOML "a = 1979-02-30"', 'toml::parse_local_date: invalid date.'],
  [
    'builtins.fromTOML "a = 9223372036854775808"',
    ' 1 | a = 9223372036854775808\n   |                        ^-- must be < 2^63',
  ],
]);

values('flake references', [
  [
    'builtins.parseFlakeRef "github:NixOS/nixpkgs/23.05?dir=lib"',
    '{ dir = "lib"; owner = "NixOS"; ref = "23.05"; repo = "nixpkgs"; type = "github"; }',
  ],
  ['builtins.parseFlakeRef "nixpkgs/release"', '{ id = "nixpkgs"; ref = "release"; type = "indirect"; }'],
  [
    'builtins.parseFlakeRef "git+https://x.org/y?ref=main&shallow=1"',
    '{ ref = "main"; shallow = true; type = "git"; url = "https://x.org/y"; }',
  ],
  ['builtins.parseFlakeRef "https://x.org/y.tar.gz"', '{ type = "tarball"; url = "https://x.org/y.tar.gz"; }'],
  [
    'builtins.flakeRefToString { type = "git"; url = "https://x.org/y"; ref = "main"; dir = "a"; }',
    '"git+https://x.org/y?dir=a&ref=main"',
  ],
]);
failures('flake references', [
  [
    'builtins.flakeRefToString { type = "github"; owner = "a"; repo = -1; }',
    'negative value given for flake ref attr repo: -1',
  ],
  [
    'builtins.flakeRefToString { type = "github"; owner = "a"; repo = "b"; x = "c"; }',
    "input attribute 'x' not supported by scheme 'github'",
  ],
]);

it('positions survive what leaves attributes as they are, however often', () => {
  const source = `let
  a = { x = 1;
        y = 2; };
  step = set: removeAttrs (set // { z = 1; }) [ "z" ];
  many = n: builtins.foldl' (set: _: step set) a (builtins.genList (i: i) n);
  line = name: set: (builtins.unsafeGetAttrPos name set).line;
  lines = set: [ (line "x" set) (line "y" set) (line "y" (builtins.intersectAttrs { y = 0; } set)) ];
in map (n: lines (many n)) [ 0 1 3 20 ]`;
  expect(evaluate('import ./a.nix', { files: { '/work/a.nix': source } })).toBe(`[ ${'[ 2 3 3 ] '.repeat(4)}]`);
});
