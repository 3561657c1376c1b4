// Removing trees whose directories may be read-only, and deeper than a path may be long.
import { chmodSync, closeSync, constants, lstatSync, openSync, readdirSync, rmdirSync, unlinkSync } from 'node:fs';
import { fsPath } from '../util/bytes.ts';
import { ioError } from './nar-dump.ts';

/** From here on directories are entered through /proc/self/fd, which starts a new path. */
const longPath = 2000;

/** Somebody else (a collector, a build that cleans up) may be at it, too: what has gone is removed. */
function removeEntry(path: string): number {
  try {
    return removePresent(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 0;
    throw error;
  }
}

function removePresent(path: string): number {
  const target = fsPath(path);
  const stat = lstatSync(target);
  if (!stat.isDirectory()) {
    unlinkSync(target);
    return stat.nlink > 2 ? 0 : stat.size;
  }
  let freed = 0;
  if ((stat.mode & 0o700) !== 0o700) chmodSync(target, (stat.mode | 0o700) & 0o7777);
  let base = path;
  let fd = -1;
  if (path.length > longPath) {
    fd = openSync(target, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
    base = `/proc/self/fd/${String(fd)}`;
  }
  try {
    for (const name of readdirSync(fsPath(base), { encoding: 'latin1' })) freed += removeEntry(`${base}/${name}`);
  } finally {
    if (fd >= 0) closeSync(fd);
  }
  rmdirSync(target);
  return freed;
}

/**
 * Removes `path` and all below it, if it exists. Symlinks are not followed.
 * @returns bytes of files, without those that other objects hold too. As Nix, a second link is taken for the one in
 * `.links`, which goes as well.
 * @throws StoreError
 */
export function deletePath(path: string): number {
  try {
    return removeEntry(path);
  } catch (error) {
    throw ioError('cannot delete', path, error);
  }
}

/** Removes what a failed write left. Best effort: it is not valid, and the error that is under way matters more. */
export function tryDeletePaths(paths: readonly string[]): void {
  for (const path of paths) {
    try {
      deletePath(path);
    } catch {
      // left to the next writer or collection
    }
  }
}
