// Objects that were added to a local store and still want something: to be written (pending), or only a temporary root
// (unrooted). Both wait, for locks and roots cost a helper process: written together they cost one, and an
// instantiation that adds nothing new costs none. See docs/decisions/0005-store-locks.md.
import type { StoreDatabase, Registration } from './database.ts';
import { tryDeletePaths } from './delete-path.ts';
import type { PathLocks } from './locks.ts';
import { maxPendingBytes, maxPendingObjects, pendingBytes, writePending } from './pending-objects.ts';
import type { PendingObject } from './pending-objects.ts';
import type { StorePath } from './store.ts';
import type { TempRootsHandle } from './temp-roots.ts';

/** What of a store is needed here. */
export interface ObjectsHost {
  /** @throws StoreError where the store cannot be written */
  readonly database: () => StoreDatabase;
  readonly roots: () => TempRootsHandle;
  /** The same, where they are in use already. */
  readonly openedRoots: () => TempRootsHandle | undefined;
  /** Where a path lies on this machine. */
  readonly real: (path: StorePath) => string;
  /** With `roots`, keeps collectors away first, by the same helper process where nobody is in the way. */
  readonly lock: (paths: readonly StorePath[], roots?: TempRootsHandle) => PathLocks;
  /** Told of an object that is in its place, and not registered yet. */
  readonly placed: (real: string) => void;
}

/** Stores with objects to write, for when the process ends without close(). */
const unwritten = new Set<AddedObjects>();

function flushAll(): void {
  for (const objects of unwritten) objects.flush();
}

export class AddedObjects {
  private readonly host: ObjectsHost;
  private readonly pending = new Map<StorePath, PendingObject>();
  private pendingSize = 0;
  /** How to make them once more: a collector may take them before their roots are recorded. */
  private readonly unrooted = new Map<StorePath, () => PendingObject>();
  private unrootedSize = 0;
  /** Rows of what was found or made valid under a root of this process: as long as that stands, it stays so. */
  private readonly registered = new Map<StorePath, number>();

  constructor(host: ObjectsHost) {
    this.host = host;
  }

  has(path: StorePath): boolean {
    return this.pending.has(path) || this.unrooted.has(path);
  }

  /** Whether a path is known to be valid, or is about to be. */
  isValid(path: StorePath): boolean {
    return this.has(path) || this.registered.has(path);
  }

  /** A collector may run in this process, which takes no notice of its own roots. */
  forgetRegistered(): void {
    this.registered.clear();
  }

  /** An object that is not written yet. */
  get(path: StorePath): PendingObject | undefined {
    return this.pending.get(path);
  }

  get isEmpty(): boolean {
    return this.pending.size === 0 && this.unrooted.size === 0;
  }

  /** Adds what is not there. `size` in bytes; `make` may throw. */
  add(path: StorePath, size: number, make: () => PendingObject): void {
    if (this.addPresent(path, size, make)) return;
    const object = make();
    this.pending.set(path, object);
    this.pendingSize += pendingBytes(object);
    if (unwritten.size === 0 && process.listenerCount('exit', flushAll) === 0) process.on('exit', flushAll);
    unwritten.add(this);
    if (this.pending.size >= maxPendingObjects || this.pendingSize >= maxPendingBytes) this.flush();
  }

  /** add() of what may be there. @returns whether it is */
  addPresent(path: StorePath, size: number, make: () => PendingObject): boolean {
    const database = this.host.database();
    if (this.isValid(path)) return true;
    const id = database.pathId(path);
    if (id === undefined) return false;
    // Where that can be done at once, no collector can have come in between.
    if (this.host.openedRoots()?.tryAdd(path) === true) {
      this.registered.set(path, id);
      return true;
    }
    this.unrooted.set(path, make);
    this.unrootedSize += size;
    if (this.unrootedSize >= maxPendingBytes) this.flush();
    return true;
  }

  /** Forgets everything. */
  private clear(): void {
    this.pending.clear();
    this.pendingSize = 0;
    this.unrooted.clear();
    this.unrootedSize = 0;
    unwritten.delete(this);
  }

  /** The process is done with the store: what was found valid needs no root any more, as a root ends with its process. */
  finish(): void {
    if (this.pending.size > 0) this.flush();
    else this.clear();
  }

  /** Protects and writes everything. @throws StoreError; what was to be written is then forgotten */
  flush(): void {
    if (this.isEmpty) return;
    const objects = [...this.pending.values()];
    const found = [...this.unrooted];
    this.clear();
    const { host } = this;
    const database = host.database();
    const roots = host.roots();
    const paths = (): StorePath[] => objects.map((object) => object.info.path);
    let locks = host.lock(paths(), roots);
    try {
      // Roots first, then a second look: what a collector has taken since the first one is added again.
      roots.addAll([...found.map(([path]) => path), ...paths()]);
      this.remember(database.pathIds(found.map(([path]) => path)));
      const lost = found.filter(([path]) => !this.registered.has(path));
      if (lost.length > 0) {
        locks.release(false); // all are locked in one order, or not at all
        objects.unshift(...this.remake(lost));
        locks = host.lock(paths());
      }
      this.write(database, objects);
    } finally {
      locks.release(true);
    }
  }

  private remember(ids: ReadonlyMap<StorePath, number>): void {
    for (const [path, id] of ids) this.registered.set(path, id);
  }

  /** Each may refer to those before it. */
  private remake(lost: readonly (readonly [StorePath, () => PendingObject])[]): PendingObject[] {
    try {
      for (const [path, make] of lost) this.pending.set(path, make());
      return [...this.pending.values()];
    } finally {
      this.pending.clear();
    }
  }

  private write(database: StoreDatabase, objects: readonly PendingObject[]): void {
    if (objects.length === 0) return;
    const written: string[] = [];
    this.remember(database.pathIds(objects.map((object) => object.info.path)));
    try {
      const registrations: Registration[] = [];
      for (const object of objects) {
        const { path } = object.info;
        if (this.registered.has(path)) continue; // another process was faster
        const real = this.host.real(path);
        written.push(real);
        writePending(real, object);
        this.host.placed(real);
        registrations.push(object);
      }
      this.remember(database.transaction(() => database.register(registrations, this.registered)));
    } catch (error) {
      tryDeletePaths(written);
      throw error;
    }
  }
}
