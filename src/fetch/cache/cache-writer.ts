// Writing binary caches that any Nix can read: the archive first, under the name of its hash, then the narinfo that
// names it; so a reader never finds one without the other. Narinfos are signed where there are keys.
import { createHasher, equalDigests, printDigest, printHash } from '../../store/hash.ts';
import { parseCacheInfo, printNarInfo, type NarInfo } from '../../store/narinfo.ts';
import { NarLister, type NarListing } from '../../store/nar-listing.ts';
import { printRealisation, realisationName, type Realisation } from '../../store/realisation.ts';
import { withSignatures, type SecretKey } from '../../store/signatures.ts';
import { hashPart } from '../../store/store-path.ts';
import type { PathInfo, StorePath } from '../../store/store.ts';
import { toBuffer } from '../../util/bytes.ts';
import { HashMismatchError, StoreError } from '../../util/errors.ts';
import { archiveSuffixes, compress } from '../compress.ts';
import type { Compression } from '../decompress.ts';
import { buildLogName } from './binary-cache.ts';
import { Spool } from '../../store/spool.ts';
import type { CacheTransport } from './transport.ts';

export interface CacheWriterOptions {
  readonly storeDir: string;
  readonly compression: Compression;
  /** -1: the method's default. */
  readonly level: number;
  readonly parallel: boolean;
  readonly listings: boolean;
  /** Files `debuginfo/BUILD-ID` say which archive has the debug information of a program. */
  readonly debugInfo: boolean;
  readonly keys: readonly SecretKey[];
  /** Said in the nix-cache-info of a new cache. */
  readonly wantMassQuery?: boolean | undefined;
  readonly priority?: number | undefined;
}

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
    const { compression, level, parallel, listings, debugInfo, keys } = this.options;
    const lister = listings || debugInfo ? new NarLister() : undefined;
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
      const listing = lister?.finish();
      if (listing !== undefined && listings) await this.writeListing(info.path, listing);
      if (listing !== undefined && debugInfo) await this.indexDebugInfo(listing, url);
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

  async writeRealisation(realisation: Realisation): Promise<void> {
    const text = toBuffer(printRealisation(realisation));
    const name = realisationName(realisation.drvPath, realisation.output);
    await this.transport.write(name, () => [text], text.length, 'application/json');
  }

  async writeBuildLog(drvPath: StorePath, log: string): Promise<void> {
    const text = toBuffer(log);
    await this.transport.write(buildLogName(drvPath), () => [text], text.length, 'text/plain; charset=utf-8');
  }

  /** One file for each `lib/debug/.build-id/XX/YYY.debug`; what is there already stays. */
  private async indexDebugInfo(root: NarListing, url: string): Promise<void> {
    const names = ['lib', 'debug', '.build-id'];
    const dir = names.reduce<NarListing | undefined>((at, name) => entriesOf(at)[name], root);
    for (const [first, below] of Object.entries(entriesOf(dir))) {
      if (!/^[0-9a-f]{2}$/.test(first)) continue;
      for (const [rest, { type }] of Object.entries(entriesOf(below))) {
        if (type !== 'regular' || !/^[0-9a-f]{38}\.debug$/.test(rest)) continue;
        const name = `debuginfo/${first}${rest}`;
        if (await this.transport.exists(name)) continue;
        const member = [...names, first, rest].join('/');
        const text = Buffer.from(JSON.stringify({ archive: `../${url}`, member }));
        await this.transport.write(name, () => [text], text.length, 'application/json');
      }
    }
  }

  private async writeListing(path: StorePath, root: NarListing): Promise<void> {
    const text = Buffer.from(JSON.stringify({ version: 1, root }));
    await this.transport.write(`${hashPart(path)}.ls`, () => [text], text.length, 'application/json');
  }
}

/** What is in a directory; nothing in anything else. */
function entriesOf(node: NarListing | undefined): Readonly<Record<string, NarListing>> {
  return node?.type === 'directory' ? node.entries : {};
}
