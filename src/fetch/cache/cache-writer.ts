// Writing binary caches that any Nix can read: the archive first, under the name of its hash, then the narinfo that
// names it; so a reader never finds one without the other. Narinfos are signed where there are keys.
import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createHasher, equalDigests, printDigest, printHash } from '../../store/hash.ts';
import { parseCacheInfo, printNarInfo, type NarInfo } from '../../store/narinfo.ts';
import { NarLister, type NarListing } from '../../store/nar-listing.ts';
import { withSignatures, type SecretKey } from '../../store/signatures.ts';
import { hashPart } from '../../store/store-path.ts';
import type { PathInfo, StorePath } from '../../store/store.ts';
import { toBuffer } from '../../util/bytes.ts';
import { HashMismatchError, StoreError } from '../../util/errors.ts';
import { archiveSuffixes, compress } from '../compress.ts';
import type { Compression } from '../decompress.ts';
import { buildLogName } from './binary-cache.ts';
import type { CacheTransport } from './transport.ts';

export interface CacheWriterOptions {
  readonly storeDir: string;
  readonly compression: Compression;
  /** -1: the method's default. */
  readonly level: number;
  readonly parallel: boolean;
  readonly listings: boolean;
  readonly keys: readonly SecretKey[];
  /** Said in the nix-cache-info of a new cache. */
  readonly wantMassQuery?: boolean | undefined;
  readonly priority?: number | undefined;
}

/** Bytes of a compressed archive that are kept in memory. */
const memoryBytes = 16 << 20;

export class CacheWriter {
  readonly uri: string;
  private readonly transport: CacheTransport;
  private readonly options: CacheWriterOptions;

  private constructor(transport: CacheTransport, options: CacheWriterOptions) {
    this.transport = transport;
    this.uri = transport.uri;
    this.options = options;
  }

  /** Makes the cache where there is none. @throws StoreError for a cache of another store directory */
  static async open(transport: CacheTransport, options: CacheWriterOptions): Promise<CacheWriter> {
    const { storeDir, wantMassQuery, priority } = options;
    const file = await transport.readFile('nix-cache-info', 64 * 1024);
    if (file === undefined) {
      const lines = [`StoreDir: ${storeDir}`];
      if (wantMassQuery !== undefined) lines.push(`WantMassQuery: ${wantMassQuery ? '1' : '0'}`);
      if (priority !== undefined) lines.push(`Priority: ${String(priority)}`);
      const text = toBuffer(`${lines.join('\n')}\n`);
      await transport.write('nix-cache-info', () => [text], text.length, 'text/x-nix-cache-info');
    } else {
      const info = parseCacheInfo(file.toString('latin1'));
      if (info.storeDir !== null && info.storeDir !== storeDir) {
        throw new StoreError(
          `binary cache '${transport.uri}' is for Nix stores with prefix '${info.storeDir}', not '${storeDir}'`,
        );
      }
    }
    return new CacheWriter(transport, options);
  }

  has(path: StorePath): Promise<boolean> {
    return this.transport.exists(`${hashPart(path)}.narinfo`);
  }

  /**
   * Uploads a path's archive; writeNarInfo() makes the path known, once the cache has all its references.
   * @throws HashMismatchError where the archive is not that of `info`; StoreError
   */
  async upload(info: PathInfo, archive: AsyncIterable<Uint8Array>): Promise<NarInfo> {
    const { compression, level, parallel, listings, keys } = this.options;
    const lister = listings ? new NarLister() : undefined;
    const narHasher = createHasher('sha256');
    const watched = async function* (): AsyncGenerator<Uint8Array, void> {
      for await (const chunk of archive) {
        narHasher.update(chunk);
        lister?.write(chunk);
        yield chunk;
      }
    };
    const spool = new Spool();
    try {
      const fileHasher = createHasher('sha256');
      for await (const chunk of compress(watched(), compression, { level, parallel })) {
        fileHasher.update(chunk);
        spool.write(chunk);
      }
      const narHash = narHasher.digest();
      if (!equalDigests(narHash, info.narHash)) {
        const print = (digest: Uint8Array): string => printHash({ algorithm: 'sha256', digest }, 'sri');
        throw new HashMismatchError(
          `hash of path '${info.path}' has changed from '${print(info.narHash)}' to '${print(narHash)}'!`,
        );
      }
      const fileHash = fileHasher.digest();
      const url = `nar/${printDigest(fileHash, 'nix32')}.nar${archiveSuffixes[compression]}`;
      // Its name says what is in it; but a server, or a machine that lost its power, may have kept half of it.
      if (!(await this.transport.exists(url, spool.size))) {
        await this.transport.write(url, () => spool.chunks(), spool.size, 'application/x-nix-nar');
      }
      if (lister !== undefined) await this.writeListing(info.path, lister.finish());
      const signatures = withSignatures(info, keys);
      return { ...info, signatures, url, compression, fileHash, fileSize: spool.size };
    } finally {
      spool.close();
    }
  }

  /** Also for a path that is there, with other signatures. */
  async writeNarInfo(info: NarInfo): Promise<void> {
    const text = toBuffer(printNarInfo(info));
    await this.transport.write(`${hashPart(info.path)}.narinfo`, () => [text], text.length, 'text/x-nix-narinfo');
  }

  async writeBuildLog(drvPath: StorePath, log: string): Promise<void> {
    const text = toBuffer(log);
    await this.transport.write(buildLogName(drvPath), () => [text], text.length, 'text/plain; charset=utf-8');
  }

  private async writeListing(path: StorePath, root: NarListing): Promise<void> {
    const text = Buffer.from(JSON.stringify({ version: 1, root }));
    await this.transport.write(`${hashPart(path)}.ls`, () => [text], text.length, 'application/json');
  }
}

/** Bytes until they can be named: in memory, from some size on in a file that has no name, so that nothing can leave it. */
class Spool {
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
