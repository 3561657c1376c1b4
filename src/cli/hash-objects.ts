// Hashes of files and trees for `nix-hash` and `tsnix hash`.
import { closeSync, openSync, readSync } from 'node:fs';
import { hashGitTree } from '../store/git-hash.ts';
import { compressHash, createHasher, printDigest, printHash } from '../store/hash.ts';
import type { Hash, HashAlgorithm, HashFormat } from '../store/hash.ts';
import { hashNar, ioError } from '../store/nar-dump.ts';
import { canonPath } from '../store/store-path.ts';
import { fsPath, utf8 } from '../util/bytes.ts';

export function absolutePath(path: string): string {
  return canonPath(path.startsWith('/') ? path : `${utf8(process.cwd())}/${path}`);
}

/** Of the contents, wherever links lead; pipes too. @throws StoreError */
function hashContents(path: string, algorithm: HashAlgorithm): Uint8Array {
  let fd: number;
  try {
    fd = openSync(fsPath(path), 'r');
  } catch (error) {
    throw ioError('opening file', path, error);
  }
  try {
    const hasher = createHasher(algorithm);
    const buffer = Buffer.allocUnsafeSlow(256 * 1024);
    for (let count = readSync(fd, buffer); count > 0; count = readSync(fd, buffer)) {
      hasher.update(buffer.subarray(0, count));
    }
    return hasher.digest();
  } catch (error) {
    throw ioError('reading file', path, error);
  } finally {
    closeSync(fd);
  }
}

export interface HashObjectOptions {
  readonly method: 'nar' | 'flat' | 'git';
  readonly algorithm: HashAlgorithm;
  readonly format: HashFormat;
  /** Fold to 20 bytes, as in store paths. */
  readonly truncate?: boolean;
}

/** As printed: SRI with its algorithm, other forms without. */
export function hashObject(path: string, options: HashObjectOptions): string {
  const { method, algorithm, format, truncate = false } = options;
  const file = absolutePath(path);
  const full =
    method === 'nar'
      ? hashNar(file, algorithm).hash
      : method === 'git'
        ? hashGitTree(file, algorithm)
        : hashContents(file, algorithm);
  return printBare({ algorithm, digest: truncate && full.length > 20 ? compressHash(full, 20) : full }, format);
}

/** SRI names its algorithm; other forms don't. */
export function printBare(hash: Hash, format: HashFormat): string {
  return format === 'sri' ? printHash(hash, 'sri') : printDigest(hash.digest, format);
}
