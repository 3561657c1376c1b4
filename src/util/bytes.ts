// Byte strings: JS strings whose every char is one byte (0..255, "latin1"). Nix strings, symbols, sources, paths and
// messages are byte strings, so that length, substring, order, regex, columns and hashes are exact and V8 keeps them
// one byte wide. UTF-8 is decoded only at an edge that needs text (terminal, JS API, JSON escapes).

/** Text → byte string holding its UTF-8 encoding. */
export function utf8(text: string): string {
  return /^[\x00-\x7f]*$/.test(text) ? text : Buffer.from(text, 'utf8').toString('latin1');
}

/** Byte string → text; invalid UTF-8 becomes U+FFFD. */
export function fromUtf8(bytes: string): string {
  return /^[\x00-\x7f]*$/.test(bytes) ? bytes : Buffer.from(bytes, 'latin1').toString('utf8');
}

/** Byte string → bytes. */
export function toBuffer(bytes: string): Buffer {
  return Buffer.from(bytes, 'latin1');
}

/** Bytes → byte string. */
export function fromBuffer(buffer: Uint8Array): string {
  return Buffer.from(buffer.buffer, buffer.byteOffset, buffer.byteLength).toString('latin1');
}

/** A byte-string path as `node:fs` wants it: names need not be UTF-8. */
export function fsPath(path: string): string | Buffer {
  return /^[\x00-\x7f]*$/.test(path) ? path : Buffer.from(path, 'latin1');
}

/** Bytewise order, Nix's order of names and strings. On byte strings JS `<` is already bytewise. */
export function compareBytes(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
