import { describe, expect, it } from 'vitest';
import { memoryEvaluator } from '../../test/support/evaluator.ts';
import { Attrs } from './attrs.ts';
import { findAlongAttrPath, parseAttrPath } from './attr-path.ts';
import { autoCall } from './auto-call.ts';

const none = { args: Attrs.EMPTY };

function find(expression: string, path: string, args = Attrs.EMPTY): unknown {
  const ev = memoryEvaluator();
  return ev.force(findAlongAttrPath(ev, path, ev.evalString(expression, '/', { kind: 'string' }), { args }).slot);
}

describe('parseAttrPath()', () => {
  it('splits at dots outside of quotes', () => {
    expect(parseAttrPath('a.b."c.d".0')).toEqual(['a', 'b', 'c.d', '0']);
    expect(parseAttrPath('')).toEqual([]);
    expect(parseAttrPath('a"b"c')).toEqual(['abc']);
    expect(parseAttrPath('a..b.')).toEqual(['a', '', 'b']);
    expect(() => parseAttrPath('a."b')).toThrow("missing closing quote in selection path 'a.\"b'");
  });
});

describe('findAlongAttrPath()', () => {
  it('selects, indexes and calls on the way', () => {
    expect(find('{ a.b = [ 1 2 ]; }', 'a.b.1')).toBe(2);
    expect(find('{ a = { x ? 5 }: { y = x; }; }', 'a.y')).toBe(5);
    expect(find('{ x, ... }: { inherit x; }', 'x', Attrs.from([['x', 7]]))).toBe(7);
    expect(find('5', '')).toBe(5);
  });
  it('says what is missing', () => {
    expect(() => find('{ foo = 1; }', 'fo')).toThrow("attribute 'fo' in selection path 'fo' not found");
    expect(() => find('[ 1 ]', '3')).toThrow("list index 3 in selection path '3' is out of range");
    expect(() => find('1', 'a')).toThrow(
      "the expression selected by the selection path 'a' should be a set but is an integer",
    );
    expect(() => find('{ }', '0')).toThrow('should be a list but is a set');
    expect(() => find('{ }', '.a')).toThrow("empty attribute name in selection path '.a'");
  });
});

describe('autoCall()', () => {
  const call = (expression: string, options: Parameters<typeof autoCall>[2]): unknown => {
    const ev = memoryEvaluator();
    return ev.forceDeep(autoCall(ev, ev.evalString(expression, '/', { kind: 'string' }), options));
  };
  it('passes what a set pattern names, all of it where there is an ellipsis', () => {
    const args = Attrs.from([
      ['a', 1],
      ['z', 2],
    ]);
    expect(call('{ a }: a', { args })).toBe(1);
    expect(call('{ a, ... }@all: all.z', { args })).toBe(2);
    expect(call('x: 1', { args })).toBeTypeOf('object');
    expect(call('{ __functor = self: { a }: a; }', { args })).toBe(1);
  });
  it('takes explicit arguments, then defaults, then the package set', () => {
    const packageSet = (): Attrs =>
      Attrs.from([
        ['a', 'package'],
        ['b', 'package'],
        ['c', 'package'],
      ]);
    const args = Attrs.from([['a', 'argument']]);
    expect(call('{ a ? "default", b ? "default", c }: [ a b c ]', { args, packageSet })).toEqual([
      'argument',
      'default',
      'package',
    ]);
  });
  it('refuses arguments without a value', () => {
    expect(() => call('{ a }: a', none)).toThrow(
      "cannot evaluate a function that has an argument without a value ('a')",
    );
  });
});
