// Substitution: paths with their closures from binary caches into a store. First the narinfos of the whole closure,
// then the archives, several at a time; what comes is unpacked and checked as it comes, and registered by Arrivals.
// Nobody is believed: a path comes in signed by a trusted key, or by its content address, or from a store that the
// user trusts; else the cache might as well not have it.
import { CorruptNarError, NixError, StoreError } from '../../util/errors.ts';
import type { NarInfo } from '../../store/narinfo.ts';
import { isTrustedRealisation, type Realisation } from '../../store/realisation.ts';
import { topologicalSort } from '../../store/references.ts';
import { countTrustedSignatures, isContentAddressed, type TrustedKeys } from '../../store/signatures.ts';
import type { StorePath } from '../../store/store.ts';
import { Arrivals, type ReceivingStore } from './arrivals.ts';
import type { PathSource } from './path-source.ts';
import { repairing } from './repairing.ts';
import type { CacheList } from './cache-list.ts';
import { FileGoneError, type TransferTold } from './transport.ts';

export interface SubstituterOptions {
  readonly store: ReceivingStore;
  readonly caches: CacheList;
  readonly requireSignatures: boolean;
  readonly trustedKeys: TrustedKeys;
  /** Archives fetched at a time. */
  readonly jobs: number;
  /** Where fetching fails: not there, rather than an error. */
  readonly fallback: boolean;
  readonly signal?: AbortSignal | undefined;
  readonly observer: SubstitutionObserver;
}

export interface SubstitutionObserver {
  /** An archive is fetched and unpacked. */
  copying?(path: StorePath, uri: string, narSize: number): CopyTold | undefined;
  /** A cache is asked about a path; what is returned is called when it has answered. */
  querying?(path: StorePath, uri: string): () => void;
  warn(message: string): void;
  error(message: string): void;
}

/** Of one copy. */
export interface CopyTold {
  /** @param bytes of the archive, so far */
  unpacked(bytes: number): void;
  downloading(url: string): void;
  /** @param bytes of the file, so far, of `expected`; 0 where that is not known */
  downloaded(bytes: number, expected: number): void;
  ended(): void;
  failed(): void;
}

/** What fetching a path takes, for plans. */
export interface SubstitutablePath {
  /** Bytes; 0 where the cache does not say. */
  readonly downloadSize: number;
  readonly narSize: number;
  readonly references: readonly StorePath[];
}

interface Offer {
  readonly cache: PathSource;
  readonly info: NarInfo;
}

/** More paths than any closure has. */
const maxClosure = 1_000_000;

/** Paths, where many are asked about. */
const ASKED_AT_ONCE = 50;

export class CacheSubstituter {
  private readonly options: SubstituterOptions;
  private readonly store: ReceivingStore;
  private readonly offers = new Map<StorePath, Promise<Offer | undefined>>();
  private readonly jobs = new Map<StorePath, Promise<void>>();
  private readonly running = new Set<Promise<boolean>>();
  private closing = false;
  private readonly arrivals: Arrivals;
  private free: number;
  private readonly queue: (() => void)[] = [];
  /** What was said of caches and paths: once is enough. */
  private readonly said = new Set<string>();

  constructor(options: SubstituterOptions) {
    this.options = options;
    this.store = options.store;
    this.arrivals = new Arrivals(options.store);
    this.free = Math.max(1, options.jobs);
  }

  /**
   * Of these paths and all that they refer to, those that are not valid and can be had.
   * @throws StoreError
   */
  async query(paths: readonly StorePath[]): Promise<ReadonlyMap<StorePath, SubstitutablePath>> {
    const found = await this.discover(paths);
    const known = new Map<StorePath, SubstitutablePath>();
    for (const [path, offer] of found) {
      if (offer === undefined) continue;
      const { fileSize, narSize, references } = offer.info;
      known.set(path, { downloadSize: fileSize, narSize, references });
    }
    return known;
  }

  /** Of these paths, valid or not, those that caches have which may be asked for many (`WantMassQuery`). */
  async offered(paths: readonly StorePath[]): Promise<Set<StorePath>> {
    const { caches } = this.options;
    const found = new Set<StorePath>();
    for (const cache of await caches.caches()) {
      if (!cache.info.wantMassQuery) continue;
      const left = paths.filter((path) => !found.has(path));
      for (let i = 0; i < left.length; i += ASKED_AT_ONCE) {
        await Promise.all(
          left.slice(i, i + ASKED_AT_ONCE).map(async (path) => {
            if ((await caches.narInfo(cache, path)) !== undefined) found.add(path);
          }),
        );
      }
    }
    return found;
  }

  /**
   * Makes a path and its closure valid; false where no cache has it.
   * @throws StoreError where a cache has it and fetching failed (unless fallback), or the reason of the signal
   */
  async substitute(path: StorePath): Promise<boolean> {
    if (this.store.isValidPath(path)) return true;
    const work = this.fetchClosure(path);
    this.running.add(work);
    try {
      return await work;
    } catch (error) {
      this.options.signal?.throwIfAborted();
      if (this.closing || !this.options.fallback || !(error instanceof NixError)) throw error;
      this.say('error', error.message);
      return false;
    } finally {
      this.running.delete(work);
    }
  }

  /** What the best caches say that outputs came to be, as far as they may be believed; by name. */
  async buildTrace(drvPath: StorePath, outputs: readonly string[]): Promise<ReadonlyMap<string, Realisation>> {
    const found = new Map<string, Realisation>();
    await Promise.all(
      outputs.map(async (output) => {
        const realisation = await this.tracedOutput(drvPath, output);
        if (realisation !== undefined) found.set(output, realisation);
      }),
    );
    return found;
  }

  private async tracedOutput(drvPath: StorePath, output: string): Promise<Realisation | undefined> {
    const { caches, requireSignatures, trustedKeys, signal } = this.options;
    for (const cache of await caches.caches()) {
      try {
        const realisation = await cache.buildTrace(drvPath, output);
        if (realisation === undefined) continue;
        if (!requireSignatures || cache.trusted || isTrustedRealisation(realisation, trustedKeys)) return realisation;
        this.say(
          'warn',
          `ignoring substitute for build trace '${drvPath}^${output}' -> '${realisation.outPath}' from '${cache.uri}', as it's not signed by any of the keys in 'trusted-public-keys'`,
        );
      } catch (error) {
        signal?.throwIfAborted();
        if (!(error instanceof NixError)) throw error;
        this.say('error', error.message); // the next one may know
      }
    }
    return undefined;
  }

  /**
   * Fetches a path again that is valid and damaged; false where no cache has it.
   * @throws as substitute()
   */
  async repair(path: StorePath): Promise<boolean> {
    let repaired = false;
    await this.slot(async () => {
      const fetcher = new CacheSubstituter({ ...this.options, store: repairing(this.store, path) });
      try {
        repaired = await fetcher.substitute(path);
      } finally {
        await fetcher.close();
      }
      return () => Promise.resolve();
    });
    return repaired;
  }

  private async fetchClosure(path: StorePath): Promise<boolean> {
    const found = await this.discover([path]);
    if (found.get(path) === undefined) return this.store.isValidPath(path);
    for (const offer of found.values()) {
      if (offer !== undefined) continue;
      this.say('error', `some references of path '${path}' could not be realised`);
      return false;
    }
    const order = topologicalSort([...found.keys()], (each) => found.get(each)!.info.references);
    const ended = await Promise.allSettled(order.map((each) => this.fetch(each, found.get(each)!)));
    this.options.signal?.throwIfAborted();
    const failures = ended.flatMap((end): unknown[] => (end.status === 'rejected' ? [end.reason] : []));
    // The first in this order failed by itself, not for what it refers to.
    // What has gone was never there.
    if (failures[0] instanceof FileGoneError) return false;
    if (failures.length > 0) throw failures[0];
    return true;
  }

  /** Waits for archives that are on their way; what has not begun, for whoever has stopped waiting, fails. */
  async close(): Promise<void> {
    this.closing = true;
    await Promise.allSettled([...this.running]);
    await this.arrivals.close();
  }

  /** All that is not valid of the closures of `paths`, with who offers it. */
  private discover(paths: readonly StorePath[]): Promise<Map<StorePath, Offer | undefined>> {
    const found = new Map<StorePath, Offer | undefined>();
    return new Promise((resolve, reject) => {
      let active = 0;
      const visit = (path: StorePath): void => {
        if (found.has(path) || this.store.isValidPath(path)) return;
        if (found.size >= maxClosure) {
          reject(new StoreError(`the closure of '${paths[0]!}' in its binary cache has no end`));
          return;
        }
        found.set(path, undefined);
        active++;
        this.offer(path).then((offer) => {
          found.set(path, offer);
          for (const reference of offer?.info.references ?? []) visit(reference);
          if (--active === 0) resolve(found);
        }, reject);
      };
      for (const path of paths) visit(path);
      if (active === 0) resolve(found);
    });
  }

  private offer(path: StorePath): Promise<Offer | undefined> {
    let offer = this.offers.get(path);
    if (offer === undefined) {
      offer = this.firstOffer(path, new Set());
      this.offers.set(path, offer);
    }
    return offer;
  }

  /** The best cache that has the path and may be believed, but for those in `without`. */
  private async firstOffer(path: StorePath, without: ReadonlySet<PathSource>): Promise<Offer | undefined> {
    const { caches } = this.options;
    let failure: NixError | undefined;
    for (const cache of await caches.caches()) {
      if (without.has(cache)) continue;
      const answered = this.options.observer.querying?.(path, cache.uri);
      try {
        const info = await caches.narInfo(cache, path);
        if (info !== undefined && this.isAcceptable(path, info, cache)) return { cache, info };
      } catch (error) {
        this.options.signal?.throwIfAborted();
        if (!(error instanceof NixError)) throw error;
        // The next one may do better; what went wrong is told in any case.
        if (failure !== undefined) this.say('error', failure.message);
        failure = error;
      } finally {
        answered?.();
      }
    }
    if (failure === undefined) return undefined;
    if (!this.options.fallback) throw failure;
    this.say('error', failure.message);
    return undefined;
  }

  private isAcceptable(path: StorePath, info: NarInfo, cache: PathSource): boolean {
    if (info.path !== path) {
      this.say('error', `asked '${cache.uri}' for '${path}' but got '${info.path}'`);
      return false;
    }
    const { requireSignatures, trustedKeys } = this.options;
    if (!requireSignatures || cache.trusted || countTrustedSignatures(info, trustedKeys) > 0) return true;
    // Vouched for by its contents: these are checked when they are there.
    if (isContentAddressed(info, this.store.storeDir)) return true;
    this.say(
      'warn',
      `ignoring substitute for '${path}' from '${cache.uri}', as it's not signed by any of the keys in 'trusted-public-keys'`,
    );
    return false;
  }

  private say(kind: 'warn' | 'error', message: string): void {
    if (this.said.has(message)) return;
    this.said.add(message);
    this.options.observer[kind](message);
  }

  private fetch(path: StorePath, offer: Offer): Promise<void> {
    let job = this.jobs.get(path);
    if (job === undefined) {
      job = this.slot(() => this.fetchFromAny(path, offer));
      job.catch(() => {
        this.arrivals.fail(path);
      });
      this.jobs.set(path, job);
    }
    return job;
  }

  private async fetchFromAny(path: StorePath, first: Offer): Promise<() => Promise<void>> {
    const tried = new Set<PathSource>();
    let failure: NixError | undefined;
    for (let offer: Offer | undefined = first; offer !== undefined; offer = await this.firstOffer(path, tried)) {
      tried.add(offer.cache);
      if (this.store.isValidPath(path)) return () => Promise.resolve();
      // Another cache's object may refer to what nobody has looked for.
      const { references } = offer.info;
      const wanted = new Set<StorePath>([...first.info.references, path]);
      if (!references.every((reference) => wanted.has(reference) || this.store.isValidPath(reference))) continue;
      const { cache, info } = offer;
      const told = this.options.observer.copying?.(path, cache.uri, info.narSize);
      try {
        const arrived = await this.arrivals.unpack(info, this.archive(offer, told));
        told?.ended();
        return arrived;
      } catch (error) {
        told?.failed();
        this.options.signal?.throwIfAborted();
        if (!(error instanceof NixError)) throw error;
        failure =
          error instanceof CorruptNarError
            ? new StoreError(`cannot unpack '${path}' from '${offer.cache.uri}': ${error.message}`, { cause: error })
            : error;
        if (error instanceof FileGoneError) {
          offer.cache.forget(path);
          this.say('warn', error.message);
        } else this.say('error', failure.message);
      }
    }
    throw failure ?? new StoreError(`path '${path}' is required, but there is no substituter that can build it`);
  }

  private archive({ cache, info }: Offer, told: CopyTold | undefined): AsyncIterable<Uint8Array> {
    const { signal } = this.options;
    if (told === undefined) return cache.nar(info, { signal });
    const transfer: TransferTold = {
      downloading: (url) => told.downloading(url),
      downloaded: (bytes) => told.downloaded(bytes, info.fileSize),
    };
    return counted(cache.nar(info, { signal, told: transfer }), (bytes) => told.unpacked(bytes));
  }

  /** The archive in a slot; waiting for what it refers to takes none. */
  private async slot(work: () => Promise<() => Promise<void>>): Promise<void> {
    if (this.free > 0) this.free--;
    else await new Promise<void>((resolve) => this.queue.push(resolve));
    let arrived: () => Promise<void>;
    try {
      this.options.signal?.throwIfAborted();
      if (this.closing) throw new StoreError('nobody waits for this path any more');
      arrived = await work();
    } finally {
      const next = this.queue.shift();
      if (next === undefined) this.free++;
      else next();
    }
    await arrived();
  }
}

async function* counted(chunks: AsyncIterable<Uint8Array>, tell: (bytes: number) => void): AsyncGenerator<Uint8Array> {
  let bytes = 0;
  for await (const chunk of chunks) {
    bytes += chunk.length;
    tell(bytes);
    yield chunk;
  }
}
