// `mkdir -p`. Node's own goes round for ever where a directory that exists refuses new ones as if it did not (/proc).
import { mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { fsPath } from './bytes.ts';

/**
 * Makes a directory and those above it, as far as they are missing.
 * @param path absolute byte string
 * @throws NodeJS.ErrnoException
 */
export function makeDirs(path: string, mode = 0o777): void {
  try {
    mkdirSync(fsPath(path), { mode });
    return;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ENOENT') {
      if (statSync(fsPath(path), { throwIfNoEntry: false })?.isDirectory() === true) return;
      throw error;
    }
    const parent = dirname(path);
    if (parent === path) throw error;
    makeDirs(parent, mode);
  }
  try {
    mkdirSync(fsPath(path), { mode });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error; // another process was faster
  }
}
