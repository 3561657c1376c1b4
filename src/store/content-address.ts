// Content addresses as the database and narinfos hold them: `text:sha256:NIX32`, `fixed:r:sha256:NIX32`, …
import { StoreError } from '../util/errors.ts';
import { methodPrefix } from './derivation.ts';
import type { ContentAddressMethod, HashAlgorithm } from './derivation.ts';
import { parseHash, parseHashAlgorithm, printHash } from './hash.ts';
import type { NarHash } from './nar-dump.ts';
import { makeFixedOutputPath, makeTextPath } from './store-path.ts';
import type { PathInfo, StorePath } from './store.ts';

export interface ContentAddress {
  readonly method: ContentAddressMethod;
  readonly algorithm: HashAlgorithm;
  readonly digest: Uint8Array;
}

export function printContentAddress({ method, algorithm, digest }: ContentAddress): string {
  const prefix = method === 'text' ? 'text:' : `fixed:${methodPrefix(method)}`;
  return prefix + printHash({ algorithm, digest }, 'nix32');
}

/** @throws StoreError (bad form), UsageError (unknown algorithm) */
export function parseContentAddress(text: string): ContentAddress {
  const match = /^(?:(text):|fixed:(r:|git:)?)([^:]*):(.*)$/s.exec(text);
  if (match === null) {
    throw new StoreError(`not a content address because it is not in the form '<prefix>:<rest>': ${text}`);
  }
  const [, isText, prefix, algorithmName = '', hash = ''] = match;
  const algorithm = parseHashAlgorithm(algorithmName);
  const method = isText !== undefined ? 'text' : prefix === 'r:' ? 'nar' : prefix === 'git:' ? 'git' : 'flat';
  return { method, algorithm, digest: parseHash(hash, algorithm).digest };
}

/** How and by what an object is to be hashed: `text:sha256`, `fixed:r:sha256` … @throws StoreError */
export function parseContentAddressMethod(text: string): Omit<ContentAddress, 'digest'> {
  const match = /^(?:(text)|fixed(?::(r|git))?):([a-z0-9]+)$/.exec(text);
  if (match === null) throw new StoreError(`invalid content address method '${text}'`);
  const [, isText, prefix, algorithm = ''] = match;
  const method = isText !== undefined ? 'text' : prefix === 'r' ? 'nar' : prefix === 'git' ? 'git' : 'flat';
  return { method, algorithm: parseHashAlgorithm(algorithm) };
}

/** Where an object with these contents lies. */
export function contentAddressedPath(
  name: string,
  { method, algorithm, digest }: ContentAddress,
  references: readonly StorePath[],
  storeDir: string,
): StorePath {
  return method === 'text'
    ? makeTextPath(name, digest, references, storeDir)
    : makeFixedOutputPath({ name, method, algorithm, hash: digest, references }, storeDir);
}

/** What is to be registered for an object that was just added by its contents. */
export function contentAddressedInfo(
  path: StorePath,
  nar: NarHash,
  references: readonly StorePath[],
  ca: ContentAddress,
): PathInfo {
  return {
    path,
    narHash: nar.hash,
    narSize: nar.size,
    references: [...new Set(references)].sort(),
    deriver: null,
    registrationTime: Math.floor(Date.now() / 1000),
    ultimate: false,
    signatures: [],
    ca: printContentAddress(ca),
  };
}
