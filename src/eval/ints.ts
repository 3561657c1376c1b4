// Arrays of ints that are made by the ten thousand and mostly stay: names of sets, merges, positions. They are cut from
// larger ones, for a buffer of its own costs each 300 bytes and more time than its contents.

/** Ints in a slab. The first ones are smaller: they stay in the start-up snapshot, whole. */
const SLAB = 2 ** 14;
const FIRST_SLAB = 2 ** 10;
/** Longer arrays have a buffer of their own. */
const MAX_CUT = SLAB / 16;

let slab = new Int32Array(0);
let used = 0;
let nextSlab = FIRST_SLAB;

/** An array of `length` zeros. */
export function newInts(length: number): Int32Array {
  if (length > MAX_CUT) return new Int32Array(length);
  if (used + length > slab.length) {
    slab = new Int32Array(nextSlab);
    used = 0;
    if (nextSlab < SLAB) nextSlab *= 2;
  }
  const ints = new Int32Array(slab.buffer, used * Int32Array.BYTES_PER_ELEMENT, length);
  used += length;
  return ints;
}

/** The rest of the slab is not used any more. */
export function forgetSlab(): void {
  slab = new Int32Array(0);
}

/** The first `length` ints. */
export function copyInts(ints: ArrayLike<number>, length = ints.length): Int32Array {
  if (length > MAX_CUT && ints instanceof Int32Array) return ints.slice(0, length);
  const copy = newInts(length);
  for (let i = 0; i < length; i++) copy[i] = ints[i]!;
  return copy;
}
