import fc from 'fast-check';
import { expect, it } from 'vitest';
import { OrderedMap } from './ordered-map.ts';
import { peekSort } from './peek-sort.ts';

it('peekSort() sorts stably', () => {
  fc.assert(
    fc.property(fc.array(fc.nat({ max: 20 }), { maxLength: 200 }), (keys) => {
      const items = keys.map((key, i) => ({ key, i }));
      const sorted = items.slice();
      peekSort(sorted, (a, b) => a.key < b.key);
      expect(sorted).toEqual(items.slice().sort((a, b) => a.key - b.key || a.i - b.i));
    }),
  );
});

it('peekSort() makes a permutation of whatever the order', () => {
  fc.assert(
    fc.property(
      fc.array(fc.nat(), { maxLength: 100 }),
      fc.infiniteStream(fc.boolean()),
      (items, answers: Iterator<boolean>) => {
        const sorted = items.slice();
        peekSort(sorted, () => answers.next().value as boolean);
        expect(sorted.sort((a, b) => a - b)).toEqual(items.slice().sort((a, b) => a - b));
      },
    ),
  );
});

it('peekSort() needs n - 1 comparisons for what is in order', () => {
  let comparisons = 0;
  peekSort(
    Array.from({ length: 1000 }, (_, i) => i),
    (a, b) => {
      comparisons++;
      return a < b;
    },
  );
  expect(comparisons).toBeLessThan(1002);
});

it('OrderedMap keeps the first of equivalent keys, in order', () => {
  fc.assert(
    fc.property(fc.array(fc.nat({ max: 50 }), { maxLength: 200 }), (keys) => {
      const map = new OrderedMap<number, number>((a, b) => a < b);
      const seen = new Map<number, number>();
      keys.forEach((key, i) => {
        expect(map.insert(key, i)).toBe(!seen.has(key));
        if (!seen.has(key)) seen.set(key, i);
      });
      expect([...map.entries()]).toEqual([...seen].sort(([a], [b]) => a - b));
    }),
  );
});
