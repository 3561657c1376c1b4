// Nix's base 32: a little-endian number printed most significant digit first, with an alphabet lacking e, o, t, u.
// See the Nix manual, "Nix32 Encoding".

export const nix32Alphabet = '0123456789abcdfghijklmnpqrsvwxyz';

/** Digit of a byte, 255 where the byte is none. */
export const nix32Digits: Uint8Array = (() => {
  const digits = new Uint8Array(256).fill(255);
  for (let i = 0; i < 32; i++) digits[nix32Alphabet.charCodeAt(i)] = i;
  return digits;
})();

/** Characters that `size` bytes take. */
export function nix32Length(size: number): number {
  return size === 0 ? 0 : Math.floor((size * 8 - 1) / 5) + 1;
}

/** Where digits are written: a string that grows by one after the other is a tree of them. */
let digits = Buffer.alloc(nix32Length(64));

export function encodeNix32(bytes: Uint8Array): string {
  const length = nix32Length(bytes.length);
  if (digits.length < length) digits = Buffer.alloc(length);
  for (let n = length - 1; n >= 0; n--) {
    const bit = n * 5;
    const i = bit >> 3;
    const j = bit & 7;
    const digit = (bytes[i]! >> j) | (i + 1 < bytes.length ? bytes[i + 1]! << (8 - j) : 0);
    digits[length - 1 - n] = nix32Alphabet.charCodeAt(digit & 31);
  }
  return digits.toString('latin1', 0, length);
}

/**
 * Bytes of a nix32 text. Bits beyond the last whole byte must be zero: undefined where they are not, as for a
 * character outside the alphabet. (`size` bytes for `nix32Length(size)` characters.)
 */
export function decodeNix32(text: string): Uint8Array | undefined {
  const length = text.length;
  const bytes = new Uint8Array(Math.floor((length * 5) / 8));
  for (let n = 0; n < length; n++) {
    const code = text.charCodeAt(length - n - 1);
    const digit = code < 256 ? nix32Digits[code]! : 255;
    if (digit === 255) return undefined;
    const bit = n * 5;
    const i = bit >> 3;
    const j = bit & 7;
    if (i < bytes.length) bytes[i] = bytes[i]! | ((digit << j) & 255);
    else if (digit !== 0) return undefined;
    const carry = digit >> (8 - j);
    if (carry !== 0) {
      if (i + 1 >= bytes.length) return undefined;
      bytes[i + 1] = bytes[i + 1]! | carry;
    }
  }
  return bytes;
}
