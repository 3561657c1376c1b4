import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { intern, symbolName, type Sym } from '../util/symbols.ts';
import { Attrs, AttrsBuilder } from './attrs.ts';
import { forgetKeySets, internKeySet, KeySet, keySetCount, sharedKeySet } from './key-set.ts';

const name = (i: number): Sym => intern(`attrs-test-${i}`);

function setOf(entries: readonly (readonly [number, number])[]): Attrs {
  const builder = new AttrsBuilder();
  for (const [key, value] of entries) builder.set(name(key), value, value + 1);
  return builder.build();
}

/** [name, value, position], in order of names. */
function contents(set: Attrs): unknown[] {
  const out: unknown[] = [];
  set.forEachByName((key, slot, pos) => out.push([key, slot, pos]));
  return out;
}

function expected(map: ReadonlyMap<number, number>): unknown[] {
  return [...map]
    .map(([key, value]) => [symbolName(name(key)), value, value + 1])
    .sort(([a], [b]) => (a! < b! ? -1 : 1));
}

describe('Attrs.update()', () => {
  it('is a merge of maps, layered or not', () => {
    const entries = fc.array(fc.tuple(fc.nat(700), fc.nat(1000)), { maxLength: 40 });
    fc.assert(
      fc.property(fc.nat(600), fc.array(entries, { maxLength: 12 }), fc.nat(700), (start, updates, probe) => {
        const map = new Map<number, number>();
        for (let i = 0; i < start; i++) map.set(i, i);
        let set = setOf([...map]);
        for (const update of updates) {
          set = set.update(setOf(update));
          for (const [key, value] of update) map.set(key, value);
          expect(set.size).toBe(map.size);
          expect(set.get(name(probe))).toBe(map.get(probe));
          expect(set.has(name(probe))).toBe(map.has(probe));
          expect(set.posOf(name(probe))).toBe(map.has(probe) ? map.get(probe)! + 1 : 0);
        }
        expect(contents(set)).toEqual(expected(map));
      }),
      { numRuns: 60 },
    );
  });

  it('leaves its operands alone', () => {
    const big = setOf(Array.from({ length: 400 }, (_, i) => [i, i] as const));
    const first = big.update(setOf([[1, 100]]));
    const second = first.update(setOf([[1, 200]]));
    expect([big, first, second].map((set) => set.get(name(1)))).toEqual([1, 100, 200]);
    expect(contents(first)).toHaveLength(400);
    expect(first.update(setOf([[500, 5]])).size).toBe(401);
    expect(second.get(name(1))).toBe(200);
  });

  it('gives back an operand where the other is empty', () => {
    const set = setOf([[1, 1]]);
    expect(set.update(Attrs.EMPTY)).toBe(set);
    expect(Attrs.EMPTY.update(set)).toBe(set);
  });

  it('does not copy everything at every step of a fold', () => {
    const started = performance.now();
    let set = Attrs.EMPTY;
    for (let i = 0; i < 50_000; i++) set = set.update(Attrs.single(name(i), i, 0));
    expect(set.size).toBe(50_000);
    expect(performance.now() - started).toBeLessThan(5000);
  });

  it('merges a layered set that is looked into often', () => {
    const set = setOf(Array.from({ length: 300 }, (_, i) => [i, i] as const)).update(setOf([[900, 9]]));
    expect(set.flatKeys).toBeNull();
    for (let i = 0; i < 400; i++) expect(set.get(name(i % 300))).toBe(i % 300);
    expect(set.flatKeys).not.toBeNull();
  });
});

describe('a large literal', () => {
  /** Attributes from `from` on; those that `made` gets are the ones that were wanted. */
  function literal(from: number, size: number, made: number[]): Attrs {
    const ids = Int32Array.from({ length: size }, (_, i) => name(from + i)).sort();
    const number = (i: number): number => Number(symbolName(ids[i] as Sym).split('-')[2]);
    const positions = ids.map((_, i) => number(i) + 1);
    const ready = (i: number) => (number(i) % 5 === 0 ? number(i) : undefined);
    return Attrs.partial(internKeySet(ids), positions, ready, (i) => {
      made.push(number(i));
      return number(i);
    });
  }

  it('makes what is asked for, in whatever it became, and once', () => {
    const entries = fc.array(fc.tuple(fc.nat(2000), fc.nat(1000)), { maxLength: 80 });
    const updates = fc.array(fc.tuple(entries, fc.boolean()), { maxLength: 5 });
    fc.assert(
      fc.property(
        fc.nat(900),
        updates,
        fc.array(fc.nat(2000), { maxLength: 9 }),
        fc.boolean(),
        (from, all, probes, twice) => {
          const made: number[] = [];
          const whole = literal(from, 700, made);
          let set = whole;
          let map = new Map(Array.from({ length: 700 }, (_, i) => [from + i, from + i] as const));
          for (const [update, over] of all) {
            set = over ? set.update(setOf(update)) : setOf(update).update(set);
            map = new Map(over ? [...map, ...update] : [...update, ...map]);
          }
          if (twice) set = set.update(literal(from + 300, 600, made));
          if (twice) for (let i = from + 300; i < from + 900; i++) map.set(i, i);
          expect(made).toEqual([]);
          expect(set.size).toBe(map.size);
          for (const probe of probes) {
            expect(set.has(name(probe))).toBe(map.has(probe));
            expect(set.posOf(name(probe))).toBe(map.has(probe) ? map.get(probe)! + 1 : 0);
            expect(set.get(name(probe))).toBe(map.get(probe));
            expect(whole.get(name(probe))).toBe(whole.has(name(probe)) ? probe : undefined);
          }
          expect(made.length).toBeLessThanOrEqual(2 * probes.length);
          const { keys } = set;
          for (const probe of probes) {
            const i = keys.indexOf(name(probe));
            expect(i < 0 ? undefined : set.at(i)).toBe(map.get(probe));
          }
          if (!twice) expect(new Set(made).size).toBe(made.length);
          expect(contents(set)).toEqual(expected(map));
          expect(contents(whole)).toHaveLength(700);
          if (!twice) expect(new Set(made).size).toBe(made.length);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('is made whole where it is looked into often', () => {
    const set = literal(0, 600, []);
    expect(set.flatKeys).toBeNull();
    for (let i = 0; i < 700; i++) expect(set.get(name(i % 600))).toBe(i % 600);
    expect(set.flatKeys).not.toBeNull();
  });

  it('has a small set below it, unmerged, until somebody wants all', () => {
    const set = setOf([[1, 7], [900, 9]]).update(literal(0, 600, [])); // prettier-ignore
    expect([set.isLayered, set.size, set.get(name(1)), set.get(name(900))]).toEqual([true, 601, 1, 9]);
    const more = set.update(setOf([[2, 8]]));
    expect([more.isLayered, more.get(name(2)), more.get(name(900))]).toEqual([true, 8, 9]);
    expect(contents(more)).toHaveLength(601);
    expect(contents(set)).toHaveLength(601);
  });
});

describe('KeySet', () => {
  it('finds what it has', () => {
    const ids = Int32Array.of(name(3), name(1), name(2)).sort();
    const keys = new KeySet(ids);
    for (let i = 0; i < 3; i++) expect(keys.indexOf(ids[i] as Sym)).toBe(i);
    expect(keys.indexOf(name(999))).toBe(-1);
    expect(KeySet.single(name(1)).indexOf(name(1))).toBe(0);
    expect(KeySet.single(name(1)).indexOf(name(2))).toBe(-1);
    expect([...KeySet.single(name(1)).ids]).toEqual([name(1)]);
    for (let i = 0; i < 600; i++) expect(KeySet.single(name(i)).single).toBe(name(i));
    expect(KeySet.single(name(599))).toBe(KeySet.single(name(599)));
  });
  it('orders names bytewise', () => {
    const names = ['b', 'a', 'B', '_', 'aa', 'z\xff', 'z'];
    const ids = Int32Array.from(names.map((n) => intern(n))).sort();
    const keys = new KeySet(ids);
    expect(Array.from(keys.nameOrder(), (i) => symbolName(ids[i] as Sym))).toEqual([
      'B',
      '_',
      'a',
      'aa',
      'b',
      'z',
      'z\xff',
    ]);
  });
  it('is one for all literals of a shape', () => {
    expect(internKeySet(Int32Array.of(1, 2), 2)).toBe(internKeySet(Int32Array.of(1, 2, 3), 2));
    const ids = new Int32Array(3);
    const make = (i: number): KeySet => {
      ids.set([i, i + 1 + (i % 3), i + 100_000]);
      return internKeySet(ids, 2 + (i % 2));
    };
    const made = Array.from({ length: 5000 }, (_, i) => make(i));
    const found = Array.from({ length: 5000 }, (_, i) => make(i));
    expect(found.every((keys, i) => keys === made[i])).toBe(true);
    expect(new Set(made).size).toBe(5000);
    expect([...made[4999]!.ids]).toEqual([4999, 5001, 104_999]);
    // The start-up snapshot forgets what its sample made; what is older stays.
    const count = keySetCount();
    const last = make(5000);
    forgetKeySets(count);
    expect(keySetCount()).toBe(count);
    expect([make(5000) === last, make(17) === made[17], keySetCount()]).toEqual([false, true, count + 1]);
  });
  it('is one for what is computed of a shape, whose array may be reused', () => {
    const ids = Int32Array.of(3, 5, 8, 13);
    const keys = sharedKeySet(ids, 3);
    expect(sharedKeySet(Int32Array.of(3, 5, 8))).toBe(keys);
    ids.fill(0);
    expect([...keys.ids]).toEqual([3, 5, 8]);
    expect([...sharedKeySet(ids, 0).ids]).toEqual([]);
    expect(setOf([[1, 1]]).update(setOf([[2, 2]])).keys).toBe(setOf([[1, 7]]).update(setOf([[2, 5]])).keys);
  });
  it('merges rightly however many merges there were', () => {
    for (let i = 0; i < 3000; i++) {
      const left = setOf(Array.from({ length: 200 }, (_, k) => [i + k, k] as const));
      const merged = left.update(setOf(Array.from({ length: 60 }, (_, k) => [i + 170 + k, -k] as const)));
      expect([merged.size, merged.get(name(i + 169)), merged.get(name(i + 170)), merged.get(name(i + 229))]).toEqual([
        230, 169, -0, -59,
      ]);
    }
  });
});
