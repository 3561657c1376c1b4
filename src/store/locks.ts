// flock(2) locks, Nix's kind, so that tsnix and Nix exclude each other. Where this Node can't call flock() (flock.ts), and to
// wait: the lock belongs to the open file, not to a process, so we open the file, a child that inherits the descriptor locks
// it and exits, and the lock stays with us until we close the descriptor or die, however we die. See
// docs/decisions/0005-store-locks.md.
import { spawn, spawnSync } from 'node:child_process';
import { closeSync, constants, fstatSync, ftruncateSync, openSync, unlinkSync } from 'node:fs';
import { StoreError } from '../util/errors.ts';
import { fsPath } from '../util/bytes.ts';
import { canFlockHere, flockHere } from './flock.ts';
import { ioError } from './nar-dump.ts';

export interface LockRequest {
  readonly fd: number;
  readonly shared?: boolean;
}

/* flock()'s numbers, the same everywhere. */
const lockShared = 1;
const lockExclusive = 2;
const lockNonBlocking = 4;

// Errors by number (EINTR 4, EWOULDBLOCK 11): the names would load modules, half of the time to start.
/** Arguments are the operations, for descriptors 3, 4, …; exit 1 where a lock is held by another, 2 on other errors. */
const perlProgram =
  'my $n=3;for my $op(@ARGV){open(my $h,"+<&=",$n++)or exit 2;until(flock($h,$op)){next if $!==4;exit($!==11?1:2)}}exit 0';
const pythonProgram = `import sys,fcntl
for n,op in enumerate(sys.argv[1:]):
    try: fcntl.flock(3+n,int(op))
    except BlockingIOError: sys.exit(1)
    except OSError: sys.exit(2)`;

interface Helper {
  readonly program: string;
  readonly args: (operations: readonly number[]) => string[];
  /** How many descriptors one call can lock. */
  readonly max: number;
}

const helpers: readonly Helper[] = [
  { program: 'perl', args: (ops) => ['-e', perlProgram, '--', ...ops.map(String)], max: 1000 },
  {
    // util-linux or busybox; exit 1 where the lock is held
    program: 'flock',
    args: ([op = lockExclusive]) => [
      (op & lockShared) !== 0 ? '-s' : '-x',
      ...((op & lockNonBlocking) !== 0 ? ['-n'] : []),
      '3',
    ],
    max: 1,
  },
  { program: 'python3', args: (ops) => ['-c', pythonProgram, ...ops.map(String)], max: 1000 },
];

let chosen: Helper | undefined;

function noHelper(): StoreError {
  return new StoreError("cannot lock files: none of 'perl', 'flock' (util-linux) and 'python3' can be run");
}

function outcome(helper: Helper, status: number | null, signal: string | null): boolean {
  if (status === 0) return true;
  if (status === 1) return false;
  throw new StoreError(
    `acquiring/releasing lock: '${helper.program}' ${signal === null ? `failed with exit code ${String(status)}` : `was killed by ${signal}`}`,
  );
}

function operation(request: LockRequest, wait: boolean): number {
  return (request.shared === true ? lockShared : lockExclusive) | (wait ? 0 : lockNonBlocking);
}

function runHelper(helper: Helper, requests: readonly LockRequest[], wait: boolean): boolean | undefined {
  for (let i = 0; i < requests.length; i += helper.max) {
    const part = requests.slice(i, i + helper.max);
    const child = spawnSync(helper.program, helper.args(part.map((request) => operation(request, wait))), {
      stdio: ['ignore', 'ignore', 'ignore', ...part.map((request) => request.fd)],
    });
    if (child.error !== undefined) {
      if ((child.error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw new StoreError(`acquiring/releasing lock: ${child.error.message}`, { cause: child.error });
    }
    if (!outcome(helper, child.status, child.signal)) return false;
  }
  return true;
}

/** Locks, in order, what it can without a child and without waiting. @returns the first that it could not, and all after it */
function lockHere(requests: readonly LockRequest[]): readonly LockRequest[] {
  const failed = requests.findIndex((request) => !flockHere(request.fd, operation(request, false)));
  return failed < 0 ? [] : requests.slice(failed);
}

/** How long, in all, others are waited for without a child: writing a batch of objects takes them less. */
const patienceMs = 100;

/** As lockHere(), with patience for those who are writing the same. */
function lockSoon(requests: readonly LockRequest[]): readonly LockRequest[] {
  let rest = lockHere(requests);
  if (rest.length === 0 || !canFlockHere()) return rest;
  const end = performance.now() + patienceMs;
  while (rest.length > 0 && performance.now() < end) {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
    rest = lockHere(rest);
  }
  return rest;
}

/**
 * Locks open files, in order. Without `wait` false says that another process holds one of them (the ones before it are
 * locked then: close them).
 */
export function lockFds(requests: readonly LockRequest[], wait: boolean): boolean {
  const rest = lockHere(requests);
  if (rest.length === 0) return true;
  for (const helper of chosen === undefined ? helpers : [chosen]) {
    const done = runHelper(helper, rest, wait);
    if (done === undefined) continue;
    chosen = helper;
    return done;
  }
  throw noHelper();
}

/** As runHelper(), without blocking this process. */
async function runHelperAsync(
  helper: Helper,
  requests: readonly LockRequest[],
  wait: boolean,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  for (let i = 0; i < requests.length; i += helper.max) {
    const part = requests.slice(i, i + helper.max);
    const taken = await new Promise<boolean>((resolve, reject) => {
      const child = spawn(helper.program, helper.args(part.map((request) => operation(request, wait))), {
        stdio: ['ignore', 'ignore', 'ignore', ...part.map((request) => request.fd)],
        ...(signal === undefined ? {} : { signal }),
      });
      child.once('error', reject);
      child.once('exit', (status, killedBy) => {
        try {
          resolve(outcome(helper, status, killedBy));
        } catch (error) {
          reject(error instanceof Error ? error : new StoreError(String(error)));
        }
      });
    });
    if (!taken) return false;
  }
  return true;
}

/** Locks open files, in order, and waits for them without blocking this process. @param onWait told before it waits */
async function lockFdsAsync(
  requests: readonly LockRequest[],
  onWait: () => void,
  signal: AbortSignal | undefined,
): Promise<void> {
  const rest = lockHere(requests);
  if (rest.length === 0) return;
  // The first time this finds out which helper there is.
  const taken = chosen === undefined ? lockFds(rest, false) : await runHelperAsync(chosen, rest, false, signal);
  if (taken) return;
  onWait();
  await runHelperAsync(chosen!, rest, true, signal);
}

/** Opens (makes) a lock file. */
export function openLockFile(path: string): number {
  try {
    return openSync(fsPath(path), constants.O_RDWR | constants.O_CREAT, 0o600);
  } catch (error) {
    throw ioError('opening lock file', path, error);
  }
}

/** Removes a lock file that we hold; the mark tells those who wait for it that what they will get is stale. */
export function deleteLockFile(path: string, fd: number): void {
  try {
    unlinkSync(fsPath(path));
  } catch {
    // removing lock files is tidiness, not need
  }
  // Any length is the mark; this way it wants no space on a full disk.
  ftruncateSync(fd, 1);
}

interface OpenLock {
  readonly path: string;
  readonly fd: number;
}

/** Paths that this process has locked: flock() would let it wait for itself forever. */
const heldHere = new Map<string, Promise<void>>();

/** Is `path` locked by this very process? */
export function holdsPathLock(path: string): boolean {
  return heldHere.has(path);
}

export interface PathLockOptions {
  /** Told once when another process holds a lock and we wait. */
  readonly onWait?: () => void;
  readonly signal?: AbortSignal;
}

function openLocks(paths: readonly string[]): OpenLock[] {
  const opened: OpenLock[] = [];
  try {
    for (const path of paths) opened.push({ path, fd: openLockFile(`${path}.lock`) });
  } catch (error) {
    for (const { fd } of opened) closeSync(fd);
    throw error;
  }
  return opened;
}

function closeLocks(locks: readonly OpenLock[]): void {
  for (const { fd } of locks) closeSync(fd);
}

/** A lock file that its last holder deleted has the mark in it. */
function anyStale(locks: readonly OpenLock[]): boolean {
  return locks.some(({ fd }) => fstatSync(fd).size !== 0);
}

function sortedUnique(paths: readonly string[]): string[] {
  return [...new Set(paths)].sort();
}

/**
 * Exclusive locks `PATH.lock` on real paths in the store: whoever holds them may write the paths. All processes take
 * them in the same (sorted) order.
 */
export class PathLocks {
  private readonly locks: readonly OpenLock[];
  private readonly released: () => void;
  private isReleased = false;

  private constructor(locks: readonly OpenLock[]) {
    this.locks = locks;
    const { promise, resolve } = Promise.withResolvers<undefined>();
    for (const { path } of locks) heldHere.set(path, promise);
    this.released = () => {
      resolve(undefined);
    };
  }

  /**
   * Locks `others` and, by the same helper process, the paths.
   * @returns undefined where not all could be had at once; some of `others` may be locked then
   * @throws StoreError where this very process holds one of the paths
   */
  static tryAcquireWith(others: readonly LockRequest[], paths: readonly string[]): PathLocks | undefined {
    const sorted = sortedUnique(paths);
    const own = sorted.find((path) => heldHere.has(path));
    if (own !== undefined) throw new StoreError(`'${own}' is already locked by this process`);
    const locks = openLocks(sorted);
    let taken = false;
    try {
      const rest = lockSoon([...others, ...locks]);
      taken = (rest.length === 0 || lockFds(rest, false)) && !anyStale(locks);
      return taken ? new PathLocks(locks) : undefined;
    } finally {
      if (!taken) closeLocks(locks);
    }
  }

  /** Undefined where another process, or another holder in this one, has one of the locks. */
  static tryAcquire(paths: readonly string[]): PathLocks | undefined {
    const sorted = sortedUnique(paths);
    if (sorted.some((path) => heldHere.has(path))) return undefined;
    for (;;) {
      const locks = openLocks(sorted);
      try {
        if (!lockFds(locks, false)) {
          closeLocks(locks);
          return undefined;
        }
        if (!anyStale(locks)) return new PathLocks(locks);
      } catch (error) {
        closeLocks(locks);
        throw error;
      }
      closeLocks(locks);
    }
  }

  /**
   * Blocks this process until it has the locks. For short work: locks of builds are waited for with acquire().
   * @throws StoreError where this very process holds one of them
   */
  static acquireSync(paths: readonly string[], options: PathLockOptions = {}): PathLocks {
    const sorted = sortedUnique(paths);
    const own = sorted.find((path) => heldHere.has(path));
    if (own !== undefined) throw new StoreError(`'${own}' is already locked by this process`);
    let waiting = false;
    for (;;) {
      const locks = openLocks(sorted);
      try {
        const rest = lockSoon(locks);
        if (rest.length > 0 && !lockFds(rest, false)) {
          if (!waiting) options.onWait?.();
          waiting = true;
          lockFds(rest, true);
        }
        if (!anyStale(locks)) return new PathLocks(locks);
      } catch (error) {
        closeLocks(locks);
        throw error;
      }
      closeLocks(locks);
    }
  }

  /** Waits for the locks while other work goes on. Holders in this process are waited for too. */
  static async acquire(paths: readonly string[], options: PathLockOptions = {}): Promise<PathLocks> {
    const sorted = sortedUnique(paths);
    let waiting = false;
    const tell = (): void => {
      if (!waiting) options.onWait?.();
      waiting = true;
    };
    for (;;) {
      options.signal?.throwIfAborted();
      const holder = sorted.map((path) => heldHere.get(path)).find((promise) => promise !== undefined);
      if (holder !== undefined) {
        tell();
        await holder;
        continue;
      }
      // Claim the paths in this process while a helper locks them or waits for other processes.
      const { promise, resolve } = Promise.withResolvers<undefined>();
      for (const path of sorted) heldHere.set(path, promise);
      const locks = openLocks(sorted);
      let kept = false;
      try {
        await lockFdsAsync(locks, tell, options.signal);
        kept = !anyStale(locks);
      } finally {
        for (const path of sorted) heldHere.delete(path);
        resolve(undefined);
        if (!kept) closeLocks(locks);
      }
      if (kept) return new PathLocks(locks);
    }
  }

  /** `deleteFiles`: the paths are done (valid), no one needs the lock files any more. */
  release(deleteFiles: boolean): void {
    if (this.isReleased) return;
    this.isReleased = true;
    for (const { path, fd } of this.locks) {
      try {
        if (deleteFiles) deleteLockFile(`${path}.lock`, fd);
      } finally {
        closeSync(fd);
        heldHere.delete(path);
      }
    }
    this.released();
  }
}
