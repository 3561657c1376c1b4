// Profiles: a link `NAME` to `NAME-N-link`, its current generation, beside older ones.
import { lstatSync, readdirSync, readlinkSync, unlinkSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { NixError, StoreError } from '../util/errors.ts';
import { fsPath } from '../util/bytes.ts';
import { replaceSymlink } from './gc-roots.ts';
import { PathLocks } from './locks.ts';
import { ioError } from './nar-dump.ts';
import type { StorePath, SyncStore } from './store.ts';

export interface Generation {
  readonly number: number;
  /** The link itself. */
  readonly path: string;
  /** Unix seconds. */
  readonly creationTime: number;
}

/** Number of the generation that `name` is of `profile`; undefined where it is none. */
function numberOf(profile: string, name: string): number | undefined {
  const prefix = `${basename(profile)}-`;
  const match = name.startsWith(prefix) ? /^(\d{1,15})-link$/.exec(name.slice(prefix.length)) : null;
  return match === null ? undefined : Number(match[1]);
}

/** All generations, oldest number first, and the number of the current one. @throws StoreError */
export function findGenerations(profile: string): { generations: Generation[]; current: number | undefined } {
  const dir = dirname(profile);
  try {
    const generations: Generation[] = [];
    for (const name of readdirSync(fsPath(dir), { encoding: 'latin1' })) {
      const number = numberOf(profile, name);
      if (number === undefined) continue;
      const path = `${dir}/${name}`;
      generations.push({ number, path, creationTime: Math.floor(lstatSync(fsPath(path)).mtimeMs / 1000) });
    }
    const link = profileToken(profile);
    const current = link === '' ? undefined : numberOf(profile, basename(link));
    return { generations: generations.sort((a, b) => a.number - b.number), current };
  } catch (error) {
    throw error instanceof StoreError ? error : ioError('reading profile', profile, error);
  }
}

/** Where a profile leads; '' where there is none. Another one tells that someone else has changed it. @throws StoreError */
export function profileToken(profile: string): string {
  try {
    if (lstatSync(fsPath(profile), { throwIfNoEntry: false }) === undefined) return '';
    return readlinkSync(fsPath(profile), { encoding: 'latin1' });
  } catch (error) {
    throw ioError('reading symbolic link', profile, error);
  }
}

/** Does something that nobody else is to do to a profile at the same time. @throws StoreError */
export function withProfileLock<T>(profile: string, log: (line: string) => void, work: () => T): T {
  const locks = PathLocks.acquireSync([profile], {
    onWait: () => {
      log(`waiting for lock on profile "${profile}"`);
    },
  });
  try {
    return work();
  } catch (error) {
    throw error instanceof NixError ? error : ioError('changing profile', profile, error);
  } finally {
    locks.release(true);
  }
}

/** What of a store is needed to root a profile. */
type RootingStore = Pick<SyncStore, 'storeDir' | 'realPath' | 'addIndirectRoot'>;

/**
 * The link to a new generation, which is not current yet; that of the newest one where it is the same. The collector
 * knows it.
 * @throws StoreError
 */
export function createGeneration(store: RootingStore, profile: string, target: StorePath): string {
  const last = findGenerations(profile).generations.at(-1);
  if (last !== undefined) {
    const link = profileToken(last.path);
    if (link === target || link === `${store.realPath(store.storeDir)}${target.slice(store.storeDir.length)}`) {
      return last.path;
    }
  }
  const path = `${profile}-${String((last?.number ?? 0) + 1)}-link`;
  store.addIndirectRoot(path, target);
  return path;
}

/** Lets a link lead elsewhere, at once; relative where both lie in one folder. @throws StoreError */
export function switchLink(link: string, target: string): void {
  replaceSymlink(link, dirname(target) === dirname(link) ? basename(target) : target);
}

export interface ChangeOptions {
  readonly dryRun: boolean;
  readonly log: (line: string) => void;
}

/** @param wanted default: the one before the current one. @throws StoreError */
export function switchGeneration(profile: string, wanted: number | undefined, { dryRun, log }: ChangeOptions): void {
  withProfileLock(profile, log, () => {
    const { generations, current } = findGenerations(profile);
    const found = generations.findLast(({ number }) =>
      wanted === undefined ? current !== undefined && number < current : number === wanted,
    );
    if (found === undefined) {
      throw new StoreError(
        wanted === undefined
          ? `no profile version older than the current (${String(current ?? 0)}) exists`
          : `profile version ${String(wanted)} does not exist`,
      );
    }
    log(`switching profile from version ${String(current ?? 0)} to ${String(found.number)}`);
    if (!dryRun) switchLink(profile, found.path);
  });
}

function deleteOne({ number, path }: Generation, { dryRun, log }: ChangeOptions): void {
  log(`${dryRun ? 'would remove' : 'removing'} profile version ${String(number)}`);
  if (!dryRun) unlinkSync(fsPath(path));
}

/** @throws StoreError where the current one is among them */
export function deleteGenerations(profile: string, numbers: ReadonlySet<number>, options: ChangeOptions): void {
  withProfileLock(profile, options.log, () => {
    const { generations, current } = findGenerations(profile);
    if (current !== undefined && numbers.has(current)) {
      throw new StoreError(`cannot delete current version of profile "${profile}"`);
    }
    for (const one of generations) if (numbers.has(one.number)) deleteOne(one, options);
  });
}

/** Keeps the current one, those after it, and `kept` of it and those before it. @throws StoreError */
export function deleteGenerationsBefore(profile: string, kept: number, options: ChangeOptions): void {
  if (kept === 0) {
    throw new StoreError('Must keep at least one generation, otherwise the current one would be deleted');
  }
  withProfileLock(profile, options.log, () => {
    const { generations, current } = findGenerations(profile);
    const at = generations.findIndex(({ number }) => number === current);
    for (const one of generations.slice(0, Math.max(0, at + 1 - kept)).reverse()) deleteOne(one, options);
  });
}

export interface DeleteGenerationsOptions extends ChangeOptions {
  /** Unix seconds: what was current then, and later, stays. Without it all but the current one go. */
  readonly olderThan?: number;
}

/** @throws StoreError */
export function deleteOldGenerations(profile: string, options: DeleteGenerationsOptions): void {
  const { olderThan } = options;
  withProfileLock(profile, options.log, () => {
    const { generations, current } = findGenerations(profile);
    let candidates = generations;
    if (olderThan !== undefined) {
      const newestOlder = generations.findLastIndex((generation) => generation.creationTime < olderThan);
      // That one was current at the time.
      candidates = generations.slice(0, Math.max(0, newestOlder)).reverse();
    }
    for (const one of candidates) if (one.number !== current) deleteOne(one, options);
  });
}

/** Links in `dir` and below that are profiles. */
export function findProfiles(dir: string): string[] {
  const found: string[] = [];
  let names: string[];
  try {
    names = readdirSync(fsPath(dir), { encoding: 'latin1' }).sort();
  } catch {
    return []; // not there, or not ours to read
  }
  for (const name of names) {
    const path = `${dir}/${name}`;
    const stat = lstatSync(fsPath(path), { throwIfNoEntry: false });
    if (stat?.isDirectory() === true) found.push(...findProfiles(path));
    else if (stat?.isSymbolicLink() === true && readlinkSync(fsPath(path), { encoding: 'latin1' }).includes('link'))
      found.push(path);
  }
  return found;
}
