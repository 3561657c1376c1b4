// A lock that is only tried for: who does not get it does without. Left behind by a killed process it is taken over;
// what that may break in the worst case (two writers after all) is found by checksums.
import { closeSync, openSync, readFileSync, unlinkSync, writeSync } from 'node:fs';

/** Runs `work` under the lock `file`. @returns whether it ran */
export function withLockFile(file: string, work: () => void): boolean {
  if (!take(file)) {
    if (!isLeftBehind(file)) return false;
    unlinkQuietly(file);
    if (!take(file)) return false;
  }
  try {
    work();
  } finally {
    unlinkQuietly(file);
  }
  return true;
}

function take(file: string): boolean {
  try {
    const fd = openSync(file, 'wx', 0o600);
    writeSync(fd, String(process.pid));
    closeSync(fd);
    return true;
  } catch {
    return false; // somebody has it, or nothing can be written here
  }
}

function isLeftBehind(file: string): boolean {
  try {
    const pid = Number(readFileSync(file, 'latin1'));
    if (!(pid > 0)) return false; // just being written
    process.kill(pid, 0);
    return pid === process.pid;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
}

function unlinkQuietly(file: string): void {
  try {
    unlinkSync(file);
  } catch {
    // gone already
  }
}
