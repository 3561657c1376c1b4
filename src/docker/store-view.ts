// What a builder may see of the file system: the store objects of its input closure, under their logical paths,
// wherever they really lie. A symlink that leads elsewhere leads nowhere, so results never depend on the machine.
import { lstatSync, readdirSync, readlinkSync } from 'node:fs';
import type { Stats } from 'node:fs';
import { fsPath } from '../util/bytes.ts';
import { StoreError } from '../util/errors.ts';
import { resolveInStore } from '../store/resolve-in-store.ts';
import type { StorePath, SyncStore } from '../store/store.ts';

export interface ViewedFile {
  /** Logical path. */
  readonly path: string;
  /** Where it lies on this machine. */
  readonly realPath: string;
  readonly stats: Stats;
}

export class StoreView {
  readonly #store: SyncStore;
  readonly #visible: ReadonlySet<string>;
  readonly storeDir: string;

  /** @param visible store paths, closed under references */
  constructor(store: SyncStore, visible: Iterable<StorePath>) {
    this.#store = store;
    this.#visible = new Set(visible);
    this.storeDir = store.storeDir;
  }

  /** The store path that a logical path is in, if it is one that may be seen. */
  storePathOf(path: string): StorePath | undefined {
    if (!path.startsWith(`${this.storeDir}/`)) return undefined;
    const slash = path.indexOf('/', this.storeDir.length + 1);
    const top = slash < 0 ? path : path.slice(0, slash);
    return this.#visible.has(top) ? (top as StorePath) : undefined;
  }

  /** Like lstat(2) on a path whose parents are no symlinks. */
  lstat(path: string): ViewedFile | undefined {
    if (this.storePathOf(path) === undefined) return undefined;
    const realPath = this.#store.realPath(path);
    const stats = lstatSync(fsPath(realPath), { throwIfNoEntry: false });
    return stats === undefined ? undefined : { path, realPath, stats };
  }

  /** Names in a directory, as byte strings, unsorted. */
  readDirectory(file: ViewedFile): string[] {
    return readdirSync(fsPath(file.realPath), { encoding: 'latin1' });
  }

  readLink(file: ViewedFile): string {
    return readlinkSync(fsPath(file.realPath), { encoding: 'latin1' });
  }

  /** Like stat(2): follows symlinks on the way and at the end. Undefined where that leads nowhere (or round). */
  stat(path: string): ViewedFile | undefined {
    const resolved = resolveInStore(this.#store, path, (at) => this.storePathOf(at) !== undefined);
    return resolved === undefined ? undefined : this.lstat(resolved);
  }

  /** @throws StoreError where there is nothing */
  require(path: string): ViewedFile {
    const file = this.stat(path);
    if (file === undefined) throw new StoreError(`path '${path}' does not exist in the closure of the inputs`);
    return file;
  }
}

/** Mode of a store object as every store has it, whatever the disk says: 0444, 0555 or 0777. */
export function canonicalMode(stats: Stats): number {
  if (stats.isSymbolicLink()) return 0o777;
  return stats.isDirectory() || (stats.mode & 0o100) !== 0 ? 0o555 : 0o444;
}
