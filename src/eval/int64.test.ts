import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addInts, divideInts, floatToInt, inInt64, multiplyInts, subtractInts } from './int64.ts';
import { makeInt, type NixInt } from './value.ts';

const int64 = fc.oneof(
  fc.integer({ min: -1000, max: 1000 }).map(BigInt),
  fc.bigInt({ min: -(2n ** 54n), max: 2n ** 54n }),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
);

function check(compute: (a: NixInt, b: NixInt) => NixInt, exact: (a: bigint, b: bigint) => bigint): void {
  fc.assert(
    fc.property(int64, int64, (a, b) => {
      const expected = exact(a, b);
      if (!inInt64(expected)) {
        expect(() => compute(makeInt(a), makeInt(b))).toThrow('integer overflow in');
        return;
      }
      const result = compute(makeInt(a), makeInt(b));
      expect(result).toBe(makeInt(expected));
      expect(Object.is(result, -0)).toBe(false);
    }),
  );
}

describe('arithmetic of 64-bit integers', () => {
  it('adds', () => {
    check(addInts, (a, b) => a + b);
  });
  it('subtracts', () => {
    check(subtractInts, (a, b) => a - b);
  });
  it('multiplies', () => {
    check(multiplyInts, (a, b) => a * b);
  });
  it('divides towards zero', () => {
    check(
      (a, b) => divideInts(a, b === 0 ? 1 : b),
      (a, b) => a / (b === 0n ? 1n : b),
    );
  });
  it('floatToInt() keeps what doubles can hold', () => {
    expect(floatToInt(-0)).toBe(0);
    expect(floatToInt(2 ** 62)).toBe(2n ** 62n);
  });
});
