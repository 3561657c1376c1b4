import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { intern, type Sym } from '../util/symbols.ts';
import { Attrs, AttrsBuilder } from './attrs.ts';
import { commonPieces, mergedPieces, remainingPieces, type Pieces } from './pieces.ts';

/** Numbers in stretches, ascending. */
const stretches = (longest: number): fc.Arbitrary<number[]> =>
  fc.array(fc.tuple(fc.nat(3000), fc.nat(longest)), { maxLength: 8 }).map((starts) => {
    const numbers = new Set<number>();
    for (const [start, length] of starts) for (let i = 0; i <= length; i++) numbers.add(start + i);
    return [...numbers].sort((a, b) => a - b);
  });
const ids = fc.oneof(stretches(800), stretches(3));

function take<T>(pieces: Pieces, left: readonly T[], right: readonly T[]): T[] {
  const out: T[] = [];
  for (let k = 0; k < pieces.length; k += 3) {
    out.push(...(pieces[k] === 0 ? left : right).slice(pieces[k + 1], pieces[k + 2]));
  }
  return out;
}

/** Of what counts as large. */
const SIZE = 1000;

const marked = (list: readonly number[], side: string): string[] => list.map((n) => `${n} ${side}`);

describe('pieces', () => {
  it('make what a merge of maps makes, each piece as long as can be', () => {
    fc.assert(
      fc.property(ids, ids, (left, right) => {
        const pieces = mergedPieces(Int32Array.from(left), Int32Array.from(right));
        if (pieces === null) return;
        const owners = new Map<number, string>();
        for (const n of left) owners.set(n, 'left');
        for (const n of right) owners.set(n, 'right');
        const expected = [...owners].sort(([a], [b]) => a - b).map(([n, side]) => `${n} ${side}`);
        expect(take(pieces, marked(left, 'left'), marked(right, 'right'))).toEqual(expected);
        for (let k = 3; k < pieces.length; k += 3) {
          expect(pieces[k] === pieces[k - 3] && pieces[k + 1] === pieces[k - 1]).toBe(false);
        }
      }),
    );
  });

  it('make an intersection, and what remains', () => {
    fc.assert(
      fc.property(ids, ids, (left, right) => {
        const common = commonPieces(Int32Array.from(left), Int32Array.from(right));
        if (common !== null) expect(take(common, [], right)).toEqual(right.filter((n) => left.includes(n)));
        const without = left.flatMap((n, i) => (right.includes(n) ? [i, i] : []));
        const rest = remainingPieces(left.length, without);
        if (rest !== null) expect(take(rest, left, [])).toEqual(left.filter((n) => !right.includes(n)));
      }),
    );
  });

  it('are not made where names alternate', () => {
    const even = Int32Array.from({ length: 1000 }, (_, i) => 2 * i);
    const odd = Int32Array.from({ length: 1000 }, (_, i) => 2 * i + 1);
    expect(mergedPieces(even, odd)).toBeNull();
    expect(commonPieces(even, odd)).toBeNull();
    expect(remainingPieces(1000, [...even])).toBeNull();
  });
});

describe('Attrs.update() of large sets', () => {
  const name = (i: number): Sym => intern(`pieces-test-${i}`);
  const setOf = (from: number, to: number, add: number, pos: number): Attrs => {
    const builder = new AttrsBuilder();
    for (let i = from; i < to; i++) builder.set(name(i), i + add, pos);
    return builder.build();
  };
  const left = setOf(0, SIZE, 0, 0);

  it('merges values and positions', () => {
    const merged = left.update(setOf(100, 2 * SIZE, 5, 7));
    expect(merged.size).toBe(2 * SIZE);
    expect([99, 100, SIZE].map((i) => [merged.get(name(i)), merged.posOf(name(i))])).toEqual([
      [99, 0],
      [105, 7],
      [SIZE + 5, 7],
    ]);
  });

  it('keeps the names of an operand that has them all', () => {
    expect(left.update(setOf(0, 500, 1, 0)).keys).toBe(left.keys);
    const right = setOf(0, SIZE, 3, 0);
    const over = left.update(right);
    expect(over.values).toEqual(right.values);
    expect(over.positions).toBeNull();
  });
});
