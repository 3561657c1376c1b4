import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { nix32Alphabet } from './nix32.ts';
import { ReferenceScanner, topologicalSort } from './references.ts';
import { hashPart, parseStorePath } from './store-path.ts';
import type { StorePath } from './store.ts';

const store = (hash: string, name = 'x'): StorePath => parseStorePath(`/nix/store/${hash}-${name}`);
const a = store('ww5ixrr91z8mx6fzy97kwzl5lv5slwdr');
const b = store('00000000000000000000000000000000');

function scan(text: string | Uint8Array, candidates: StorePath[], size = Infinity): StorePath[] {
  const scanner = new ReferenceScanner(candidates);
  const bytes = typeof text === 'string' ? Buffer.from(text, 'latin1') : text;
  for (let at = 0; at < bytes.length; at += size) scanner.write(bytes.subarray(at, at + size));
  return scanner.result();
}

describe('ReferenceScanner', () => {
  it('finds hash parts anywhere, whatever surrounds them', () => {
    expect(scan(`${a}/bin/sh`, [a, b])).toEqual([a]);
    expect(scan(`zzz${hashPart(a)}zzz`, [a, b])).toEqual([a]);
    expect(scan(`${hashPart(b)}${hashPart(a)}`, [a, b])).toEqual([b, a]);
    expect(scan(hashPart(a).slice(1), [a])).toEqual([]);
    expect(scan(hashPart(a).toUpperCase(), [a])).toEqual([]);
    expect(scan('', [a])).toEqual([]);
  });

  it('finds each path of a hash part', () => {
    const twin = store(hashPart(a), 'y');
    expect(scan(hashPart(a), [a, twin, a])).toEqual([a, twin]);
  });

  it('agrees with a plain search, however the bytes are cut', () => {
    const digit = fc.constantFrom(...Array.from(nix32Alphabet));
    const hash = fc.array(digit, { minLength: 32, maxLength: 32 }).map((digits) => digits.join(''));
    const noise = fc.oneof(
      fc.string({ unit: digit, maxLength: 40 }),
      fc.string({ unit: 'binary-ascii', maxLength: 40 }),
    );
    fc.assert(
      fc.property(
        fc.uniqueArray(hash, { minLength: 1, maxLength: 4 }),
        fc.array(fc.tuple(noise, fc.option(fc.nat(3))), { maxLength: 6 }),
        fc.integer({ min: 1, max: 70 }),
        (hashes, parts, size) => {
          const text = parts.map(([before, i]) => before + (i === null ? '' : (hashes[i] ?? ''))).join('');
          const expected = hashes.filter((one) => text.includes(one)).map((one) => store(one));
          const candidates = hashes.map((one) => store(one));
          expect(scan(text, candidates)).toEqual(expected.sort());
          expect(scan(text, candidates, size)).toEqual(expected);
        },
      ),
    );
  });

  it('is fast on long runs of nix32 characters', () => {
    const zeros = Buffer.alloc(5_000_000, '1');
    const start = performance.now();
    expect(scan(zeros, [a, b])).toEqual([]);
    expect(performance.now() - start).toBeLessThan(5000);
  });
});

describe('topologicalSort()', () => {
  const paths = ['a', 'b', 'c', 'd'].map((name) => store(hashPart(a), name));
  const [pa, pb, pc, pd] = paths as [StorePath, StorePath, StorePath, StorePath];
  const graph = (edges: Record<string, StorePath[]>) => (path: StorePath) => edges[path.slice(-1)] ?? [];

  it('has dependencies first and ignores self-references', () => {
    expect(topologicalSort([pd, pc], graph({ d: [pa, pc, pd], c: [pb] }), true)).toEqual([pa, pb, pc, pd]);
    expect(topologicalSort([pd, pc], graph({ d: [pa, pc, pd], c: [pb] }))).toEqual([pc, pd]);
  });

  it('names a cycle', () => {
    expect(() => topologicalSort([pa, pb], graph({ a: [pb], b: [pa] }))).toThrow(
      `cycle detected in the references of '${pa}' from '${pb}'`,
    );
  });

  it('takes long chains', () => {
    const chain = Array.from({ length: 50_000 }, (_, i) => store(hashPart(a), String(i)));
    const sorted = topologicalSort(
      [chain[0]!],
      (path) => chain.slice(Number(path.slice(44)) + 1, Number(path.slice(44)) + 2),
      true,
    );
    expect(sorted).toEqual(chain.reverse());
  });
});
