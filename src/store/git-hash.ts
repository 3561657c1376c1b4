// Hashes of file system objects as Git makes them (outputHashMode "git", feature git-hashing): a file is a blob, a
// folder a tree of its entries' hashes.
// See the Git book, "Git Objects".
import { lstatSync, readdirSync, readlinkSync } from 'node:fs';
import { StoreError } from '../util/errors.ts';
import { fsPath, toBuffer } from '../util/bytes.ts';
import { hashBytes } from './hash.ts';
import type { HashAlgorithm } from './hash.ts';
import { hashFile } from './nar-dump.ts';

/** @throws StoreError for what Git can't hold */
export function hashGitTree(path: string, algorithm: HashAlgorithm): Uint8Array {
  if (algorithm !== 'sha1' && algorithm !== 'sha256') {
    throw new StoreError(`Git file ingestion must use SHA-1 or SHA-256 hash, but instead using: ${algorithm}`);
  }
  return hashEntry(path, algorithm).digest;
}

interface Entry {
  /** In octal, as trees have it. */
  readonly mode: string;
  readonly digest: Uint8Array;
}

function hashEntry(path: string, algorithm: HashAlgorithm): Entry {
  const stat = lstatSync(fsPath(path));
  if (stat.isSymbolicLink()) {
    const target = readlinkSync(fsPath(path), { encoding: 'buffer' });
    return { mode: '120000', digest: hashObject('blob', target, algorithm) };
  }
  if (stat.isFile()) {
    const mode = (stat.mode & 0o100) === 0 ? '100644' : '100755';
    return { mode, digest: hashFile(path, algorithm, toBuffer(`blob ${stat.size}\0`)).hash };
  }
  if (!stat.isDirectory()) throw new StoreError(`file '${path}' has an unsupported type`);
  const entries = readdirSync(fsPath(path), { encoding: 'latin1' }).map((name) => ({
    name,
    ...hashEntry(`${path}/${name}`, algorithm),
  }));
  // Folders sort as if their names ended in a slash.
  const key = ({ name, mode }: (typeof entries)[number]): string => (mode === '40000' ? `${name}/` : name);
  entries.sort((a, b) => (key(a) < key(b) ? -1 : 1));
  const contents = Buffer.concat(entries.flatMap(({ name, mode, digest }) => [toBuffer(`${mode} ${name}\0`), digest]));
  return { mode: '40000', digest: hashObject('tree', contents, algorithm) };
}

function hashObject(type: 'blob' | 'tree', contents: Uint8Array, algorithm: HashAlgorithm): Uint8Array {
  return hashBytes(algorithm, Buffer.concat([toBuffer(`${type} ${contents.length}\0`), contents]));
}
