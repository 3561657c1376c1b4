// Paths on their way into a store: unpacked beside their places without a lock, for that takes long; then locked, moved
// and registered, as many together as are ready. A path becomes valid only with or after all that it refers to.
import { createHasher, equalDigests, printHash } from '../../store/hash.ts';
import { checkContentAddress } from '../../store/check-content-address.ts';
import { tryDeletePaths } from '../../store/delete-path.ts';
import type { PathLockOptions, PathLocks } from '../../store/locks.ts';
import { NarParser } from '../../store/nar-parse.ts';
import { NarRestorer } from '../../store/nar-restore.ts';
import { topologicalSort } from '../../store/references.ts';
import type { PathInfo, StorePath } from '../../store/store.ts';
import { HashMismatchError, StoreError } from '../../util/errors.ts';

/** What paths need of the store that they come into. LocalStore is one. */
export interface ReceivingStore {
  readonly storeDir: string;
  isValidPath(path: StorePath): boolean;
  addTempRoot(path: StorePath): void;
  /** An empty directory on the store's file system. */
  makeTempDir(): string;
  holdOffCollector(): () => void;
  lockPaths(paths: readonly StorePath[], options?: PathLockOptions): Promise<PathLocks>;
  moveIntoStore(realPath: string, path: StorePath): void;
  /** The same for a path that may be valid: what lies there is replaced. */
  replaceValidPath(realPath: string, path: StorePath): void;
  registerValidPaths(infos: readonly PathInfo[]): void;
}

interface Arrival {
  readonly info: PathInfo;
  readonly real: string;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** Bytes between two turns of the event loop. */
const turnBytes = 8 << 20;
/** Objects registered together: what is locked is open. */
const maxBatch = 400;
/** As long as more are coming, those that are here wait for them: each batch costs a helper process and a commit. */
const batchDelayMs = 100;

export class Arrivals {
  private readonly store: ReceivingStore;
  private dir: string | undefined;
  private release: (() => void) | undefined;
  private count = 0;
  private unpacking = 0;
  private readonly waiting = new Map<StorePath, Arrival>();
  private readonly failed = new Set<StorePath>();
  private timer: NodeJS.Timeout | undefined;
  private running: Promise<void> = Promise.resolve();

  constructor(store: ReceivingStore) {
    this.store = store;
  }

  private place(): string {
    this.release ??= this.store.holdOffCollector();
    this.dir ??= this.store.makeTempDir();
    return `${this.dir}/${String(this.count++)}`;
  }

  /**
   * Unpacks an archive and checks it against `info`. The function returned makes the path valid once all its
   * references are.
   * @throws HashMismatchError, CorruptNarError, StoreError; whatever `archive` throws
   */
  async unpack(info: PathInfo, archive: AsyncIterable<Uint8Array>): Promise<() => Promise<void>> {
    const real = this.place();
    this.unpacking++;
    try {
      this.store.addTempRoot(info.path);
      await unpack(info, archive, real);
      checkContentAddress(real, info);
    } catch (error) {
      tryDeletePaths([real]);
      throw error;
    } finally {
      this.unpacking--;
    }
    return () => this.arrive(info, real);
  }

  /** A path will not come: neither will those that refer to it. */
  fail(path: StorePath): void {
    this.failed.add(path);
    this.schedule();
  }

  private arrive(info: PathInfo, real: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.waiting.set(info.path, { info, real, resolve, reject });
      this.schedule();
    });
  }

  private schedule(): void {
    const enough = this.unpacking === 0 || this.waiting.size >= maxBatch;
    if (this.timer !== undefined && enough) {
      clearTimeout(this.timer);
      this.timer = undefined;
    }
    this.timer ??= setTimeout(
      () => {
        this.timer = undefined;
        this.running = this.running.then(() => this.register());
      },
      enough ? 0 : batchDelayMs,
    );
  }

  /** Those of which every reference is valid, or comes along. */
  private ready(): Arrival[] {
    const { store, waiting, failed } = this;
    const doomed = new Set<StorePath>();
    const state = new Map<StorePath, boolean>();
    const order = topologicalSort([...waiting.keys()], (path) => waiting.get(path)!.info.references);
    for (const path of order) {
      const references = waiting.get(path)!.info.references.filter((reference) => reference !== path);
      if (references.some((reference) => failed.has(reference) || doomed.has(reference))) doomed.add(path);
      state.set(
        path,
        references.every((reference) => state.get(reference) ?? store.isValidPath(reference)),
      );
    }
    for (const path of doomed) {
      const arrival = waiting.get(path)!;
      waiting.delete(path);
      failed.add(path);
      arrival.reject(new StoreError(`some references of path '${path}' could not be realised`));
    }
    return order.filter((path) => state.get(path) === true && !doomed.has(path)).map((path) => waiting.get(path)!);
  }

  private async register(): Promise<void> {
    let batch: Arrival[] = [];
    try {
      batch = this.ready().slice(0, maxBatch);
      if (batch.length === 0) return;
      for (const { info } of batch) this.waiting.delete(info.path);
      await this.moveAndRegister(batch);
      for (const { resolve } of batch) resolve();
    } catch (error) {
      if (batch.length > 1) {
        // One of them spoils it for all: each for itself.
        for (const arrival of batch) {
          try {
            await this.moveAndRegister([arrival]);
            arrival.resolve();
          } catch (reason) {
            this.failed.add(arrival.info.path);
            arrival.reject(reason);
          }
        }
      } else {
        const stuck = batch.length > 0 ? batch : [...this.waiting.values()];
        for (const { info, reject } of stuck) {
          this.waiting.delete(info.path);
          this.failed.add(info.path);
          reject(error);
        }
      }
    }
    if (this.waiting.size > 0) this.schedule();
  }

  private async moveAndRegister(batch: readonly Arrival[]): Promise<void> {
    const { store } = this;
    const locks = await store.lockPaths(batch.map(({ info }) => info.path));
    try {
      // Another process may have been faster.
      const fresh = batch.filter(({ info }) => !store.isValidPath(info.path));
      for (const { info, real } of fresh) store.moveIntoStore(real, info.path);
      store.registerValidPaths(fresh.map(({ info }) => info));
    } finally {
      locks.release(true);
    }
  }

  /** Lets go of the temporary directory. Nothing may be under way any more. */
  async close(): Promise<void> {
    await this.running;
    clearTimeout(this.timer);
    if (this.dir !== undefined) tryDeletePaths([this.dir]);
    this.dir = undefined;
    this.release?.();
    this.release = undefined;
  }
}

async function unpack(info: PathInfo, archive: AsyncIterable<Uint8Array>, real: string): Promise<void> {
  const hasher = createHasher('sha256');
  const restorer = new NarRestorer(real, { canonical: true });
  let size = 0;
  let turn = 0;
  try {
    const parser = new NarParser(restorer);
    for await (const chunk of archive) {
      hasher.update(chunk);
      size += chunk.length;
      turn += chunk.length;
      parser.writeAll(chunk);
      if (turn < turnBytes) continue;
      turn = 0;
      await new Promise((resolve) => setImmediate(resolve));
    }
    parser.end();
  } finally {
    restorer.close();
  }
  const print = (digest: Uint8Array): string => printHash({ algorithm: 'sha256', digest }, 'sri');
  const narHash = hasher.digest();
  if (!equalDigests(narHash, info.narHash)) {
    throw new HashMismatchError(
      `hash mismatch importing path '${info.path}';\n  specified: ${print(info.narHash)}\n  got:       ${print(narHash)}`,
    );
  }
  if (size !== info.narSize) {
    throw new StoreError(
      `size mismatch importing path '${info.path}';\n  specified: ${String(info.narSize)}\n  got:       ${String(size)}`,
    );
  }
}
