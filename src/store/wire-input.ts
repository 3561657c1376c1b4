// Numbers, texts and archives of Nix's protocols, read from a descriptor that waits: numbers are 64 bits little-endian,
// texts as in a NAR.
import { readSync } from 'node:fs';
import { StoreError } from '../util/errors.ts';
import type { NarSink } from './nar-dump.ts';
import { ignoreNar, NarParser } from './nar-parse.ts';

/** Longer texts are no store paths. */
const maxText = 4096;
/** More than any list has. */
const maxTexts = 1 << 20;

export function wireNumber(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}

export function wireText(value: string): Buffer {
  return Buffer.concat([wireNumber(value.length), Buffer.from(value, 'latin1'), Buffer.alloc(-value.length & 7)]);
}

/** Reads a descriptor, or what `source` fills buffers with, in pieces of any size. */
export class WireInput {
  private readonly source: (buffer: Buffer) => number;
  private readonly buffer = Buffer.allocUnsafeSlow(256 * 1024);
  private start = 0;
  private end = 0;

  /** @param source gives the count of bytes, 0 at the end */
  constructor(source: number | ((buffer: Buffer) => number)) {
    this.source = typeof source === 'number' ? (buffer): number => readWaiting(source, buffer) : source;
  }

  /** Waits; true where nothing will come any more. */
  atEnd(): boolean {
    if (this.start === this.end) {
      this.start = 0;
      this.end = this.source(this.buffer);
    }
    return this.end === 0;
  }

  /** Bytes at hand, at least one. @throws StoreError at the end */
  private fill(): Buffer {
    if (this.atEnd()) throw new StoreError('unexpected end-of-file');
    return this.buffer.subarray(this.start, this.end);
  }

  take(count: number): Buffer {
    const bytes = Buffer.alloc(count);
    for (let at = 0; at < count;) {
      const part = this.fill().subarray(0, count - at);
      bytes.set(part, at);
      at += part.length;
      this.start += part.length;
    }
    return bytes;
  }

  number(limit = Number.MAX_SAFE_INTEGER): number {
    const value = this.take(8).readBigUInt64LE();
    if (value > BigInt(limit)) throw new StoreError('a number in the input is too large');
    return Number(value);
  }

  text(limit = maxText): string {
    const length = this.number(limit);
    const value = this.take(length).toString('latin1');
    if (this.take(-length & 7).some((byte) => byte !== 0)) throw new StoreError('non-zero padding');
    return value;
  }

  texts(limit = maxText): string[] {
    const texts: string[] = [];
    for (let left = this.number(maxTexts); left > 0; left--) texts.push(this.text(limit));
    return texts;
  }

  /** So many bytes, in pieces. */
  bytes(count: number, sink: NarSink): void {
    for (let left = count; left > 0;) {
      const part = this.fill().subarray(0, left);
      sink(part);
      left -= part.length;
      this.start += part.length;
    }
  }

  archive(sink: NarSink): void {
    for (const chunk of this.archiveChunks()) sink(chunk);
  }

  /** An archive that comes bare; a chunk is valid until the next one is asked for. */
  *archiveChunks(): Generator<Buffer, void> {
    const parser = new NarParser(ignoreNar);
    while (!parser.done) {
      const bytes = this.fill();
      const count = parser.write(bytes);
      yield bytes.subarray(0, count);
      this.start += count;
    }
  }

  /** Data in frames, up to the empty one; a chunk is valid until the next one is asked for. */
  *frames(): Generator<Buffer, void> {
    for (let left = this.number(); left > 0; left = this.number()) {
      while (left > 0) {
        const part = this.fill().subarray(0, left);
        left -= part.length;
        this.start += part.length;
        yield part;
      }
    }
  }
}

/** readSync(), also where standard input does not wait by itself. */
function readWaiting(fd: number, buffer: Buffer): number {
  for (let turn = 0; ; turn++) {
    try {
      return readSync(fd, buffer);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EOF') return 0;
      if (code !== 'EAGAIN') throw error;
      // Longer and longer, up to 5 ms.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, Math.min(5, 0.02 * 1.3 ** turn));
    }
  }
}
