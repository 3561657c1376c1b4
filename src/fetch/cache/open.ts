// From a URI to a place that paths come from or go to: `file:///DIR`, `http(s)://HOST/…` (binary caches, with their
// parameters), or a store on this machine.
import { openStore, splitStoreUri } from '../../store/open.ts';
import { StoreError } from '../../util/errors.ts';
import { fromUtf8 } from '../../util/bytes.ts';
import { HttpClient } from '../http-client.ts';
import type { HttpSettings } from '../http-settings.ts';
import { BinaryCache } from './binary-cache.ts';
import type { CacheEntry } from './cache-list.ts';
import { NarInfoDiskCache, type DiskCacheTimes } from './disk-cache.ts';
import { StoreSource, type PathSource } from './path-source.ts';
import { FileTransport, HttpTransport, type CacheTransport, type ReadOptions } from './transport.ts';

export interface PathSourcesOptions {
  readonly storeDir: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly http: HttpSettings;
  readonly diskCache?: { readonly file: string; readonly times: DiskCacheTimes };
}

/** Whether a URI names a binary cache, and no store. */
export function isBinaryCacheUri(uri: string): boolean {
  return /^(?:https?|file):\/\//.test(uri);
}

/** @throws StoreError */
export function numberParameter(params: ReadonlyMap<string, string>, name: string): number | undefined {
  const value = params.get(name);
  if (value === undefined) return undefined;
  if (!/^-?\d{1,9}$/.test(value)) throw new StoreError(`setting '${name}' has invalid value '${value}'`);
  return Number(value);
}

/** @throws StoreError */
export function booleanParameter(params: ReadonlyMap<string, string>, name: string): boolean | undefined {
  const value = params.get(name);
  if (value === undefined) return undefined;
  if (['true', 'yes', '1'].includes(value)) return true;
  if (['false', 'no', '0'].includes(value)) return false;
  throw new StoreError(`Boolean setting '${name}' has invalid value '${value}'`);
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
    const { base, params } = splitStoreUri(uri);
    const trusted = booleanParameter(params, 'trusted') ?? false;
    const priority = numberParameter(params, 'priority');
    if (!isBinaryCacheUri(base)) {
      const store = openStore(uri, this.options.env, { readOnly: true });
      return new StoreSource(store, { trusted, priority });
    }
    const options = {
      storeDir: this.options.storeDir,
      diskCache: this.diskCache,
      trusted,
      priority,
      wantMassQuery: booleanParameter(params, 'want-mass-query'),
    };
    return await BinaryCache.open(this.transport(base), options, read);
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
