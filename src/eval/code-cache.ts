// Where the evaluator keeps the code of files, so that what was seen before need not be parsed: an interface, for the
// evaluator knows no disk. A cache answers only with code of the very bytes that reading the file would give now.

/** One file, looked up. */
export interface CodeSlot {
  /** Its code (parser/unit.ts), at an address that is a multiple of 4; null where it must be parsed. */
  readonly unit: Uint8Array | null;
  /** Its text, for excerpts. @throws Error where that is not what it was any more */
  source(): string;
  /** Takes the code of what was read after looking. */
  keep(unit: Uint8Array, source: string): void;
}

export interface CodeCache {
  /**
   * Looks for the code of the file at `path`.
   * @param variant what, besides the text, the code depends on
   * @returns null for what is no file to keep
   * @throws EvalError, RestrictedError as reading the file would
   */
  look(path: string, variant: string): CodeSlot | null;
}
