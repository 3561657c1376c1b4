// A quick 64-bit checksum against accidents (torn writes, flipped bits) and for names of cache files. No protection
// against someone who wants to collide: what matters there is compared in full, or hashed with SHA-256.

export interface Checksum {
  readonly low: number;
  readonly high: number;
}

/** Of whole words. */
export function checksumWords(words: Int32Array): Checksum {
  let low = 0x9e3779b9 | 0;
  let high = words.length | 0;
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!;
    low = Math.imul(low ^ word, 0x85ebca6b);
    low ^= low >>> 15;
    high = Math.imul(high + word, 0xc2b2ae35) ^ low;
    high ^= high >>> 13;
  }
  return { low, high };
}

/** 16 hexadecimal digits. */
export function checksumText(text: string): string {
  const words = new Int32Array(text.length);
  for (let i = 0; i < text.length; i++) words[i] = text.charCodeAt(i);
  const { low, high } = checksumWords(words);
  return [high, low].map((word) => (word >>> 0).toString(16).padStart(8, '0')).join('');
}
