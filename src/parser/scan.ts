// Where the pieces of a source end: plain loops over bytes. Past the end of a string charCodeAt gives NaN, whose bits
// are none.
import { BYTES, DIGIT, PATH_CHAR, SCHEME_CHAR, URI_CHAR } from './bytes-table.ts';

export function digitsEnd(source: string, from: number): number {
  let p = from;
  while ((BYTES[source.charCodeAt(p)]! & DIGIT) !== 0) p++;
  return p;
}

/** End of `:` and what follows it in a URI whose scheme is before `colon`; -1 if that is none. */
export function uriEnd(source: string, colon: number): number {
  if (source.charCodeAt(colon) !== 58 || (BYTES[source.charCodeAt(colon + 1)]! & URI_CHAR) === 0) return -1;
  let p = colon + 2;
  while ((BYTES[source.charCodeAt(p)]! & URI_CHAR) !== 0) p++;
  return p;
}

export function schemeEnd(source: string, from: number): number {
  let p = from;
  while ((BYTES[source.charCodeAt(p)]! & SCHEME_CHAR) !== 0) p++;
  return p;
}

export function pathCharsEnd(source: string, from: number): number {
  let p = from;
  while ((BYTES[source.charCodeAt(p)]! & PATH_CHAR) !== 0) p++;
  return p;
}

/** Whether the `/` at `slash` makes a path of what is before it: a path character or `${` follows. */
export function isPathSlash(source: string, slash: number): boolean {
  const after = source.charCodeAt(slash + 1);
  return (BYTES[after]! & PATH_CHAR) !== 0 || (after === 36 && source.charCodeAt(slash + 2) === 123);
}

/** End of `(/PC+)+/?`, or of the `/` alone where no segment follows. */
export function segmentsEnd(source: string, slash: number): number {
  let p = slash;
  while (source.charCodeAt(p) === 47) {
    p++;
    const end = pathCharsEnd(source, p);
    if (end === p) break;
    p = end;
  }
  return p;
}

/** Offset of the `>` of the `<…>` that begins at `start`, else -1. */
export function searchPathEnd(source: string, start: number): number {
  let p = start;
  do {
    const from = p + 1;
    p = pathCharsEnd(source, from);
    if (p === from) return -1;
  } while (source.charCodeAt(p) === 47);
  return source.charCodeAt(p) === 62 ? p : -1;
}

/** End of a float whose mantissa ends at `end`: there may be an exponent. */
export function exponentEnd(source: string, end: number): number {
  const c = source.charCodeAt(end);
  if (c !== 69 && c !== 101) return end;
  const sign = source.charCodeAt(end + 1);
  const digits = sign === 43 || sign === 45 ? end + 2 : end + 1;
  const after = digitsEnd(source, digits);
  return after > digits ? after : end;
}

/** Where a run of text in `"…"` ends: before `"`, `${`, or what only the end of input can cut. */
export function stringTextEnd(source: string, from: number): number {
  const { length } = source;
  let p = from;
  while (p < length) {
    const c = source.charCodeAt(p);
    if (c === 34) return p;
    if (c === 92) {
      if (p + 1 >= length) return p;
      p += 2;
    } else if (c === 36) {
      const d = source.charCodeAt(p + 1);
      if (p + 1 >= length || d === 123) return p;
      if (d === 34) return p + 1;
      if (d !== 92) p += 2;
      else if (p + 2 >= length) return p;
      else p += 3;
    } else p++;
  }
  return p;
}

/** Where a run of text in `''…''` ends: before what may be more than itself. */
export function indentedTextEnd(source: string, from: number): number {
  const { length } = source;
  let p = from;
  while (p < length) {
    const c = source.charCodeAt(p);
    if (c === 36) {
      const d = source.charCodeAt(p + 1);
      if (p + 1 >= length || d === 123 || d === 39) return p;
      p += 2;
    } else if (c === 39) {
      const d = source.charCodeAt(p + 1);
      if (p + 1 >= length || d === 39 || d === 36) return p;
      p += 2;
    } else p++;
  }
  return p;
}
