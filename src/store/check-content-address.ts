// Whether an object on disk has the contents that its content address names. Paths with one come in without a
// signature, so this is what keeps a liar's files out.
import { HashMismatchError } from '../util/errors.ts';
import { parseContentAddress, printContentAddress, type ContentAddress } from './content-address.ts';
import { hashGitTree } from './git-hash.ts';
import { equalDigests } from './hash.ts';
import { hashFile, hashNar, narChunks } from './nar-dump.ts';
import { hashModuloSelf } from './rewrite.ts';
import { hashPart } from './store-path.ts';
import type { PathInfo } from './store.ts';

type Claim = Pick<PathInfo, 'path' | 'references' | 'ca' | 'narHash'>;

/**
 * @param realPath where the object lies, canonicalised; its NAR has the hash of `info`
 * @throws HashMismatchError, StoreError
 */
export function checkContentAddress(realPath: string, info: Claim): void {
  if (info.ca === null) return;
  const address = parseContentAddress(info.ca);
  const digest = contentHash(realPath, info, address);
  if (equalDigests(digest, address.digest)) return;
  throw new HashMismatchError(
    `ca hash mismatch importing path '${info.path}';\n  specified: ${info.ca}\n  got:       ${printContentAddress({ ...address, digest })}`,
  );
}

function contentHash(realPath: string, info: Claim, { method, algorithm }: ContentAddress): Uint8Array {
  switch (method) {
    case 'nar':
      if (info.references.includes(info.path)) {
        return hashModuloSelf(narChunks(realPath), hashPart(info.path), algorithm);
      }
      return algorithm === 'sha256' ? info.narHash : hashNar(realPath, algorithm).hash;
    case 'git':
      return hashGitTree(realPath, algorithm);
    case 'flat':
    case 'text':
      return hashFile(realPath, algorithm).hash;
  }
}
