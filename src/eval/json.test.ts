import { describe, expect, it } from 'vitest';
import { evaluate } from '../../test/support/evaluate.ts';

const json = (source: string): string =>
  JSON.parse(evaluate(`builtins.toJSON (${source})`).replaceAll('\\$', '$')) as string;

describe('valueToJson()', () => {
  it.each([
    ['[ 1 (-2) 1.0 1.5 true null "é" ]', '[1,-2,1.0,1.5,true,null,"é"]'],
    ['{ b = 1; a = { }; "x\\"y" = [ ]; }', '{"a":{},"b":1,"x\\"y":[]}'],
    ['"\\t\\n\\r\\\\ /"', '"\\t\\n\\r\\\\ /"'],
    ['builtins.fromJSON "\\"\\\\u0001\\\\b\\\\f\\""', '"\\u0001\\b\\f"'],
    ['{ outPath = { a = 1; }; }', '{"a":1}'],
    ['{ outPath = "x"; a = throw "unused"; }', '"x"'],
    ['{ __toString = self: self.x; x = "y"; outPath = throw "unused"; }', '"y"'],
    ['{ __toString = _: /no/copy; }', '"/no/copy"'],
    ['1.0e15', '1e+15'],
    [
      '[ { b = 1; a = 2; } { } { a = 3; b = { b = 4; }; } { b = 5; } ]',
      '[{"a":2,"b":1},{},{"a":3,"b":{"b":4}},{"b":5}]',
    ],
    ['map (x: { "é" = x; "a\\"" = x; z = x; }) [ 1 2 ]', '[{"a\\"":1,"z":1,"é":1},{"a\\"":2,"z":2,"é":2}]'],
  ])('%s', (source, text) => {
    expect(json(source)).toBe(text);
  });

  it.each([
    ['x: x', 'cannot convert a function to JSON'],
    ['[ map ]', "cannot convert the built-in function 'map' to JSON"],
    ['{ __toString = _: 1; }', '`__toString` should return a string, but got an integer: 1'],
    ['{ __toString = _: { a = 1; }; }', '`__toString` must return a string, but got a set: { a = 1; }'],
    ['let x = { inherit x; }; in x', 'max-call-depth exceeded'],
    [
      'builtins.substring 0 1 "é"',
      'JSON serialization error: [json.exception.type_error.316] incomplete UTF-8 string; last byte: 0xC3',
    ],
    [
      '{ a = builtins.substring 1 1 "é"; ${builtins.substring 0 1 "é"} = 1; }',
      'JSON serialization error: [json.exception.type_error.316] invalid UTF-8 byte at index 0: 0xA9',
    ],
    [
      '{ a.${builtins.substring 0 1 "é"} = 1; b = builtins.substring 1 1 "é"; }',
      'JSON serialization error: [json.exception.type_error.316] incomplete UTF-8 string; last byte: 0xC3',
    ],
    [
      '"a" + builtins.substring 1 1 "é"',
      'JSON serialization error: [json.exception.type_error.316] invalid UTF-8 byte at index 1: 0xA9',
    ],
  ])('%s fails', (source, message) => {
    expect(() => evaluate(`builtins.toJSON (${source})`, { settings: { maxCallDepth: 200 } })).toThrow(message);
  });
});
