// POSIX extended regular expressions as libstdc++ reads them, byte by byte (std::regex with `extended`, C locale).

/** One flag per byte. */
export type ByteSet = Uint8Array;

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
