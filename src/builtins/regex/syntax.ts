// POSIX extended regular expressions as libstdc++ reads them, byte by byte (std::regex with `extended`, C locale).

/** One flag per byte. */
export type ByteSet = Uint8Array;

const singletons: (ByteSet | undefined)[] = [];
const bytes = new Map<ByteSet, number>();

/** The one set of this byte alone: no other one that a syntax tree has is as small. */
export function singleton(byte: number): ByteSet {
  let set = singletons[byte];
  if (set === undefined) {
    singletons[byte] = set = new Uint8Array(256);
    set[byte] = 1;
    bytes.set(set, byte);
  }
  return set;
}

/** The byte of a singleton; -1 for other sets. */
export function onlyByte(set: ByteSet): number {
  return bytes.get(set) ?? -1;
}

/** `.`: every byte but NUL. */
export const ANY: ByteSet = new Uint8Array(256).fill(1, 1);

export type RegexNode =
  | { readonly kind: 'set'; readonly set: ByteSet }
  | { readonly kind: 'begin' }
  | { readonly kind: 'end' }
  | { readonly kind: 'group'; readonly index: number; readonly body: RegexNode }
  | { readonly kind: 'sequence'; readonly items: readonly RegexNode[] }
  | { readonly kind: 'alternatives'; readonly branches: readonly RegexNode[] }
  /** Greedy; `max` may be Infinity. `plus`: written `+`, which is one copy of the body, unlike `{1,}`. */
  | {
      readonly kind: 'repeat';
      readonly min: number;
      readonly max: number;
      readonly body: RegexNode;
      readonly plus?: boolean;
    };

export interface ParsedRegex {
  readonly root: RegexNode;
  /** Capture groups, numbered from 1 in order of their `(`. */
  readonly groups: number;
}

/** Not a regular expression. */
export class RegexSyntaxError extends Error {}
/** More automaton states, steps or memory than are allowed. */
export class RegexSpaceError extends Error {}
