// Constants of stored code: strings and paths as they are, numbers as their shortest text that gives them back.

const STRING = 0;
const FLOAT = 1;
const BIG = 2;

export interface EncodedConstants {
  /** Kind and length in `text` of each, `length << 2 | kind`. */
  readonly words: Int32Array;
  readonly text: string;
}

/** Those from number `from` on. */
export function encodeConstants(constants: readonly (string | number | bigint)[], from: number): EncodedConstants {
  const words = new Int32Array(constants.length - from);
  const texts: string[] = [];
  for (let i = from; i < constants.length; i++) {
    const value = constants[i]!;
    const text = Object.is(value, -0) ? '-0' : String(value);
    texts.push(text);
    words[i - from] =
      (text.length << 2) | (typeof value === 'string' ? STRING : typeof value === 'number' ? FLOAT : BIG);
  }
  return { words, text: texts.join('') };
}

/** Adds them to `constants`; their text begins at `at`. */
export function decodeConstants(
  words: Int32Array,
  text: string,
  at: number,
  constants: (string | number | bigint)[],
): void {
  for (let i = 0; i < words.length; i++) {
    const end = at + (words[i]! >> 2);
    const value = text.slice(at, end);
    const kind = words[i]! & 3;
    constants.push(kind === STRING ? value : kind === FLOAT ? Number(value) : BigInt(value));
    at = end;
  }
}
