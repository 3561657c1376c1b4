// Source positions as one integer: an origin's base plus a byte offset. 0 is "no position". Lines and columns are
// found only when an error is shown or __curPos / unsafeGetAttrPos ask.

import { utf8 } from './bytes.ts';

/** Position id; 0 = none. Valid only with the PosTable that made it. */
export type Pos = number;

export type OriginKind =
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'string' }
  | { readonly kind: 'stdin' }
  /** Sources inside tsnix; printed as «nix-internal»/NAME. */
  | { readonly kind: 'internal'; readonly name: string };

export interface Origin {
  readonly kind: OriginKind;
  /** Pos of byte 0. */
  readonly base: Pos;
  readonly length: number;
  /** The whole source as a byte string; a function where it must be read again. */
  source: string | (() => string);
  /** Where each line begins; found when asked for, unless whoever kept the code has kept it too. */
  lines?: Int32Array;
}

export interface Position {
  readonly origin: Origin;
  /** 1-based. Lines end at LF, CRLF or lone CR. */
  readonly line: number;
  /** 1-based, in bytes. */
  readonly column: number;
}

export class PosTable {
  private readonly origins: Origin[] = [];
  private next: Pos = 1;

  addOrigin(kind: OriginKind, source: string | (() => string), length: number, lines?: Int32Array): Origin {
    const origin: Origin = { kind, base: this.next, length, source, ...(lines === undefined ? {} : { lines }) };
    this.origins.push(origin);
    this.next += length + 1; // + 1: the end of input is a position too
    return origin;
  }

  lastOrigin(): Origin {
    return this.origins[this.origins.length - 1]!;
  }

  originOf(pos: Pos): Origin | undefined {
    if (pos <= 0 || pos >= this.next) return undefined;
    let low = 0;
    let high = this.origins.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.origins[middle]!.base <= pos) low = middle;
      else high = middle - 1;
    }
    return this.origins[low];
  }

  resolve(pos: Pos): Position | undefined {
    const origin = this.originOf(pos);
    return origin === undefined ? undefined : locate(origin, pos);
  }
}

/** Line and column of a position in `origin`. */
export function locate(origin: Origin, pos: Pos): Position {
  const lines = (origin.lines ??= lineStarts(sourceOf(origin)));
  const offset = pos - origin.base;
  let low = 0;
  let high = lines.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (lines[middle]! <= offset) low = middle;
    else high = middle - 1;
  }
  return { origin, line: low + 1, column: offset - lines[low]! + 1 };
}

/** Offsets of the first byte of every line. */
export function lineStarts(source: string): Int32Array {
  const starts = [0];
  for (let i = 0; i < source.length; i++) {
    const c = source.charCodeAt(i);
    if (c === 10 || (c === 13 && source.charCodeAt(i + 1) !== 10)) starts.push(i + 1);
  }
  return Int32Array.from(starts);
}

export function sourceOf(origin: Origin): string {
  return typeof origin.source === 'string' ? origin.source : origin.source();
}

/** What messages call a source: its path, «string», «stdin» or «nix-internal»/NAME. */
export function originName(kind: OriginKind): string {
  switch (kind.kind) {
    case 'file':
      return kind.path;
    case 'string':
      return utf8('«string»');
    case 'stdin':
      return utf8('«stdin»');
    case 'internal':
      return `${utf8('«nix-internal»/')}${kind.name}`;
  }
}

/** `FILE:LINE:COLUMN` */
export function showPosition({ origin, line, column }: Position): string {
  return `${originName(origin.kind)}:${line}:${column}`;
}
