// Byte strings that must be UTF-8: where they are not, and how nlohmann's JSON library says so.

/** Index of the byte that makes `bytes` no UTF-8; its length where the end is missing; -1 where all is well. */
export function findInvalidUtf8(bytes: string): number {
  const length = bytes.length;
  let i = 0;
  while (i < length) {
    const c = bytes.charCodeAt(i);
    if (c < 0x80) {
      i++;
      continue;
    }
    let more: number;
    let low = 0x80;
    let high = 0xbf;
    if (c >= 0xc2 && c <= 0xdf) more = 1;
    else if (c >= 0xe0 && c <= 0xef) {
      more = 2;
      if (c === 0xe0) low = 0xa0;
      if (c === 0xed) high = 0x9f;
    } else if (c >= 0xf0 && c <= 0xf4) {
      more = 3;
      if (c === 0xf0) low = 0x90;
      if (c === 0xf4) high = 0x8f;
    } else return i;
    i++;
    for (; more > 0; more--, i++) {
      if (i >= length) return length;
      const d = bytes.charCodeAt(i);
      if (d < low || d > high) return i;
      low = 0x80;
      high = 0xbf;
    }
  }
  return -1;
}

/** nlohmann's exception text for a string that is not UTF-8, null for one that is. */
export function describeInvalidUtf8(bytes: string): string | null {
  const at = findInvalidUtf8(bytes);
  if (at < 0) return null;
  const hex = (c: number): string => c.toString(16).toUpperCase().padStart(2, '0');
  return at < bytes.length
    ? `[json.exception.type_error.316] invalid UTF-8 byte at index ${at}: 0x${hex(bytes.charCodeAt(at))}`
    : `[json.exception.type_error.316] incomplete UTF-8 string; last byte: 0x${hex(bytes.charCodeAt(at - 1))}`;
}
