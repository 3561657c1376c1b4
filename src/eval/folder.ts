// Folders as node:fs lists them.
import { lstatSync, readdirSync, type Dirent, type Stats } from 'node:fs';
import { fsPath } from '../util/bytes.ts';
import type { FileType } from './io.ts';

/** Names and types of what a folder has, in no particular order. */
export type Listing = readonly (readonly [name: string, type: FileType])[];

/** @throws node:fs's errors */
export function listFolder(path: string): Listing {
  try {
    return readdirSync(fsPath(path), { encoding: 'latin1', withFileTypes: true }).map((e) => [e.name, fileTypeOf(e)]);
  } catch (error) {
    // A file system that tells no types makes Node mix byte strings and Buffers, a TypeError.
    if (!(error instanceof TypeError)) throw error;
    return readdirSync(fsPath(path), 'latin1').map((name) => [name, fileTypeOf(lstatSync(fsPath(`${path}/${name}`)))]);
  }
}

export function fileTypeOf(stat: Stats | Dirent): FileType {
  if (stat.isFile()) return 'regular';
  if (stat.isDirectory()) return 'directory';
  return stat.isSymbolicLink() ? 'symlink' : 'unknown';
}
