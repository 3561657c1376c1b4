// From a URI to a place that paths come from or go to: `file:///DIR`, `http(s)://HOST/…` (binary caches, with their
// parameters), or a store on this machine.
import { openStore } from '../../store/open.ts';
import { SecretKey } from '../../store/signatures.ts';
import { booleanParameter, isBinaryCacheUri, numberParameter, splitStoreUri } from '../../store/store-uri.ts';
import { StoreError } from '../../util/errors.ts';
import { fromUtf8 } from '../../util/bytes.ts';
import { findCompression } from '../decompress.ts';
import { HttpClient } from '../http-client.ts';
import type { HttpSettings } from '../http-settings.ts';
import { BinaryCache } from './binary-cache.ts';
import type { CacheEntry } from './cache-list.ts';
import { CacheWriter } from './cache-writer.ts';
import { NarInfoDiskCache, type DiskCacheTimes } from './disk-cache.ts';
import { StoreSource, type PathSource } from './path-source.ts';
import { FileTransport, HttpTransport, type CacheTransport, type ReadOptions } from './transport.ts';

export interface PathSourcesOptions {
  readonly storeDir: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly http: HttpSettings;
  readonly diskCache?: { readonly file: string; readonly times: DiskCacheTimes };
}

/** Opens sources, which share connections and what is remembered of them. */
export class PathSources {
  readonly diskCache: NarInfoDiskCache | undefined;
  private readonly options: PathSourcesOptions;
  private client: HttpClient | undefined;

  constructor(options: PathSourcesOptions) {
    this.options = options;
    this.diskCache =
      options.diskCache === undefined
        ? undefined
        : new NarInfoDiskCache(fromUtf8(options.diskCache.file), options.diskCache.times);
  }

  /** @param uri of a binary cache, without parameters */
  transport(uri: string): CacheTransport {
    const base = uri.replace(/\/+$/, '');
    if (base.startsWith('file://')) return new FileTransport(base.slice('file://'.length));
    this.client ??= new HttpClient(this.options.http);
    return new HttpTransport(base, this.client);
  }

  /** @throws StoreError, DownloadError */
  async open(uri: string, read: ReadOptions = {}): Promise<PathSource> {
    if (isBinaryCacheUri(uri)) return await this.openCache(uri, read);
    const { params } = splitStoreUri(uri);
    const store = openStore(uri, this.options.env, { readOnly: true });
    return new StoreSource(store, {
      trusted: booleanParameter(params, 'trusted') ?? false,
      priority: numberParameter(params, 'priority'),
    });
  }

  /** @throws StoreError, DownloadError */
  async openCache(uri: string, read: ReadOptions = {}): Promise<BinaryCache> {
    const { base, params } = splitStoreUri(uri);
    const options = {
      storeDir: this.storeDirOf(params),
      diskCache: this.diskCache,
      trusted: booleanParameter(params, 'trusted') ?? false,
      priority: numberParameter(params, 'priority'),
      wantMassQuery: booleanParameter(params, 'want-mass-query'),
    };
    return await BinaryCache.open(this.transport(base), options, read);
  }

  private storeDirOf(params: ReadonlyMap<string, string>): string {
    return params.get('store') ?? this.options.storeDir;
  }

  /** A binary cache to write to, made where there is none. @throws StoreError for parameters that make no sense */
  async openWriter(uri: string): Promise<CacheWriter> {
    const { base, params } = splitStoreUri(uri);
    const name = params.get('compression') ?? 'xz';
    const compression = findCompression(name);
    if (compression === undefined) throw new StoreError(`unknown compression method '${name}'`);
    const files = [params.get('secret-key') ?? '', ...(params.get('secret-keys') ?? '').split(',')];
    return await CacheWriter.open(this.transport(base), {
      storeDir: this.storeDirOf(params),
      compression,
      level: numberParameter(params, 'compression-level') ?? -1,
      parallel: booleanParameter(params, 'parallel-compression') ?? false,
      listings: booleanParameter(params, 'write-nar-listing') ?? false,
      debugInfo: booleanParameter(params, 'index-debug-info') ?? false,
      keys: files.filter((file) => file !== '').map((file) => SecretKey.read(file)),
      wantMassQuery: booleanParameter(params, 'want-mass-query'),
      priority: numberParameter(params, 'priority'),
    });
  }

  entry(uri: string, byDefault: boolean): CacheEntry {
    const plain = splitStoreUri(uri).base.replace(/\/+$/, '');
    return { uri: plain, byDefault, open: (read) => this.open(uri, read) };
  }

  close(): void {
    this.client?.close();
    this.diskCache?.close();
  }
}
