// Builtins on lists, sets and paths against nix-instantiate 2.8: orders that many items share a place in, keys that do
// not compare,
// paths with every kind of dot and slash.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { utf8 } from '../../src/util/bytes.ts';
import { disagreements, nixString, runs } from '../support/oracle-eval.ts';
import { describeWith } from '../support/requirements.ts';
import { seed } from '../support/seed.ts';

function sample<T>(arbitrary: fc.Arbitrary<T>, count = runs): T[] {
  return fc.sample(arbitrary, { numRuns: Math.ceil(count), seed });
}

const list = (items: readonly string[]): string => `[ ${items.map((item) => `(${item})`).join(' ')} ]`;

/** Orders in which different numbers may be the same, so that it is seen where they end up. */
const comparators = fc.constantFrom(
  'a: b: a < b',
  'a: b: b < a',
  'a: b: false',
  'a: b: a - a / 3 * 3 < b - b / 3 * 3',
  'a: b: builtins.bitAnd a 4 < builtins.bitAnd b 4',
  'a: b: a / 8 > b / 8',
);

const names = fc.constantFrom('a', 'b', 'c', '"d e"', '"1"', 'or', '_');
const dicts = fc
  .array(fc.tuple(names, fc.constantFrom('1', '"x"', '[ 2 ]', '{ z = 3; }', 'null', '1.5')), { maxLength: 5 })
  .map((pairs) => `{ ${[...new Map(pairs)].map(([name, value]) => `${name} = ${value};`).join(' ')} }`);

const numbered = ['{ key = 1; }', '{ key = 2; v = "w"; }', '{ key = 1.0; }', '{ key = 2.5; }', '{ key = -1; v = 0; }'];
const keyed = ['{ key = "a"; }', '{ key = [ 1 ]; }', '{ key = [ 1 2 ]; }', '{ key = null; }', '{ }', '{ key = /a; }'];
const startAndNext = fc.oneof(
  ...[fc.constantFrom(...numbered), fc.constantFrom(...numbered, ...keyed)].map((item) =>
    fc.tuple(fc.array(item, { maxLength: 3 }), fc.array(item, { maxLength: 3 })),
  ),
);

const pathPieces = fc
  .array(fc.constantFrom('/', 'a', '..', '.', '/b', '/..', '//', '/.', 'é', ' ', '/a.b', '-'), { maxLength: 6 })
  .map((pieces) => utf8(pieces.join('')));
const pathLiterals = fc.constantFrom('/a', '/a/b', '/.', '/..', '/a/../b', '/a/./b', '/...', '/a.b/c-d_e', '/a/b/..');

describeWith(['nix-instantiate'], `collections against nix-instantiate 2.8 (TSNIX_SEED=${seed})`, () => {
  it('sort', () => {
    const items = fc.array(fc.integer({ min: -9, max: 30 }), { maxLength: 70 });
    const cases = sample(fc.tuple(comparators, items));
    expect(disagreements(cases.map(([less, all]) => `builtins.sort (${less}) ${list(all.map(String))}`))).toEqual([]);
  });

  it('sets and lists of sets', () => {
    const cases = sample(fc.tuple(fc.array(dicts, { maxLength: 4 }), dicts, dicts));
    expect(
      disagreements(
        cases.map(([all, a, b]) => {
          const xs = list(all);
          return list([
            `builtins.zipAttrsWith (n: vs: [ n vs ]) ${xs}`,
            `builtins.intersectAttrs ${a} ${b}`,
            `builtins.catAttrs "a" ${xs}`,
            `${a} // ${b} // ${a}`,
            `${a} == ${b}`,
            `builtins.removeAttrs ${a} (builtins.attrNames ${b})`,
            `builtins.partition (s: s ? a && s ? b) ${xs}`,
            `builtins.groupBy (s: toString (builtins.attrNames s)) ${xs}`,
            `map (s: [ (s ? a) (s ? "d e") (s ? \${"a"}.z) (s.b or 7) (s.c.z or s.c or 8) ]) ${xs}`,
            `builtins.mapAttrs (n: v: n) ${a}`,
            `builtins.attrValues ${b}`,
            `let inherit (${a} // { c = 1; }) c; in c`,
          ]);
        }),
      ),
    ).toEqual([]);
  });

  it('large literals', () => {
    const kinds = ['null', '1', 'f', 'x: x', 'f 1', '[ ]', '{ a = f; }', 'args.z', 'later', 'throw "no"'];
    const large = fc
      .tuple(fc.array(fc.constantFrom(...kinds), { minLength: 510, maxLength: 530 }), fc.nat(40), fc.boolean())
      .map(([all, first, inherits]) => {
        const attributes = all.map((value, i) => `n${first + i} = ${value};`);
        return `{ ${attributes.join(' ')} ${inherits ? 'inherit (args) z y; inherit f;' : ''} }`;
      });
    const small = fc
      .array(fc.tuple(fc.nat(600), fc.constantFrom('f', '"s"', 'null', '2')), { maxLength: 60 })
      .map((pairs) => `{ ${[...new Map(pairs)].map(([i, value]) => `n${i} = ${value};`).join(' ')} }`);
    const cases = sample(fc.tuple(large, large, small, small, fc.nat(599)), runs / 16);
    expect(
      disagreements(
        cases.map(([a, b, s, t, i]) => {
          const sets = ['a', 's // a', 'a // s', 's // a // t', 'a // b', 's // b // a // t', 'removeAttrs a [ "n7" ]'];
          const say = (set: string): string => `
            (let x = ${set}; names = builtins.attrNames x; try = v: (builtins.tryEval (v == v)).value; in [
              (x ? n${i}) (try (x.n${i} or "none")) (x.n${(i + 9) % 600} or null == a.n${(i + 9) % 600} or null)
              (builtins.length names) (builtins.elemAt names ${i % 400})
              (map (n: try x.\${n} == (a ? \${n} && x.\${n} == a.\${n})) (builtins.filter (n: (builtins.tryEval (x.\${n} == 0)).success) names))
              (builtins.intersectAttrs { n${i} = 0; zz = 0; } x ? n${i}) (builtins.intersectAttrs s x == s)
              (with x; builtins.isFunction (n${i} or 0)) (map (v: (builtins.tryEval (v == { })).success) (builtins.attrValues x))
            ])`;
          return `let f = x: x; args = { z = f; y = 1; }; a = ${a}; b = ${b}; s = ${s}; t = ${t}; later = f; in ${list(sets.map(say))}`;
        }),
      ),
    ).toEqual([]);
  });

  it('genericClosure', () => {
    const cases = sample(startAndNext, runs / 8);
    expect(
      disagreements(
        cases.map(
          ([start, next]) =>
            `builtins.genericClosure { startSet = ${list(start)}; operator = i: if i ? v then [ ] else ${list(next)}; }`,
        ),
      ),
    ).toEqual([]);
  });

  it('paths', () => {
    const cases = sample(fc.tuple(pathLiterals, pathPieces, pathLiterals));
    expect(
      disagreements(
        cases.map(([path, text, other]) => {
          const s = nixString(text);
          const rooted = nixString(`/${text}`);
          return list([
            `${path} + ${s}`,
            `${path} + ${other}`,
            `${path} + ${rooted} == ${other}`,
            `dirOf (${path} + ${rooted})`,
            `baseNameOf (${path} + ${s})`,
            `toString (${path} + ${s})`,
            `${path} < ${other}`,
            `/x/\${${s}}/y`,
            `/x\${${s}}y`,
            `/. + ${rooted}`,
            `builtins.toPath ${rooted}`,
            `dirOf ${rooted}`,
          ]);
        }),
      ),
    ).toEqual([]);
  });
});
