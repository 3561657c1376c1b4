// Moving a finished object into its place: one rename, so that it is there whole or not at all.
import { chmodSync, lstatSync, renameSync, utimesSync } from 'node:fs';
import type { Stats } from 'node:fs';
import { fsPath } from '../util/bytes.ts';
import { storeTime } from './canonicalise.ts';
import { deletePath } from './delete-path.ts';
import { dumpNar, ioError } from './nar-dump.ts';
import { NarParser } from './nar-parse.ts';
import { NarRestorer } from './nar-restore.ts';

/**
 * Renames `from` to `to`, where nothing is. From another file system it is copied beside `to` first.
 * @param makeTempDir makes an empty directory on the file system of `to`
 */
export function moveObject(from: string, to: string, makeTempDir: () => string): void {
  try {
    const stat = lstatSync(fsPath(from));
    // A directory that moves changes its `..`: that wants permission to write it.
    if (stat.isDirectory() && (stat.mode & 0o200) === 0) chmodSync(fsPath(from), 0o755);
    try {
      renameSync(fsPath(from), fsPath(to));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EXDEV') throw error;
      copyAcross(from, to, makeTempDir());
    }
    if (stat.isDirectory()) sealDirectory(to, stat);
  } catch (error) {
    throw ioError(`renaming '${from}' to`, to, error);
  }
}

function sealDirectory(path: string, before: Stats): void {
  chmodSync(fsPath(path), before.mode & 0o7777);
  if (before.mtimeMs === storeTime * 1000) utimesSync(fsPath(path), storeTime, storeTime);
}

function copyAcross(from: string, to: string, dir: string): void {
  try {
    const restorer = new NarRestorer(`${dir}/x`, { canonical: true });
    try {
      const parser = new NarParser(restorer);
      dumpNar(from, (chunk) => {
        parser.writeAll(chunk);
      });
      parser.end();
    } finally {
      restorer.close();
    }
    if (lstatSync(fsPath(`${dir}/x`)).isDirectory()) chmodSync(fsPath(`${dir}/x`), 0o755);
    renameSync(fsPath(`${dir}/x`), fsPath(to));
    deletePath(from);
  } finally {
    deletePath(dir);
  }
}
