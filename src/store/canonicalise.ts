// Store objects have no owner, time or permission of their own: files are 0444 or 0555, directories 0555, everything
// dates from one second after the epoch, and only regular files, directories and symlinks exist.
import { chmodSync, lchownSync, lstatSync, lutimesSync, readdirSync } from 'node:fs';
import type { Stats } from 'node:fs';
import { BuildError, StoreError } from '../util/errors.ts';
import { fsPath } from '../util/bytes.ts';
import { ioError } from './nar-dump.ts';

/** Seconds since the epoch of everything in a store. */
export const storeTime = 1;

export interface CanonicaliseOptions {
  /**
   * Ids that may own files here. Anything else is an error: a builder that hard-links a foreign file into its output
   * must not make us change that file.
   */
  readonly owners?: (uid: number) => boolean;
  /** Inodes met already (`dev:ino`), shared by the outputs of one build: hard links between them are fine. */
  readonly seen?: Set<string>;
}

/**
 * Gives `path` and all below it the permissions, times and owner of store objects.
 * @throws BuildError for wrong owners, StoreError for sockets, devices and the like
 */
export function canonicalise(path: string, options: CanonicaliseOptions = {}): void {
  const uid = process.geteuid?.();
  const gid = process.getegid?.();
  const seen = options.seen ?? new Set<string>();
  const { owners } = options;

  const one = (file: string): Stats | undefined => {
    const target = fsPath(file);
    const stat = lstatSync(target);
    const directory = stat.isDirectory();
    const link = stat.isSymbolicLink();
    if (!stat.isFile() && !directory && !link) throw new StoreError(`file '${file}' has an unsupported type`);
    const hardLinked = stat.nlink > 1 && !directory;
    const inode = hardLinked || owners !== undefined ? `${String(stat.dev)}:${String(stat.ino)}` : '';
    if (owners !== undefined && !owners(stat.uid)) {
      if (directory || !seen.has(inode)) throw new BuildError(`invalid ownership on file '${file}'`);
      return undefined; // a hard link to a file that this very run has done
    }
    if (inode !== '') seen.add(inode);
    if (!link) {
      const mode = stat.mode & 0o7777;
      const wanted = directory || (mode & 0o100) !== 0 ? 0o555 : 0o444;
      if (mode !== wanted && (directory || mode !== 0o555)) chmodSync(target, wanted);
    }
    if (stat.mtimeMs !== storeTime * 1000) lutimesSync(target, stat.atimeMs / 1000, storeTime);
    if (uid !== undefined && gid !== undefined && stat.uid !== uid) lchownSync(target, uid, gid);
    return directory ? stat : undefined;
  };

  const walk = (file: string): void => {
    if (one(file) === undefined) return;
    for (const name of readdirSync(fsPath(file), { encoding: 'latin1' })) walk(`${file}/${name}`);
  };

  try {
    walk(path);
  } catch (error) {
    throw ioError('canonicalising', path, error);
  }
}
