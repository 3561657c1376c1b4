// Objects that were added but are not written yet. Evaluation adds hundreds of small ones (.drv files, patches,
// scripts), one after the other; written together they cost one round of locks and one transaction.
import { closeSync, constants, fchmodSync, futimesSync, openSync, writeSync } from 'node:fs';
import { fsPath } from '../util/bytes.ts';
import { deletePath } from './delete-path.ts';
import { StoreError } from '../util/errors.ts';
import { createHasher, equalDigests } from './hash.ts';
import { ioError, narChunks, type NarHash } from './nar-dump.ts';
import { restoreChunks } from './nar-ingest.ts';
import type { PathInfo, StorePath } from './store.ts';
import { storeTime } from './canonicalise.ts';

export type PendingContents =
  | { readonly kind: 'text'; readonly bytes: Uint8Array }
  | { readonly kind: 'nar'; readonly chunks: readonly Uint8Array[] };

export interface PendingObject {
  readonly info: PathInfo;
  readonly contents: PendingContents;
  /** Outputs, where the object is a derivation. */
  readonly outputs?: ReadonlyMap<string, StorePath>;
}

/** How many paths are locked (open files) and written at once. */
export const maxPendingObjects = 256;
/** How much memory they may take. */
export const maxPendingBytes = 32 * 1024 * 1024;

export function pendingBytes(object: PendingObject): number {
  return object.info.narSize;
}

/** Opens a new file. What lies there is rubbish: mostly there is nothing, so it is not looked for first. */
function createFile(path: string): number {
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
  try {
    return openSync(fsPath(path), flags, 0o600);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    deletePath(path);
    return openSync(fsPath(path), flags, 0o600);
  }
}

function writeText(path: string, bytes: Uint8Array): void {
  try {
    const fd = createFile(path);
    try {
      for (let at = 0; at < bytes.length;) at += writeSync(fd, bytes, at);
      fchmodSync(fd, 0o444);
      futimesSync(fd, storeTime, storeTime);
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    throw ioError('writing file', path, error);
  }
}

/** The archive of what lies at `path`, whose hash is known. @throws StoreError where it has another by now */
export function readKnown(path: string, { hash }: NarHash): PendingContents {
  const hasher = createHasher('sha256');
  const chunks = [...narChunks(path)];
  for (const chunk of chunks) hasher.update(chunk);
  if (!equalDigests(hasher.digest(), hash)) throw new StoreError(`path '${path}' changed while it was being added`);
  return { kind: 'nar', chunks };
}

/** Writes the object to `path`, in the place of any rubbish there, as the store wants it. */
export function writePending(path: string, object: PendingObject): void {
  if (object.contents.kind === 'text') writeText(path, object.contents.bytes);
  else {
    deletePath(path);
    restoreChunks(path, object.contents.chunks);
  }
}
