// The binary caches of a run, best first. A cache that can't be reached is told about once and left alone for the rest
// of the run: without network things are built, not waited for (docs/decisions/0010-binary-caches.md).
import { NixError } from '../../util/errors.ts';
import type { NarInfo } from '../../store/narinfo.ts';
import type { StorePath } from '../../store/store.ts';
import { DownloadError } from '../http-errors.ts';
import type { PathSource } from './path-source.ts';
import type { NarInfoDiskCache } from './disk-cache.ts';
import type { ReadOptions } from './transport.ts';

export interface CacheEntry {
  readonly uri: string;
  /** Nobody asked for it by name: it is there because Nix has it. */
  readonly byDefault: boolean;
  readonly open: (options: ReadOptions) => Promise<PathSource>;
}

export interface CacheListOptions {
  readonly diskCache?: NarInfoDiskCache | undefined;
  readonly signal?: AbortSignal | undefined;
  warn(message: string): void;
}

/** As long as Nix leaves it alone. */
const disabledSeconds = 60;

export class CacheList {
  private readonly entries: readonly CacheEntry[];
  private readonly options: CacheListOptions;
  private opened: Promise<PathSource[]> | undefined;
  private readonly disabled = new Set<PathSource>();
  private readonly byDefault = new Set<PathSource>();

  constructor(entries: readonly CacheEntry[], options: CacheListOptions) {
    this.entries = entries;
    this.options = options;
  }

  /** Those that can be reached, by priority. */
  async caches(): Promise<readonly PathSource[]> {
    this.opened ??= this.openAll();
    const caches = await this.opened;
    return this.disabled.size === 0 ? caches : caches.filter((cache) => !this.disabled.has(cache));
  }

  private async openAll(): Promise<PathSource[]> {
    const { diskCache, signal } = this.options;
    const opened = await Promise.all(
      this.entries.map(async (entry) => {
        if (entry.byDefault && diskCache?.isUnreachable(entry.uri) === true) return undefined;
        try {
          const cache = await entry.open({ signal, impatient: true });
          if (entry.byDefault) this.byDefault.add(cache);
          return cache;
        } catch (error) {
          signal?.throwIfAborted();
          if (!(error instanceof NixError)) throw error;
          // Who is offline knows it, and has not asked for this cache.
          if (entry.byDefault && isConnectionFailure(error)) diskCache?.rememberUnreachable(entry.uri, disabledSeconds);
          else this.options.warn(error.message);
          return undefined;
        }
      }),
    );
    const caches = opened.filter((cache) => cache !== undefined);
    return caches.sort((a, b) => a.info.priority - b.info.priority);
  }

  /**
   * @returns undefined where the cache has not got the path, or could not be asked
   * @throws StoreError for what the cache says and should not
   */
  async narInfo(cache: PathSource, path: StorePath): Promise<NarInfo | undefined> {
    if (this.disabled.has(cache)) return undefined;
    try {
      return await cache.narInfo(path, { signal: this.options.signal, impatient: true });
    } catch (error) {
      this.options.signal?.throwIfAborted();
      if (!isConnectionFailure(error)) throw error;
      if (!this.disabled.has(cache)) {
        this.disabled.add(cache);
        this.options.warn(error.message);
        this.options.warn(`disabling binary cache '${cache.uri}' for ${String(disabledSeconds)} seconds`);
        if (this.byDefault.has(cache)) this.options.diskCache?.rememberUnreachable(cache.uri, disabledSeconds);
      }
      return undefined;
    }
  }
}

function isConnectionFailure(error: unknown): error is DownloadError {
  return error instanceof DownloadError && (error.failure === 'unreachable' || error.failure === 'transient');
}
