// A folder's names and their types as one hash.
import { lstatSync, readdirSync, type Dirent, type Stats } from 'node:fs';
import type { FileType } from '../../eval/io.ts';
import { hashHex } from '../../store/hash.ts';
import { fsPath } from '../../util/bytes.ts';

/** @throws where it can't be listed */
export function listingHash(path: string): string {
  return hashOfListing(listFolder(path));
}

export function hashOfListing(entries: readonly (readonly [name: string, type: FileType])[]): string {
  const lines = entries.map(([name, type]) => `${name}/${type}`);
  return hashHex('sha256', lines.sort().join('\0'));
}

export function listFolder(path: string): [string, FileType][] {
  try {
    return readdirSync(fsPath(path), { encoding: 'latin1', withFileTypes: true }).map((e) => [e.name, fileTypeOf(e)]);
  } catch (error) {
    // A file system that tells no types (see eval/node-io.ts).
    if (!(error instanceof TypeError)) throw error;
    return readdirSync(fsPath(path), 'latin1').map((name) => [name, fileTypeOf(lstatSync(fsPath(`${path}/${name}`)))]);
  }
}

export function fileTypeOf(stat: Stats | Dirent): FileType {
  if (stat.isFile()) return 'regular';
  if (stat.isDirectory()) return 'directory';
  return stat.isSymbolicLink() ? 'symlink' : 'unknown';
}
