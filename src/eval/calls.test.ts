// A call of several arguments enters several lambdas at once; one argument after the other gives the same.
import { describe, expect, it } from 'vitest';
import { outcome } from '../../test/support/outcome.ts';

const FUNCTIONS = [
  'x: y: z: [ x y z ]',
  'x: y: z: x + y - z',
  'x: y: { a, b ? x, ... }: [ x y a b ]',
  'x: y: all@{ a, b ? all.a, ... }: [ (all == all) all.a b y ]',
  'x: y: { }: x',
  'x: { a ? 1, ... }: y: x + a',
  '{ a ? 1, ... }: x: y: a + x',
  'x: let f = y: z: x + y; in f',
  'x: builtins.trace "first" (y: builtins.trace "second" (z: x + y + z))',
  'x: y: z: { inherit x y; f = w: z + w; }.f 1',
  'x: y: z: w: x + y + z + w',
  'x: y: x',
  'x: x',
  'x: y: throw "no ${toString y}"',
  'builtins.substring',
  'x: builtins.replaceStrings x',
  '{ __functor = self: x: y: z: x + y + z; }',
  'let f = x: y: z: if x == 0 then y + z else f (x - 1) z (y + 1); in f',
  'x: y: z: assert x < y; z',
  '_: y: _: y',
];
const ARGUMENTS = [
  ['1', '2', '3'],
  ['1', '2', '{ a = 4; }'],
  ['1', '2', '{ a = 4; c = builtins.trace "never" 5; }'],
  ['1', '{ a = builtins.trace "a" 4; }', '3'],
  ['{ a = 4; }', '2', '3'],
  ['1', '2', '{ b = 4; }'],
  ['1', '2', 'throw "third"'],
  ['builtins.trace "one" 1', 'builtins.trace "two" 2', 'builtins.trace "three" 3'],
  ['throw "first"', 'throw "second"', '{ }'],
  ['[ "a" ]', '[ "b" ]', '"a"'],
  ['1 - 2', '9007199254740991 + 1', '3 * 4'],
];

describe('calls', () => {
  it.each(FUNCTIONS)('%s', (fn) => {
    for (const [a, b, c] of ARGUMENTS) {
      const together = `let f = ${fn}; in f (${a!}) (${b!}) (${c!})`;
      const apart = `let f = ${fn}; g = f (${a!}); h = g (${b!}); in h (${c!})`;
      expect(outcome(together), together).toEqual(outcome(apart));
      const named = `let f = ${fn}; a = ${a!}; b = ${b!}; c = ${c!}; in f a b c`;
      expect(outcome(named), named).toEqual(
        outcome(`let f = ${fn}; a = ${a!}; b = ${b!}; c = ${c!}; g = f a; h = g b; in h c`),
      );
    }
  });

  it('take sets apart that are written where they stand', () => {
    const set = '{ a = 1; b = builtins.trace "b" 2; c = a: a; }';
    for (const fn of [
      '{ a, ... }: a',
      'all@{ a, b, ... }: [ a b (all == all) [ all ] ]',
      '{ a, b, c }: [ (c b) ]',
      '{ }: 1',
    ])
      expect(outcome(`(${fn}) ${set}`), fn).toEqual(outcome(`let s = ${set}; in (${fn}) s`));
    expect(outcome('(all@{ a, ... }: [ all ] == [ all ]) { a = x: x; }').value).toBe('true');
  });

  it('look up in literals as in other sets', () => {
    for (const body of ['a + b', 'b', 'with { b = 5; }; a + b', 'c', '[ a ]', 'let a = 7; in a'])
      for (const set of ['{ a = 1; b = builtins.trace "b" 2; }', '{ a = 1; b = throw "b"; }', '{ }'])
        expect(outcome(`with ${set}; ${body}`)).toEqual(outcome(`let s = ${set}; in with s; ${body}`));
  });
});
