// Taking in an object whose store path is known only after its last byte. Small ones stay in memory: most turn out to
// be in the store already, and cost no write then. Large ones go to a temporary place as they come.
import { createHasher } from './hash.ts';
import type { Hasher } from './hash.ts';
import { NarParser } from './nar-parse.ts';
import { NarRestorer } from './nar-restore.ts';

/** Bytes of NAR that are kept in memory. Nix's nar-buffer-size. */
export const narBufferSize = 32 * 1024 * 1024;

export interface Ingested {
  readonly narHash: Uint8Array;
  readonly narSize: number;
  /** The archive, where it was small. */
  readonly chunks: readonly Uint8Array[] | undefined;
  /** Where it was unpacked (canonicalised), where it was large. */
  readonly tempPath: string | undefined;
}

export class NarIngest {
  private readonly hasher: Hasher = createHasher('sha256');
  private readonly makeTemp: () => string;
  private readonly limit: number;
  private chunks: Uint8Array[] = [];
  private restorer: NarRestorer | undefined;
  private parser: NarParser | undefined;
  private tempPath: string | undefined;
  private size = 0;

  /** `makeTemp` names a place that does not exist, in a directory on the store's file system. */
  constructor(makeTemp: () => string, limit = narBufferSize) {
    this.makeTemp = makeTemp;
    this.limit = limit;
  }

  /** @throws CorruptNarError, StoreError */
  write(chunk: Uint8Array): void {
    this.hasher.update(chunk);
    this.size += chunk.length;
    if (this.parser !== undefined) {
      this.parser.writeAll(chunk);
      return;
    }
    if (this.size <= this.limit) {
      this.chunks.push(Uint8Array.from(chunk));
      return;
    }
    this.tempPath = this.makeTemp();
    this.restorer = new NarRestorer(this.tempPath, { canonical: true });
    this.parser = new NarParser(this.restorer);
    const { chunks } = this;
    this.chunks = [];
    for (const earlier of chunks) this.parser.writeAll(earlier);
    this.parser.writeAll(chunk);
  }

  finish(): Ingested {
    if (this.parser !== undefined) {
      this.parser.end();
      this.restorer?.close();
    }
    return {
      narHash: this.hasher.digest(),
      narSize: this.size,
      chunks: this.parser === undefined ? this.chunks : undefined,
      tempPath: this.tempPath,
    };
  }

  /** After an error: lets go of open files. The temporary place is the caller's to remove. */
  abort(): void {
    this.restorer?.close();
  }
}

/** Unpacks an archive given in pieces, with modes and times of the store. */
export function restoreChunks(root: string, chunks: Iterable<Uint8Array>): void {
  const restorer = new NarRestorer(root, { canonical: true });
  try {
    const parser = new NarParser(restorer);
    for (const chunk of chunks) parser.writeAll(chunk);
    parser.end();
  } finally {
    restorer.close();
  }
}
