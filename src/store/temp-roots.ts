// What keeps fresh paths from a garbage collector: temproots/PID lists the paths that this process uses, and is locked
// for as long as it lives. A path may be written there only while the collector is not running, that is while we hold
// gc.lock in shared mode. Taking that costs a helper process, so it is kept while synchronous work goes on and given
// back once the event loop turns.
import { closeSync, constants, fstatSync, mkdirSync, openSync, unlinkSync, writeSync } from 'node:fs';
import workerThreads from 'node:worker_threads';
import { StoreError } from '../util/errors.ts';
import { fsPath } from '../util/bytes.ts';
import { lockFds, openLockFile, PathLocks } from './locks.ts';
import { ioError } from './nar-dump.ts';
import type { StorePath } from './store.ts';

/** How long gc.lock is kept after the last use, once the event loop turns. */
const keepMs = 100;

class TempRoots {
  private readonly stateDir: string;
  private readonly file: string;
  private readonly roots = new Set<StorePath>();
  private fd = -1;
  private bigLockFd = -1;
  private gcLockFd = -1;
  private timer: NodeJS.Timeout | undefined;
  private holders = 0;
  users = 0;

  constructor(stateDir: string) {
    this.stateDir = stateDir;
    // Nix reads the digits before the dot as the process id.
    const { isMainThread, threadId } = workerThreads;
    const name = isMainThread ? String(process.pid) : `${String(process.pid)}.${String(threadId)}`;
    this.file = `${stateDir}/temproots/${name}`;
  }

  /**
   * Makes sure that no collector runs, and that paths can be recorded.
   * @param onWait told when a collector runs and we wait for its end
   * @param paths to be locked by the same helper process
   * @returns their locks, undefined where these could not be had at once
   */
  private open(onWait: () => void, paths: readonly string[] = []): PathLocks | undefined {
    const fds: { fd: number; shared: boolean }[] = [];
    let bigLock = this.bigLockFd;
    let tempRoots = this.fd;
    let locks: PathLocks | undefined;
    try {
      if (bigLock < 0) {
        bigLock = openLockFile(`${this.stateDir}/db/big-lock`);
        fds.push({ fd: bigLock, shared: true });
      }
      const gcLock = openLockFile(`${this.stateDir}/gc.lock`);
      fds.push({ fd: gcLock, shared: true });
      if (tempRoots < 0) {
        tempRoots = this.makeFile();
        fds.push({ fd: tempRoots, shared: false });
      }
      if (paths.length > 0) locks = PathLocks.tryAcquireWith(fds, paths);
      if (locks === undefined && !lockFds(fds, false)) {
        onWait();
        lockFds(fds, true);
      }
      // A collector may have deleted the file (and marked it) between its making and its locking.
      while (this.fd < 0 && fstatSync(tempRoots).size !== 0) {
        closeSync(tempRoots);
        tempRoots = this.makeFile();
        lockFds([{ fd: tempRoots }], true);
      }
      this.gcLockFd = gcLock;
      this.bigLockFd = bigLock;
      this.fd = tempRoots;
      return locks;
    } catch (error) {
      locks?.release(false);
      for (const { fd } of fds) closeSync(fd);
      throw error;
    }
  }

  private makeFile(): number {
    try {
      mkdirSync(fsPath(`${this.stateDir}/temproots`), { recursive: true });
      try {
        // A leftover of a dead process that had our number.
        unlinkSync(fsPath(this.file));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      }
      return openSync(fsPath(this.file), constants.O_RDWR | constants.O_CREAT, 0o600);
    } catch (error) {
      throw ioError('creating temporary roots file', this.file, error);
    }
  }

  /** @returns locks of `paths` where the helper process that this took could get them, too */
  hold(onWait: () => void, paths?: readonly string[]): PathLocks | undefined {
    const locks = this.gcLockFd < 0 ? this.open(onWait, paths) : undefined;
    this.timer?.refresh();
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      this.letGo();
    }, keepMs).unref();
    return locks;
  }

  /** Whether a path can be recorded without a helper process. */
  get isHeld(): boolean {
    return this.gcLockFd >= 0;
  }

  private letGo(): void {
    if (this.holders > 0 || this.timer !== undefined || this.gcLockFd < 0) return;
    closeSync(this.gcLockFd);
    this.gcLockFd = -1;
  }

  /** Gives gc.lock back at once: this process is to collect itself. */
  release(): void {
    if (this.holders > 0) throw new StoreError('cannot collect garbage while paths are being added');
    clearTimeout(this.timer);
    this.timer = undefined;
    this.letGo();
  }

  retain(onWait: () => void): () => void {
    this.hold(onWait);
    this.holders++;
    let released = false;
    return () => {
      if (released) return;
      released = true;
      this.holders--;
      this.letGo();
    };
  }

  add(paths: readonly StorePath[], onWait: () => void): void {
    this.hold(onWait);
    const fresh = paths.filter((path) => !this.roots.has(path));
    if (fresh.length === 0) return;
    try {
      // In one write, which a collector sees as a whole.
      writeSync(this.fd, fresh.map((path) => `${path}\0`).join(''), null, 'latin1');
    } catch (error) {
      throw ioError('writing to file', this.file, error);
    }
    for (const path of fresh) this.roots.add(path);
  }

  close(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    if (this.fd >= 0) {
      try {
        unlinkSync(fsPath(this.file));
      } catch {
        // gone already: nothing to tidy
      }
      closeSync(this.fd);
    }
    if (this.gcLockFd >= 0) closeSync(this.gcLockFd);
    if (this.bigLockFd >= 0) closeSync(this.bigLockFd);
    this.fd = this.gcLockFd = this.bigLockFd = -1;
    this.roots.clear();
  }
}

/** One per state directory in a process: the file is named by process, not by store object. */
const opened = new Map<string, TempRoots>();

/** A store object's share of its process's temporary roots. */
export class TempRootsHandle {
  private readonly roots: TempRoots;
  private readonly stateDir: string;
  private readonly onWait: () => void;
  private closed = false;

  constructor(stateDir: string, onWait: () => void) {
    this.stateDir = stateDir;
    this.onWait = onWait;
    let roots = opened.get(stateDir);
    if (roots === undefined) {
      roots = new TempRoots(stateDir);
      opened.set(stateDir, roots);
    }
    roots.users++;
    this.roots = roots;
  }

  private check(): void {
    if (this.closed) throw new StoreError(`the store with state in '${this.stateDir}' is closed`);
  }

  /** Keeps collectors away until the event loop turns. */
  hold(): void {
    this.check();
    this.roots.hold(this.onWait);
  }

  /** Keeps collectors away until the function returned is called. */
  retain(): () => void {
    this.check();
    return this.roots.retain(this.onWait);
  }

  /** Lets a collector of this very process begin. @throws StoreError while someone retains */
  release(): void {
    this.check();
    this.roots.release();
  }

  /** Protects `path` until this process ends. */
  add(path: StorePath): void {
    this.check();
    this.roots.add([path], this.onWait);
  }

  addAll(paths: readonly StorePath[]): void {
    this.check();
    this.roots.add(paths, this.onWait);
  }

  /** As add(), where that costs nothing. @returns whether the path is protected */
  tryAdd(path: StorePath): boolean {
    this.check();
    if (!this.roots.isHeld) return false;
    this.roots.add([path], this.onWait);
    return true;
  }

  /**
   * hold(), and locks on real paths by the same helper process.
   * @returns undefined where that could not be: collectors are kept away all the same
   */
  holdAndLock(paths: readonly string[]): PathLocks | undefined {
    this.check();
    return this.roots.hold(this.onWait, paths);
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    if (--this.roots.users > 0) return;
    this.roots.close();
    opened.delete(this.stateDir);
  }
}
