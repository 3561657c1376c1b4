// What the evaluator uses of Node's Buffer, for machines without it: src/browser only.

type Encoding = 'utf8' | 'latin1' | 'hex' | 'base64';

class Buffer extends Uint8Array {
  /** A text and its encoding; memory, with offset and length; or numbers. */
  static override from(source: unknown, more: unknown = 'utf8', length?: number): Buffer {
    if (typeof source === 'string') return decode(source, more as Encoding);
    if (source instanceof ArrayBuffer) return new Buffer(source, typeof more === 'number' ? more : 0, length);
    return new Buffer(source as ArrayLike<number>);
  }

  static alloc(size: number): Buffer {
    return new Buffer(size);
  }

  static allocUnsafeSlow(size: number): Buffer {
    return new Buffer(size);
  }

  static concat(parts: readonly Uint8Array[]): Buffer {
    const out = new Buffer(parts.reduce((sum, part) => sum + part.length, 0));
    let at = 0;
    for (const part of parts) {
      out.set(part, at);
      at += part.length;
    }
    return out;
  }

  override toString(encoding: Encoding = 'utf8', start = 0, end = this.length): string {
    if (start > 0 || end < this.length) return new Buffer(this.subarray(start, end)).toString(encoding);
    if (encoding === 'utf8') return new TextDecoder('utf-8', { ignoreBOM: true }).decode(this);
    if (encoding === 'hex') return Array.from(this, (byte) => byte.toString(16).padStart(2, '0')).join('');
    let text = '';
    for (let i = 0; i < this.length; i += 8192) text += String.fromCharCode(...this.subarray(i, i + 8192));
    return encoding === 'latin1' ? text : btoa(text);
  }

  /** How many bytes of a byte string were written: those that there was room for. */
  write(text: string, offset: number, _encoding: 'latin1'): number {
    const count = Math.min(text.length, this.length - offset);
    for (let i = 0; i < count; i++) this[offset + i] = text.charCodeAt(i);
    return count;
  }

  writeUInt32LE(value: number, offset = 0): void {
    new DataView(this.buffer, this.byteOffset, this.byteLength).setUint32(offset, value, true);
  }
}

function decode(text: string, encoding: Encoding): Buffer {
  if (encoding === 'utf8') return new Buffer(new TextEncoder().encode(text));
  if (encoding === 'hex') return new Buffer((text.match(/../g) ?? []).map((byte) => parseInt(byte, 16)));
  const bytes = encoding === 'latin1' ? text : atob(text.slice(0, text.length - (text.length % 4 === 1 ? 1 : 0)));
  const out = new Buffer(bytes.length);
  for (let i = 0; i < bytes.length; i++) out[i] = bytes.charCodeAt(i);
  return out;
}

export { Buffer };
