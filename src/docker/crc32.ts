// The CRC-32 of two byte strings run together, from theirs alone: what gzip wants of a stream whose parts are not read
// again. A CRC is a polynomial over GF(2) modulo that of CRC-32; what follows it multiplies it by x to the number of bits.
// Bits are reflected, as in gzip: the highest bit is the coefficient of x⁰.

const POLYNOMIAL = 0xedb88320;
const ONE = 0x80000000;

function multiply(a: number, b: number): number {
  let product = 0;
  let shifted = b;
  for (let bit = ONE; bit !== 0; bit >>>= 1) {
    if ((a & bit) !== 0) product ^= shifted;
    shifted = (shifted & 1) !== 0 ? (shifted >>> 1) ^ POLYNOMIAL : shifted >>> 1;
  }
  return product >>> 0;
}

/** x to the power of 8 · `bytes`. */
function powerOfBytes(bytes: number): number {
  let power = ONE;
  // x⁸, x¹⁶, x³² …
  let square = ONE >>> 8;
  for (let left = bytes; left > 0; left = Math.floor(left / 2)) {
    if (left % 2 === 1) power = multiply(power, square);
    square = multiply(square, square);
  }
  return power;
}

/** @param secondBytes length of what `second` is of */
export function combineCrc32(first: number, second: number, secondBytes: number): number {
  return (multiply(powerOfBytes(secondBytes), first) ^ second) >>> 0;
}
