import fc from 'fast-check';
import { expect, it } from 'vitest';
import { disagreements, evaluateHere, nixString, runs, type Outcome } from '../support/oracle-eval.ts';
import { seed } from '../support/seed.ts';
import { describeWith } from '../support/requirements.ts';
import {
  brokenJson,
  brokenToml,
  floatLiterals,
  floats,
  indentedStrings,
  jsonDocuments,
  shortStrings,
  tomlFiles,
  versions,
} from './generators/data.ts';

function sample<T>(arbitrary: fc.Arbitrary<T>, count = runs): T[] {
  return fc.sample(arbitrary, { numRuns: Math.ceil(count), seed });
}

/** 2.8 writes floats in JSON with %g, \b and \f as \u00xx, and has no rule for inf. */
function isJsonSpelling(here: Outcome, nix: Outcome): boolean {
  return 'value' in here && 'value' in nix && /[.e]|\\\\u00/.test(here.value + nix.value);
}

/** 2.8 wraps integers of 2^63 to 2^64 - 1 around, and takes NULs in names. */
function isJsonWrap(here: Outcome): boolean {
  return 'error' in here && /outside of Nix integer range|contains null bytes/.test(here.error);
}

const TOML4_REFUSES =
  /table already defined|reopening a table|cannot reopen|immutable|while inserting this|already exists\n[^]*\| \[|too large|failed to read/;

/**
 * 2.8's toml11 3 lets a header or a dotted key reopen what a dotted key or a header made, and a header reach into the
 * last table of an array, and takes the largest number for what is larger; toml11 4 does not. But it refuses `[a]` after
 * `[[a.b]]`, which is valid.
 */
function isToml3(here: Outcome, nix: Outcome): boolean {
  if ('value' in here) return 'error' in nix && /insert_value: table \(.*\) already exists/.test(nix.error);
  return 'value' in nix && TOML4_REFUSES.test(here.error);
}

const list = (items: readonly string[]): string => `[ ${items.map((item) => `(${item})`).join(' ')} ]`;

describeWith(['nix-instantiate'], `builtins against nix-instantiate 2.8 (TSNIX_SEED=${seed})`, () => {
  it('fromJSON', () => {
    expect(disagreements(sample(jsonDocuments).map((text) => `builtins.fromJSON ${nixString(text)}`))).toEqual([]);
  });

  it('fromJSON refuses the same broken documents', () => {
    const texts = sample(brokenJson, runs / 8);
    expect(
      disagreements(
        texts.map((text) => `builtins.fromJSON ${nixString(text)}`),
        isJsonWrap,
      ),
    ).toEqual([]);
  });

  it('toJSON', () => {
    const texts = sample(jsonDocuments);
    expect(
      disagreements(
        texts.map((text) => `builtins.toJSON (builtins.fromJSON ${nixString(text)})`),
        isJsonSpelling,
      ),
    ).toEqual([]);
  });

  it('toXML', () => {
    const texts = sample(jsonDocuments);
    expect(disagreements(texts.map((text) => `builtins.toXML (builtins.fromJSON ${nixString(text)})`))).toEqual([]);
  });

  it('fromTOML', () => {
    expect(
      disagreements(
        sample(tomlFiles, runs / 2).map((text) => `builtins.fromTOML ${nixString(text)}`),
        isToml3,
      ),
    ).toEqual([]);
  });

  it('fromTOML refuses the same broken documents', () => {
    const texts = sample(brokenToml, runs / 8);
    expect(
      disagreements(
        texts.map((text) => `builtins.fromTOML ${nixString(text)}`),
        isToml3,
      ),
    ).toEqual([]);
  });

  it('floats: literals', () => {
    const compared = (f: string): string => `(${f} == 0) (${f} < 1) (builtins.isFloat ${f})`;
    expect(disagreements(sample(floatLiterals).map((f) => `[ ${f} (-${f}) (toString ${f}) ${compared(f)} ]`))).toEqual(
      [],
    );
  });

  it('floats: printed, toString and arithmetic', () => {
    const pairs = sample(fc.tuple(floats, floats));
    const number = (text: string): string => `(builtins.fromJSON "${text}")`;
    expect(
      disagreements(
        pairs.map(([a, b]) => {
          const [x, y] = [number(a), number(b)];
          return list([
            x,
            `toString ${x}`,
            `${x} + ${y}`,
            `${x} * 1.0 * ${y}`,
            `toString (${x} - ${y})`,
            `${x} < ${y}`,
          ]);
        }),
      ),
    ).toEqual([]);
  });

  it('indented strings', () => {
    const all = sample(indentedStrings);
    // One that ends early would end the others too; parse.test.ts has those.
    const whole = all.filter((text) => !('error' in evaluateHere(`[ ${text} ]`)));
    expect(whole.length).toBeGreaterThan(all.length * 0.8);
    expect(disagreements(whole.map((text) => `[ ${text} (builtins.stringLength ${text}) ]`))).toEqual([]);
  });

  it('compareVersions, splitVersion, parseDrvName', () => {
    const pairs = sample(fc.tuple(versions, versions));
    expect(
      disagreements(
        pairs.map(([a, b]) => {
          const [x, y] = [nixString(a), nixString(b)];
          return list([
            `builtins.compareVersions ${x} ${y}`,
            `builtins.splitVersion ${x}`,
            `builtins.parseDrvName ${nixString(`${a}-${b}`)}`,
          ]);
        }),
      ),
    ).toEqual([]);
  });

  it('replaceStrings, substring, baseNameOf, dirOf', () => {
    const cases = sample(
      fc.tuple(
        fc.array(fc.tuple(shortStrings, shortStrings), { maxLength: 4 }),
        shortStrings,
        fc.nat({ max: 8 }),
        fc.integer({ min: -1, max: 8 }),
      ),
    );
    expect(
      disagreements(
        cases.map(([pairs, text, start, length]) => {
          const from = list(pairs.map(([x]) => nixString(x)));
          const to = list(pairs.map(([, y]) => nixString(y)));
          const s = nixString(text);
          return list([
            `builtins.replaceStrings ${from} ${to} ${s}`,
            `builtins.substring ${start} (${length}) ${s}`,
            `builtins.stringLength ${s}`,
            `baseNameOf ${s}`,
            `dirOf ${s}`,
            `builtins.hashString "sha256" ${s}`,
          ]);
        }),
      ),
    ).toEqual([]);
  });

  it('sort, lists and sets', () => {
    const items = fc.oneof(
      fc.array(
        fc.integer({ min: -9, max: 9 }).map((n) => `(${n})`),
        { maxLength: 40 },
      ),
      fc.array(shortStrings.map(nixString), { maxLength: 40 }),
      fc.array(
        fc.array(fc.nat({ max: 3 }).map(String), { maxLength: 3 }).map((l) => `[${l.join(' ')}]`),
        { maxLength: 20 },
      ),
    );
    expect(
      disagreements(
        sample(items).map((l) => {
          const xs = `[ ${l.join(' ')} ]`;
          return list([
            `builtins.sort builtins.lessThan ${xs}`,
            `builtins.sort (a: b: a < b) ${xs}`,
            `builtins.partition (x: x < builtins.head (${xs} ++ [0])) ${xs}`,
            `builtins.groupBy (x: builtins.substring 0 1 (builtins.toJSON x)) ${xs}`,
            `builtins.attrNames (builtins.listToAttrs (map (x: { name = builtins.toJSON x; value = x; }) ${xs}))`,
            `builtins.foldl' (a: x: [ x a ]) null ${xs}`,
            `builtins.concatMap (x: [ x x ]) ${xs}`,
          ]);
        }),
      ),
    ).toEqual([]);
  });

  it('bitwise operations and rounding', () => {
    const ints = fc.oneof(
      fc.integer({ min: -100, max: 100 }).map(BigInt),
      fc.bigInt({ min: -(2n ** 63n) + 1n, max: 2n ** 63n - 1n }),
    );
    expect(
      disagreements(
        sample(fc.tuple(ints, ints, fc.double({ min: -1e9, max: 1e9, noNaN: true }))).map(([a, b, f]) =>
          list([
            `builtins.bitAnd (${a}) (${b})`,
            `builtins.bitOr (${a}) (${b})`,
            `builtins.bitXor (${a}) (${b})`,
            `builtins.floor (builtins.fromJSON "${f.toFixed(3)}")`,
            `builtins.ceil (builtins.fromJSON "${f.toFixed(3)}")`,
            `(${a}) < (${b})`,
            ...(b === 0n ? [] : [`(${a}) / (${b})`]),
          ]),
        ),
      ),
    ).toEqual([]);
  });
});
