// One binary cache: what it says of paths, and their archives. Its answers are checked here for form (that they are
// about the path asked for, that sizes are kept); whom to believe is the business of whoever takes a path in.
import { Readable } from 'node:stream';
import { StoreError } from '../../util/errors.ts';
import { fromBuffer } from '../../util/bytes.ts';
import { parseCacheInfo, parseNarInfo, maxNarInfoBytes, type CacheInfo, type NarInfo } from '../../store/narinfo.ts';
import { maxRealisationBytes, parseRealisation, realisationName, type Realisation } from '../../store/realisation.ts';
import { baseName, hashPart } from '../../store/store-path.ts';
import type { StorePath } from '../../store/store.ts';
import { decompress, decompressSmall, findCompression, type Compression } from '../decompress.ts';
import type { NarInfoDiskCache } from './disk-cache.ts';
import type { PathSource } from './path-source.ts';
import type { CacheTransport, ReadOptions } from './transport.ts';

export interface BinaryCacheOptions {
  readonly storeDir: string;
  readonly diskCache?: NarInfoDiskCache | undefined;
  /** Parameter `trusted`: no signatures are asked for. */
  readonly trusted?: boolean;
  /** Parameters `priority` and `want-mass-query`: stronger than what the cache says. */
  readonly priority?: number | undefined;
  readonly wantMassQuery?: boolean | undefined;
}

const cacheInfoFile = 'nix-cache-info';
/** No log that anybody reads is larger. */
const maxLogBytes = 1 << 28;

/** The file of a build log, relative to its cache. */
export function buildLogName(drvPath: StorePath): string {
  return `log/${baseName(drvPath)}`;
}

/** Compressed archives up to this size are unpacked in one go. */
const smallBytes = 1 << 20;

export class BinaryCache implements PathSource {
  readonly uri: string;
  readonly trusted: boolean;
  readonly info: CacheInfo;
  readonly transport: CacheTransport;
  private readonly storeDir: string;
  private readonly diskCache: NarInfoDiskCache | undefined;
  private readonly diskId: number | undefined;

  private constructor(
    transport: CacheTransport,
    info: CacheInfo,
    options: BinaryCacheOptions,
    diskId: number | undefined,
  ) {
    this.transport = transport;
    this.uri = transport.uri;
    this.info = {
      ...info,
      priority: options.priority ?? info.priority,
      wantMassQuery: options.wantMassQuery ?? info.wantMassQuery,
    };
    this.trusted = options.trusted ?? false;
    this.storeDir = options.storeDir;
    this.diskCache = diskId === undefined ? undefined : options.diskCache;
    this.diskId = diskId;
  }

  /**
   * Reads its nix-cache-info. @throws StoreError where there is no cache, or one of another store directory;
   * DownloadError
   */
  static async open(
    transport: CacheTransport,
    options: BinaryCacheOptions,
    read: ReadOptions = {},
  ): Promise<BinaryCache> {
    const { storeDir } = options;
    const diskCache = transport.remote ? options.diskCache : undefined;
    const known = diskCache?.cache(transport.uri);
    let text = known?.info;
    if (text === undefined) {
      const file = await transport.readFile(cacheInfoFile, 64 * 1024, read);
      if (file === undefined) throw new StoreError(`'${transport.uri}' does not appear to be a binary cache`);
      text = fromBuffer(file);
    }
    const info = parseCacheInfo(text);
    if (info.storeDir !== null && info.storeDir !== storeDir) {
      throw new StoreError(
        `binary cache '${transport.uri}' is for Nix stores with prefix '${info.storeDir}', not '${storeDir}'`,
      );
    }
    return new BinaryCache(transport, info, options, known?.id ?? diskCache?.rememberCache(transport.uri, text));
  }

  /**
   * What the cache says of a path; undefined where it has not got it. A narinfo of another path with this hash part is
   * handed out as it is: look at its `path`.
   * @throws StoreError for a corrupt file, DownloadError
   */
  async narInfo(path: StorePath, options: ReadOptions = {}): Promise<NarInfo | undefined> {
    const part = hashPart(path);
    const name = `${part}.narinfo`;
    const whence = `${this.uri}/${name}`;
    if (this.diskId !== undefined) {
      const known = this.diskCache?.narInfo(this.diskId, part);
      if (known === null) return undefined;
      if (known !== undefined) return parseNarInfo(known, whence, this.storeDir);
    }
    const file = await this.transport.readFile(name, maxNarInfoBytes, options);
    const text = file === undefined ? null : fromBuffer(file);
    const info = text === null ? undefined : parseNarInfo(text, whence, this.storeDir);
    if (this.diskId !== undefined) this.diskCache?.rememberNarInfo(this.diskId, part, text);
    return info;
  }

  async buildLog(drvPath: StorePath): Promise<string | undefined> {
    const file = await this.transport.readFile(buildLogName(drvPath), maxLogBytes);
    return file === undefined ? undefined : fromBuffer(file);
  }

  async buildTrace(drvPath: StorePath, output: string): Promise<Realisation | undefined> {
    const name = realisationName(drvPath, output);
    const file = await this.transport.readFile(name, maxRealisationBytes);
    if (file === undefined) return undefined;
    return parseRealisation(fromBuffer(file), { drvPath, output }, `${this.uri}/${name}`, this.storeDir);
  }

  forget(path: StorePath): void {
    if (this.diskId !== undefined) this.diskCache?.forgetNarInfo(this.diskId, hashPart(path));
  }

  /**
   * The archive, decompressed; never more than it should be.
   * @throws FileGoneError, StoreError, DownloadError
   */
  async *nar(info: NarInfo, options: ReadOptions = {}): AsyncGenerator<Uint8Array, void> {
    const compression = findCompression(info.compression);
    if (compression === undefined) {
      throw new StoreError(
        `cannot unpack '${info.path}' from '${this.uri}': unknown compression method '${info.compression}'`,
      );
    }
    // A folder sends nobody to the network, a cache with TLS nobody to an open line.
    const allowed = this.uri.startsWith('https:') ? /^https:/ : /^http/.test(this.uri) ? /^https?:/ : /^(?!)/;
    if (/^https?:/.test(info.url) && !allowed.test(info.url)) {
      throw new StoreError(`binary cache '${this.uri}' keeps '${info.path}' elsewhere, in '${info.url}'`);
    }
    const small = info.fileSize > 0 && info.fileSize <= smallBytes && info.narSize <= 16 * smallBytes;
    const chunks = small
      ? this.unpackSmall(info, compression, options)
      : decompress(this.transport.stream(info.url, options), compression);
    let size = 0;
    for await (const chunk of chunks) {
      size += chunk.length;
      if (size > info.narSize) {
        throw new StoreError(
          `size mismatch importing path '${info.path}';\n  specified: ${String(info.narSize)}\n  got:       more`,
        );
      }
      yield chunk;
    }
  }

  /** An archive that fits in memory, in one piece. */
  private async *unpackSmall(
    info: NarInfo,
    compression: Compression,
    options: ReadOptions,
  ): AsyncGenerator<Uint8Array, void> {
    const parts: Uint8Array[] = [];
    let length = 0;
    for await (const part of this.transport.stream(info.url, options)) {
      length += part.length;
      if (length > info.fileSize) {
        throw new StoreError(`'${info.url}' in binary cache '${this.uri}' is larger than its narinfo says`);
      }
      parts.push(part);
    }
    const nar = decompressSmall(Buffer.concat(parts), compression, info.narSize);
    if (nar === undefined) yield* decompress(Readable.from(parts), compression);
    else yield nar;
  }
}
