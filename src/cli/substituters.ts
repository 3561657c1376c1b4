// Binary caches from the settings. Nothing of it is loaded before a path is missing; what is asked of whom by default
// is told in docs/decisions/0010-binary-caches.md.
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import type { Substituter, SubstitutablePath } from '../build/realise-options.ts';
import type { CacheEntry } from '../fetch/cache/cache-list.ts';
import type { DiskCacheTimes } from '../fetch/cache/disk-cache.ts';
import type { ReceivingStore } from '../fetch/cache/arrivals.ts';
import type { CacheSubstituter, SubstitutionObserver } from '../fetch/cache/substituter.ts';
import type { TrustedKeys } from '../store/signatures.ts';
import type { Realisation } from '../store/realisation.ts';
import type { StorePath } from '../store/store.ts';
import { defaultStoreDir } from '../store/store-path.ts';
import { utf8 } from '../util/bytes.ts';
import { cacheDir } from './cache-dir.ts';
import type { Config } from './config.ts';
import { httpSettings } from './http.ts';

export interface SubstitutionOptions {
  readonly config: Config;
  readonly store: ReceivingStore;
  readonly signal?: AbortSignal;
  readonly observer: SubstitutionObserver;
  /** What is wanted is of the embedded package set, which no public cache has. */
  readonly embedded?: boolean;
}

/** Where what caches said is kept, and for how long. */
export function narInfoDiskCache(config: Config): { readonly file: string; readonly times: DiskCacheTimes } {
  return {
    file: join(cacheDir(), 'binary-caches-1.sqlite'),
    times: {
      positive: config.int('narinfo-cache-positive-ttl'),
      negative: config.int('narinfo-cache-negative-ttl'),
      meta: config.int('narinfo-cache-meta-ttl'),
    },
  };
}

/** The caches to ask, in the order of the settings; none where substitution is off. */
export function substituterUris(config: Config, storeDir: string, embedded: boolean): string[] {
  if (!config.bool('substitute')) return [];
  const uris = [...new Set(config.list('substituters'))];
  if (config.isSet('substituters')) return uris;
  return embedded || storeDir !== defaultStoreDir || !hasNetwork() ? [] : uris;
}

/** As Nix has it: is there an interface beside the loopback? */
function hasNetwork(): boolean {
  return Object.values(networkInterfaces()).some((addresses) => addresses?.some((address) => !address.internal));
}

/** @throws StoreError for a setting that is no key */
export async function trustedKeys(config: Config): Promise<TrustedKeys> {
  const { parseTrustedKeys, SecretKey } = await import('../store/signatures.ts');
  const own = config.list('secret-key-files').map((file) => SecretKey.read(utf8(file)).publicKey().toString());
  return parseTrustedKeys([...config.list('trusted-public-keys'), ...own]);
}

/** Made where it is first asked for something. Close it in any case. */
export class LazySubstituter implements Substituter {
  private readonly options: SubstitutionOptions;
  private readonly uris: readonly string[];
  private made: Promise<CacheSubstituter> | undefined;
  private dispose: (() => void) | undefined;

  constructor(options: SubstitutionOptions, uris: readonly string[]) {
    this.options = options;
    this.uris = uris;
  }

  private get(): Promise<CacheSubstituter> {
    return (this.made ??= this.make());
  }

  private async make(): Promise<CacheSubstituter> {
    const { config, store, signal, observer } = this.options;
    const [{ CacheSubstituter: Caches }, { CacheList }, { PathSources }] = await Promise.all([
      import('../fetch/cache/substituter.ts'),
      import('../fetch/cache/cache-list.ts'),
      import('../fetch/cache/open.ts'),
    ]);
    const warn = (message: string): void => observer.warn(message);
    const sources = new PathSources({
      storeDir: store.storeDir,
      env: process.env,
      http: httpSettings(config, warn),
      diskCache: narInfoDiskCache(config),
    });
    this.dispose = (): void => sources.close();
    const byDefault = !config.isSet('substituters');
    const entries = this.uris.map((uri): CacheEntry => sources.entry(utf8(uri), byDefault));
    return new Caches({
      store,
      caches: new CacheList(entries, { diskCache: sources.diskCache, signal, warn }),
      requireSignatures: config.bool('require-sigs'),
      trustedKeys: await trustedKeys(config),
      jobs: config.int('max-substitution-jobs'),
      fallback: config.bool('fallback'),
      signal,
      observer,
    });
  }

  async query(paths: readonly StorePath[]): Promise<ReadonlyMap<StorePath, SubstitutablePath>> {
    return await (await this.get()).query(paths);
  }

  /** Of these paths those that caches have which may be asked for many. */
  async offered(paths: readonly StorePath[]): Promise<Set<StorePath>> {
    return await (await this.get()).offered(paths);
  }

  async substitute(path: StorePath): Promise<boolean> {
    return await (await this.get()).substitute(path);
  }

  async buildTrace(drvPath: StorePath, outputs: readonly string[]): Promise<ReadonlyMap<string, Realisation>> {
    return await (await this.get()).buildTrace(drvPath, outputs);
  }

  async repair(path: StorePath): Promise<boolean> {
    return await (await this.get()).repair(path);
  }

  async close(): Promise<void> {
    if (this.made === undefined) return;
    try {
      await (await this.made).close();
    } catch {
      // it was never made, which its user was told
    } finally {
      this.dispose?.();
    }
  }
}

/** undefined where there is nobody to ask. */
export function makeSubstituter(options: SubstitutionOptions): LazySubstituter | undefined {
  const uris = substituterUris(options.config, options.store.storeDir, options.embedded ?? false);
  return uris.length === 0 ? undefined : new LazySubstituter(options, uris);
}
