// Bytes until they can be named: in memory, from some size on in a file that has no name, so that nothing can leave it.
import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { StoreError } from '../util/errors.ts';

/** Bytes that are kept in memory. */
const memoryBytes = 16 << 20;

export class Spool {
  size = 0;
  private parts: Buffer[] = [];
  private fd = -1;

  write(chunk: Uint8Array): void {
    this.size += chunk.length;
    this.parts.push(Buffer.from(chunk));
    if (this.size <= memoryBytes) return;
    if (this.fd < 0) this.fd = openNameless();
    for (const part of this.parts) for (let at = 0; at < part.length;) at += writeSync(this.fd, part, at);
    this.parts = [];
  }

  *chunks(): Generator<Uint8Array, void> {
    if (this.fd < 0) {
      yield* this.parts;
      return;
    }
    const buffer = Buffer.allocUnsafe(1 << 18);
    for (let at = 0; at < this.size;) {
      const count = readSync(this.fd, buffer, 0, buffer.length, at);
      if (count === 0) throw new StoreError('a temporary file has lost its end');
      at += count;
      yield Buffer.from(buffer.subarray(0, count));
    }
  }

  close(): void {
    if (this.fd >= 0) closeSync(this.fd);
  }
}

/** A temporary file that goes with its descriptor. */
function openNameless(): number {
  const dir = mkdtempSync(join(tmpdir(), 'tsnix-nar-'));
  try {
    return openSync(join(dir, 'archive'), 'wx+', 0o600);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}
