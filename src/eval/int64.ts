// Arithmetic on Nix ints: int64 held as JS numbers where safe and bigints beyond (value.ts). Results out of range are
// errors, in Nix's words.
import { EvalError } from '../util/errors.ts';
import { makeInt, type NixInt } from './value.ts';

export const INT64_MIN = -(2n ** 63n);
export const INT64_MAX = 2n ** 63n - 1n;

export function inInt64(value: bigint): boolean {
  return value >= INT64_MIN && value <= INT64_MAX;
}

function checked(value: bigint, what: string, a: NixInt, operator: string, b: NixInt): NixInt {
  if (!inInt64(value)) throw new EvalError(`integer overflow in ${what} ${a.toString()} ${operator} ${b.toString()}`);
  return makeInt(value);
}

/** @throws EvalError on overflow */
export function addInts(a: NixInt, b: NixInt): NixInt {
  if (typeof a === 'number' && typeof b === 'number') {
    const sum = a + b;
    if (Number.isSafeInteger(sum)) return sum;
  }
  return checked(BigInt(a) + BigInt(b), 'adding', a, '+', b);
}

/** @throws EvalError on overflow */
export function subtractInts(a: NixInt, b: NixInt): NixInt {
  if (typeof a === 'number' && typeof b === 'number') {
    const difference = a - b;
    if (Number.isSafeInteger(difference)) return difference;
  }
  return checked(BigInt(a) - BigInt(b), 'subtracting', a, '-', b);
}

/** @throws EvalError on overflow */
export function multiplyInts(a: NixInt, b: NixInt): NixInt {
  if (typeof a === 'number' && typeof b === 'number') {
    const product = a * b;
    if (Number.isSafeInteger(product)) return product === 0 ? 0 : product;
  }
  return checked(BigInt(a) * BigInt(b), 'multiplying', a, '*', b);
}

/** Truncates towards zero; the caller has excluded b = 0. @throws EvalError on overflow */
export function divideInts(a: NixInt, b: NixInt): NixInt {
  if (typeof a === 'number' && typeof b === 'number') {
    const quotient = Math.trunc(a / b);
    // A quotient of safe integers can round up to the next integer only above 2^52.
    if (quotient < 4503599627370496 && quotient > -4503599627370496) return quotient === 0 ? 0 : quotient;
  }
  return checked(BigInt(a) / BigInt(b), 'dividing', a, '/', b);
}

export function lessInts(a: NixInt, b: NixInt): boolean {
  return a < b;
}

/** The double nearest to an int, as C++ converts it. */
export function intToFloat(a: NixInt): number {
  return Number(a);
}

/** A double that is integral and within int64 → int. */
export function floatToInt(value: number): NixInt {
  return Number.isSafeInteger(value) ? (value === 0 ? 0 : value) : makeInt(BigInt(value));
}
