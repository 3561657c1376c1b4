// Profiles: a link `NAME` to `NAME-N-link`, its current generation, beside older ones.
import { lstatSync, readdirSync, readlinkSync, unlinkSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { StoreError } from '../util/errors.ts';
import { fsPath } from '../util/bytes.ts';
import { PathLocks } from './locks.ts';
import { ioError } from './nar-dump.ts';

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

/** All generations, oldest number first, and the number of the current one. */
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
    const current = numberOf(profile, basename(readlinkSync(fsPath(profile), { encoding: 'latin1' })));
    return { generations: generations.sort((a, b) => a.number - b.number), current };
  } catch (error) {
    throw ioError('reading profile', profile, error);
  }
}

export interface DeleteGenerationsOptions {
  /** Unix seconds: what was current then, and later, stays. Without it all but the current one go. */
  readonly olderThan?: number;
  readonly dryRun: boolean;
  readonly log: (line: string) => void;
}

/** @throws StoreError */
export function deleteOldGenerations(profile: string, options: DeleteGenerationsOptions): void {
  const { olderThan, dryRun, log } = options;
  const locks = PathLocks.acquireSync([profile], {
    onWait: () => {
      log(`waiting for lock on profile '${profile}'`);
    },
  });
  try {
    const { generations, current } = findGenerations(profile);
    let candidates = generations;
    if (olderThan !== undefined) {
      const newestOlder = generations.findLastIndex((generation) => generation.creationTime < olderThan);
      // That one was current at the time.
      candidates = generations.slice(0, Math.max(0, newestOlder));
    }
    for (const { number, path } of candidates) {
      if (number === current) continue;
      log(`${dryRun ? 'would remove' : 'removing'} profile version ${String(number)}`);
      if (!dryRun) unlinkSync(fsPath(path));
    }
  } catch (error) {
    throw error instanceof StoreError ? error : ioError('deleting generations of', profile, error);
  } finally {
    locks.release(true);
  }
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
