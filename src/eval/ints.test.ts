import { expect, it } from 'vitest';
import { copyInts, newInts } from './ints.ts';

it('arrays are zeros, and share nothing', () => {
  const lengths = [0, 1, 3, 1000, 1024, 1025, 5000, 16_000, 16_384, 16_385];
  const arrays = Array.from({ length: 50 }, () => lengths.map((length) => newInts(length))).flat();
  arrays.forEach((ints, i) => {
    expect(ints.length).toBe(lengths[i % lengths.length]);
    expect(ints.every((int) => int === 0)).toBe(true);
    ints.fill(i + 1);
  });
  arrays.forEach((ints, i) => {
    expect(ints.every((int) => int === i + 1)).toBe(true);
  });
  expect(copyInts([3, 1, 2])).toEqual(Int32Array.of(3, 1, 2));
  expect(copyInts(Int32Array.of(3, 1, 2), 2)).toEqual(Int32Array.of(3, 1));
});
