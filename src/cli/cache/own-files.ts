// Files that only this user can have written: what is read back from caches becomes code and answers, so nobody else
// may have had a hand in it. Neither a file nor the folder it lies in may belong to, or be writable for, anybody else.
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  renameSync,
  unlinkSync,
  writeSync,
  type Stats,
} from 'node:fs';
import { dirname } from 'node:path';
import { utf8 } from '../../util/bytes.ts';
import { makeDirs } from '../../util/make-dirs.ts';

function isOwn(stat: Stats): boolean {
  return stat.uid === (process.geteuid?.() ?? stat.uid) && (stat.mode & 0o022) === 0;
}

/** Whether `dir` is this user's alone; made if it is not there and `make` is given. Never throws. */
export function isOwnFolder(dir: string, make: boolean): boolean {
  try {
    const stat = lstatSync(dir, { throwIfNoEntry: false });
    if (stat !== undefined) return stat.isDirectory() && isOwn(stat);
    if (!make || !mayMakeIn(dirname(dir))) return false;
    makeDirs(utf8(dir), 0o700);
    const made = lstatSync(dir);
    return made.isDirectory() && isOwn(made);
  } catch {
    return false; // no cache, then
  }
}

/** Root leaves nothing in the home of somebody else. */
function mayMakeIn(dir: string): boolean {
  for (let at = dir; ; at = dirname(at)) {
    const stat = lstatSync(at, { throwIfNoEntry: false });
    if (stat !== undefined) return stat.uid === (process.geteuid?.() ?? stat.uid);
    if (at === dirname(at)) return false;
  }
}

/** A descriptor for a file of this user's alone, symlinks not followed; undefined where there is none. */
export function openOwnFile(file: string, writable: boolean): number | undefined {
  let fd: number;
  try {
    fd = openSync(
      file,
      (writable ? constants.O_RDWR : constants.O_RDONLY) | constants.O_NOFOLLOW | constants.O_NONBLOCK,
    );
  } catch {
    return undefined; // not there, or not to be opened: the same to a cache
  }
  const stat = fstatSync(fd);
  if (stat.isFile() && isOwn(stat)) return fd;
  closeSync(fd);
  return undefined;
}

/**
 * Puts a file in the place of what is there, as a whole.
 * @param temporary in the same folder
 * @throws where it can't be written; what was there is then still there
 */
export function writeOwnFile(file: string, temporary: string, bytes: Uint8Array): void {
  const fd = openSync(temporary, 'w', 0o600);
  try {
    try {
      for (let at = 0; at < bytes.length;) at += writeSync(fd, bytes, at);
    } finally {
      closeSync(fd);
    }
    renameSync(temporary, file);
  } catch (error) {
    unlinkSync(temporary);
    throw error;
  }
}
