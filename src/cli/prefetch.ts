// A file from elsewhere into the store, known by its contents: `nix-prefetch-url`, `tsnix store prefetch-file`.
import { chmodSync, readdirSync, rmSync } from 'node:fs';
import { fetchSync } from '../fetch/fetch-sync.ts';
import type { HttpSettings } from '../fetch/http-settings.ts';
import type { Hash, HashAlgorithm } from '../store/hash.ts';
import { equalDigests, printHash } from '../store/hash.ts';
import { hashFile, hashNar } from '../store/nar-dump.ts';
import { checkStoreName, makeFixedOutputPath } from '../store/store-path.ts';
import type { StorePath, SyncStore } from '../store/store.ts';
import { fsPath } from '../util/bytes.ts';
import { HashMismatchError, NixError, NotImplementedError, StoreError } from '../util/errors.ts';

export interface PrefetchRequest {
  /** Byte string. */
  readonly url: string;
  readonly name?: string;
  readonly algorithm: HashAlgorithm;
  readonly expected?: Hash;
  readonly unpack: boolean;
  readonly executable: boolean;
}

/** The last part of a URL's path. */
function nameInUrl(url: string): string {
  const name = url.replace(/[?#].*$/s, '').replace(/\/+$/, '');
  return name.slice(name.lastIndexOf('/') + 1);
}

/** @throws StoreError, HashMismatchError */
export function prefetch(
  store: SyncStore,
  request: PrefetchRequest,
  http: HttpSettings,
): { readonly path: StorePath; readonly hash: Hash } {
  const { url, unpack, executable } = request;
  if (url.startsWith('mirror://')) throw new NotImplementedError(`mirror URLs are not implemented: '${url}'`);
  const method = unpack || executable ? 'nar' : 'flat';
  const name = request.name ?? nameInUrl(url);
  if (name === '') throw new StoreError(`cannot figure out file name for '${url}'`);
  try {
    checkStoreName(name);
  } catch (error) {
    if (error instanceof NixError && request.name === undefined)
      error.addFrame(`file name '${name}' was extracted from URL '${url}'`, 0);
    throw error;
  }
  const algorithm = request.expected?.algorithm ?? request.algorithm;
  if (request.expected !== undefined) {
    const { digest } = request.expected;
    const path = makeFixedOutputPath({ name, method, algorithm, hash: digest }, store.storeDir);
    if (store.isValidPath(path)) return { path, hash: request.expected };
  }
  const fetched = fetchSync(url, { unpack, settings: http });
  try {
    if (unpack && readdirSync(fsPath(fetched.path)).length === 0) throw new StoreError(`archive '${url}' is empty`);
    if (executable) chmodSync(fsPath(fetched.path), 0o700);
    const { hash: digest } = method === 'nar' ? hashNar(fetched.path, algorithm) : hashFile(fetched.path, algorithm);
    const hash = { algorithm, digest };
    if (request.expected !== undefined && !equalDigests(request.expected.digest, digest)) {
      throw new HashMismatchError(
        `hash mismatch for '${url}':\n  specified: ${printHash(request.expected, 'sri')}\n  got:       ${printHash(hash, 'sri')}`,
      );
    }
    const path = store.addPath(fetched.path, { name, method, algorithm });
    store.flush();
    return { path, hash };
  } finally {
    rmSync(fetched.tempDir, { recursive: true, force: true });
  }
}
