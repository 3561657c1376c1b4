// Collecting garbage: mark from the roots, sweep the rest. No root can appear meanwhile: whoever records one must hold
// gc.lock in shared mode, and we hold it alone.
import { closeSync, constants, lstatSync, openSync, readdirSync, statSync, unlinkSync } from 'node:fs';
import { StoreError } from '../util/errors.ts';
import { fsPath } from '../util/bytes.ts';
import { renderSize } from '../util/render-size.ts';
import { deletePath } from './delete-path.ts';
import { findRoots, findTempRoots } from './find-roots.ts';
import type { LocalStore } from './local-store.ts';
import { lockFds, openLockFile } from './locks.ts';
import { computeClosure } from './query.ts';
import { topologicalSort } from './references.ts';
import { hashPart, tryParseStorePath } from './store-path.ts';
import type { StorePath } from './store.ts';

export interface GcOptions {
  /** `live`, `dead`: only tell. `delete`: delete what is dead. */
  readonly action: 'live' | 'dead' | 'delete';
  /** Only these; with `delete` an error if one is alive. */
  readonly paths?: readonly StorePath[];
  /** With `paths`: take them for dead whatever roots say (but not what refers to them). */
  readonly ignoreLiveness?: boolean;
  /** Stop once more than so many bytes are free. */
  readonly maxFreedBytes?: number;
  /** Derivations of live outputs are live. Default true. */
  readonly keepDerivations?: boolean;
  /** Outputs of live derivations are live. Default false. */
  readonly keepOutputs?: boolean;
  /** Told `deleting '/nix/store/…'` and the like. */
  readonly log?: (line: string) => void;
  /** Default true. */
  readonly processes?: boolean;
}

export interface GcResult {
  /** Live, dead or deleted paths, sorted; rubbish in the store directory (deleted) too. */
  readonly paths: readonly string[];
  readonly bytesFreed: number;
}

/** Paths that lose their validity in one transaction. A kill between leaves rubbish, no more. */
const batchSize = 200;

class LimitReached extends Error {}

/**
 * @throws StoreError where a path of `paths` is alive
 */
export function collectGarbage(store: LocalStore, options: GcOptions): GcResult {
  store.flush();
  const database = store.db;
  const log = options.log ?? ((): void => undefined);
  store.releaseCollectorLock();
  const gcLock = openLockFile(`${store.stateDir}/gc.lock`);
  try {
    if (!lockFds([{ fd: gcLock }], false)) {
      log('waiting for the big garbage collector lock...');
      lockFds([{ fd: gcLock }], true);
    }
    if (options.action === 'delete') database.requireSound();
    log('finding garbage collector roots...');
    const roots =
      options.ignoreLiveness === true
        ? new Map<StorePath, Set<string>>()
        : findRoots(store, { processes: options.processes ?? true });
    const temporary = findTempRoots(store);
    const tempHashes = new Set([...temporary.keys()].map(hashPart));
    const valid = new Set(database.validPaths());
    const live = computeClosure(
      store,
      [...roots.keys(), ...temporary.keys()].filter((path) => valid.has(path)),
      {
        includeOutputs: options.paths === undefined && (options.keepOutputs ?? false),
        includeDerivers: options.paths === undefined && (options.keepDerivations ?? true),
      },
    );
    if (options.action !== 'delete') log('determining live/dead paths...');
    // Temporary roots name a path and whatever lies beside it (PATH.lock, PATH.chroot), valid or not.
    if (options.action === 'live') return { paths: [...live].sort(), bytesFreed: 0 };
    const dead =
      options.paths === undefined
        ? [...valid].filter((path) => !live.has(path))
        : specific(store, options.paths, valid, live, tempHashes);
    const rubbish = options.paths === undefined ? findRubbish(store, valid, tempHashes) : [];
    if (options.action === 'dead')
      return { paths: [...dead, ...rubbish.map((name) => `${store.storeDir}/${name}`)].sort(), bytesFreed: 0 };
    return sweep(store, options, dead, rubbish, log);
  } finally {
    closeSync(gcLock);
  }
}

/** Those of `paths` that a collector may delete alone: dead, and referred to by each other at most. */
export function deletable(
  store: LocalStore,
  paths: readonly StorePath[],
  options: Pick<GcOptions, 'ignoreLiveness'> = {},
): StorePath[] {
  const dead = new Set<string>(collectGarbage(store, { action: 'dead', ...options }).paths);
  const left = new Set(paths.filter((path) => dead.has(path)));
  let before: number;
  do {
    before = left.size;
    for (const path of left) {
      if (store.referrers(path).some((referrer) => !left.has(referrer))) left.delete(path);
    }
  } while (left.size < before);
  return [...left];
}

function specific(
  store: LocalStore,
  paths: readonly StorePath[],
  valid: ReadonlySet<StorePath>,
  live: ReadonlySet<StorePath>,
  tempHashes: ReadonlySet<string>,
): StorePath[] {
  const wanted = new Set(paths);
  for (const path of wanted) {
    const held = live.has(path) || tempHashes.has(hashPart(path));
    const referred = valid.has(path) && store.referrers(path).some((referrer) => !wanted.has(referrer));
    if (held || referred) {
      throw new StoreError(
        `Cannot delete path '${path}' since it is still alive. To find out why, use: nix-store --query --roots and nix-store --query --referrers`,
      );
    }
  }
  return [...wanted];
}

/** Names in the store directory that are no valid paths and that no living process claims. */
function findRubbish(store: LocalStore, valid: ReadonlySet<StorePath>, tempHashes: ReadonlySet<string>): string[] {
  return readdirSync(fsPath(store.realStoreDir), { encoding: 'latin1' }).filter((name) => {
    if (name === '.links') return false;
    const path = tryParseStorePath(`${store.storeDir}/${name}`, store.storeDir);
    if (path !== undefined) return !valid.has(path) && !tempHashes.has(hashPart(path));
    return !name.startsWith('tmp-') || !isLockedDirectory(`${store.realStoreDir}/${name}`);
  });
}

/** Nix locks temporary directories in the store for as long as it uses them. */
function isLockedDirectory(path: string): boolean {
  let fd: number;
  try {
    fd = openSync(fsPath(path), constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  } catch {
    return false; // no directory: no one's
  }
  try {
    return !lockFds([{ fd }], false);
  } finally {
    closeSync(fd);
  }
}

function sweep(
  store: LocalStore,
  options: GcOptions,
  dead: readonly StorePath[],
  rubbish: readonly string[],
  log: (line: string) => void,
): GcResult {
  const database = store.db;
  const limit = options.maxFreedBytes ?? Infinity;
  const deleted: string[] = [];
  let bytesFreed = 0;
  const remove = (path: string): void => {
    log(`deleting '${path}'`);
    bytesFreed += deletePath(store.realStoreDir + path.slice(store.storeDir.length));
    deleted.push(path);
    if (bytesFreed > limit) {
      log(`deleted more than ${String(limit)} bytes; stopping`);
      throw new LimitReached();
    }
  };
  try {
    if (limit === 0) return { paths: [], bytesFreed: 0 };
    log(options.paths === undefined ? 'deleting garbage...' : 'deleting specified paths...');
    for (const name of rubbish) remove(`${store.storeDir}/${name}`);
    // What refers goes before what it refers to.
    const order = topologicalSort([...dead].sort(), (path) => database.references(path) ?? []).reverse();
    const step = limit === Infinity ? batchSize : 1;
    for (let i = 0; i < order.length; i += step) {
      const batch = order.slice(i, i + step);
      database.transaction(() => {
        for (const path of batch) database.invalidate(path);
      });
      for (const path of batch) remove(path);
    }
  } catch (error) {
    if (!(error instanceof LimitReached)) throw error;
  }
  log('deleting unused links...');
  const saved = deleteUnusedLinks(`${store.realStoreDir}/.links`);
  log(`note: hard linking is currently saving ${renderSize(saved)}`);
  return { paths: deleted.sort(), bytesFreed };
}

/**
 * Files of the optimised store that only the links directory still holds.
 * @returns bytes that the others save
 */
function deleteUnusedLinks(dir: string): number {
  let names: string[];
  try {
    names = readdirSync(fsPath(dir), { encoding: 'latin1' });
  } catch {
    return 0; // a store that was never optimised may lack it
  }
  let saved = 0;
  for (const name of names) {
    const link = fsPath(`${dir}/${name}`);
    const { nlink, size } = lstatSync(link);
    if (nlink === 1) unlinkSync(link);
    else saved += (nlink - 2) * size;
  }
  return saved - statSync(fsPath(dir)).blocks * 512;
}
