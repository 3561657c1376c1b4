// Whether an object on disk has the contents that its content address names. Paths with one come in without a
// signature, so this is what keeps a liar's files out.
import { HashMismatchError, StoreError } from '../util/errors.ts';
import { parseContentAddress, printContentAddress } from './content-address.ts';
import { equalDigests } from './hash.ts';
import { hashFile, hashNar } from './nar-dump.ts';
import type { PathInfo } from './store.ts';

/** Addresses that refer to the object itself are not checked here: only a signature can vouch for them. */
export function canCheckContentAddress(info: Pick<PathInfo, 'path' | 'references' | 'ca'>): boolean {
  return info.ca !== null && !info.ca.startsWith('fixed:git:') && !info.references.includes(info.path);
}

/**
 * @param realPath where the object lies, canonicalised; its NAR has the hash of `info`
 * @throws HashMismatchError, StoreError
 */
export function checkContentAddress(
  realPath: string,
  info: Pick<PathInfo, 'path' | 'references' | 'ca' | 'narHash'>,
): void {
  if (info.ca === null || !canCheckContentAddress(info)) return;
  const { method, algorithm, digest } = parseContentAddress(info.ca);
  let got: Uint8Array;
  if (method === 'nar') got = algorithm === 'sha256' ? info.narHash : hashNar(realPath, algorithm).hash;
  else if (method === 'git') throw new StoreError(`cannot check the content address of '${info.path}'`);
  else got = hashFile(realPath, algorithm).hash;
  if (equalDigests(got, digest)) return;
  throw new HashMismatchError(
    `ca hash mismatch importing path '${info.path}';\n  specified: ${info.ca}\n  got:       ${printContentAddress({ method, algorithm, digest: got })}`,
  );
}
