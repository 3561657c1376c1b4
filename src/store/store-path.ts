// Store paths: the only place that makes a StorePath, so none exists that was not checked. The store directory is
// part of every hash, so that two stores with different directories never share one.
// See the Nix manual, "Complete Store Path Calculation".
import { InvalidStorePathError, StoreError } from '../util/errors.ts';
import { compressHash, hashString, printDigest } from './hash.ts';
import { methodPrefix, outputPathName } from './derivation.ts';
import type { ContentAddressMethod, HashAlgorithm } from './derivation.ts';
import { encodeNix32, nix32Digits } from './nix32.ts';
import type { StorePath } from './store.ts';

export type { StorePath } from './store.ts';

export const defaultStoreDir = '/nix/store';
/** Characters of a hash part. */
export const hashPartLength = 32;
/** Longest name part: 255 less hash part, dash, and `.lock`-like suffixes that Nix puts beside a path. */
export const maxNameLength = 211;

// prettier-ignore
const isNameChar: Uint8Array = (() => {
  const table = new Uint8Array(256);
  for (const c of '0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ+-._?=') table[c.charCodeAt(0)] = 1;
  return table;
})();

/** What is wrong with `name` as the name part of a store path, in Nix's words; undefined if nothing. */
export function storeNameProblem(name: string): string | undefined {
  if (name === '') return 'name must not be empty';
  if (name.length > maxNameLength) {
    return `name '${name}' must be no longer than ${String(maxNameLength)} characters`;
  }
  if (name[0] === '.') {
    if (name === '.' || name === '..') return `name '${name}' is not valid`;
    for (const dots of ['.', '..']) {
      if (name.startsWith(`${dots}-`)) {
        return `name '${name}' is not valid: first dash-separated component must not be '${dots}'`;
      }
    }
  }
  for (let i = 0; i < name.length; i++) {
    if (isNameChar[name.charCodeAt(i)] !== 1) return `name '${name}' contains illegal character '${name[i]!}'`;
  }
  return undefined;
}

/** @throws InvalidStorePathError where `name` cannot be the name part of a store path */
export function checkStoreName(name: string): void {
  const problem = storeNameProblem(name);
  if (problem !== undefined) throw new InvalidStorePathError(problem);
}

/** What is wrong with `HASH-NAME`, in Nix's words; undefined if nothing. */
function baseNameProblem(base: string): string | undefined {
  if (base.length < hashPartLength + 1) return `'${base}' is too short to be a valid store path`;
  if (base[hashPartLength] !== '-') {
    return `'${base}' can't name a store path because the hash part is not followed by a '-'`;
  }
  for (let i = 0; i < hashPartLength; i++) {
    if (!(nix32Digits[base.charCodeAt(i)]! < 32)) {
      return `store path '${base}' contains illegal base-32 character '${base[i]!}'`;
    }
  }
  const problem = storeNameProblem(base.slice(hashPartLength + 1));
  return problem === undefined ? undefined : `path '${base}' is not a valid store path: ${problem}`;
}

/** Removes empty, `.` and `..` components; `path` is absolute. */
export function canonPath(path: string): string {
  if (!/\/(?:\/|\.|$)/.test(path)) return path;
  const parts: string[] = [];
  for (const part of path.split('/')) {
    if (part === '' || part === '.') continue;
    if (part === '..') parts.pop();
    else parts.push(part);
  }
  return `/${parts.join('/')}`;
}

/** @throws InvalidStorePathError unless `base` is HASH-NAME */
export function storePathFromBaseName(base: string, storeDir = defaultStoreDir): StorePath {
  const problem = baseNameProblem(base);
  if (problem !== undefined) throw new InvalidStorePathError(problem);
  return `${storeDir}/${base}` as StorePath;
}

/**
 * Checks a whole path. `//`, `.` and `..` are resolved first.
 * @throws InvalidStorePathError
 */
export function parseStorePath(path: string, storeDir = defaultStoreDir): StorePath {
  if (path === '') throw new InvalidStorePathError('empty path is not a valid store path');
  const canon = canonPath(path);
  const slash = canon.lastIndexOf('/');
  if (canon.slice(0, slash) !== storeDir) throw new InvalidStorePathError(`path '${canon}' is not in the Nix store`);
  return storePathFromBaseName(canon.slice(slash + 1), storeDir);
}

/** As parseStorePath(), undefined in place of an error. */
export function tryParseStorePath(path: string, storeDir = defaultStoreDir): StorePath | undefined {
  if (path === '') return undefined;
  const canon = canonPath(path);
  const slash = canon.lastIndexOf('/');
  if (canon.slice(0, slash) !== storeDir || baseNameProblem(canon.slice(slash + 1)) !== undefined) return undefined;
  return canon as StorePath;
}

/** Is `path` (canonical, absolute) strictly below the store directory? */
export function isInStore(path: string, storeDir = defaultStoreDir): boolean {
  return path.length > storeDir.length + 1 && path.startsWith(storeDir) && path[storeDir.length] === '/';
}

/**
 * `/nix/store/x-y/bin/z` → the store path and `/bin/z` (empty for the path itself).
 * @throws InvalidStorePathError where the path does not lie in the store
 */
export function splitStorePath(
  path: string,
  storeDir = defaultStoreDir,
): { readonly storePath: StorePath; readonly rest: string } {
  if (!isInStore(path, storeDir)) throw new InvalidStorePathError(`path '${path}' is not in the Nix store`);
  const slash = path.indexOf('/', storeDir.length + 1);
  if (slash < 0) return { storePath: parseStorePath(path, storeDir), rest: '' };
  return { storePath: parseStorePath(path.slice(0, slash), storeDir), rest: path.slice(slash) };
}

/** `HASH-NAME`. */
export function baseName(path: StorePath): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

/** The 32 characters of the hash. */
export function hashPart(path: StorePath): string {
  const start = path.lastIndexOf('/') + 1;
  return path.slice(start, start + hashPartLength);
}

/** What follows the hash part and its dash. */
export function storePathName(path: StorePath): string {
  return path.slice(path.lastIndexOf('/') + 1 + hashPartLength + 1);
}

export function isDerivationPath(path: StorePath): boolean {
  return path.endsWith('.drv');
}

/**
 * The path of fingerprint `TYPE:sha256:HEX:STOREDIR:NAME`.
 * @param innerSha256 32 bytes
 * @throws InvalidStorePathError for a bad name
 */
export function makeStorePath(
  type: string,
  innerSha256: Uint8Array,
  name: string,
  storeDir = defaultStoreDir,
): StorePath {
  const digest = hashString('sha256', `${type}:sha256:${printDigest(innerSha256, 'base16')}:${storeDir}:${name}`);
  const hash = encodeNix32(compressHash(digest, 20));
  const problem = storeNameProblem(name);
  if (problem !== undefined) {
    throw new InvalidStorePathError(`path '${hash}-${name}' is not a valid store path: ${problem}`);
  }
  return `${storeDir}/${hash}-${name}` as StorePath;
}

/** References are a set: sorted, each once. Byte strings sort bytewise by themselves. */
function typeWithReferences(type: string, references: readonly StorePath[], self: boolean): string {
  let text = type;
  let previous: StorePath | undefined;
  for (const reference of [...references].sort()) {
    if (reference !== previous) text += `:${reference}`;
    previous = reference;
  }
  return self ? `${text}:self` : text;
}

/** Path of a text object (`toFile`, `.drv`). */
export function makeTextPath(
  name: string,
  contentsSha256: Uint8Array,
  references: readonly StorePath[],
  storeDir = defaultStoreDir,
): StorePath {
  return makeStorePath(typeWithReferences('text', references, false), contentsSha256, name, storeDir);
}

export interface FixedOutput {
  readonly name: string;
  readonly method: ContentAddressMethod;
  readonly algorithm: HashAlgorithm;
  readonly hash: Uint8Array;
  readonly references?: readonly StorePath[];
  /** Refers to itself; only with nar and sha256. */
  readonly self?: boolean;
}

/**
 * Path of what is known by its contents: a source (nar, sha256), or a fixed output.
 * @throws StoreError where references are given and the form has no place for them
 */
export function makeFixedOutputPath(output: FixedOutput, storeDir = defaultStoreDir): StorePath {
  const { name, method, algorithm, hash, references = [], self = false } = output;
  if (method === 'text') return makeTextPath(name, hash, references, storeDir);
  if (method === 'nar' && algorithm === 'sha256') {
    return makeStorePath(typeWithReferences('source', references, self), hash, name, storeDir);
  }
  if (method === 'git' && algorithm !== 'sha1' && algorithm !== 'sha256') {
    throw new StoreError(`Git file ingestion must use SHA-1 or SHA-256 hash, but instead using: ${algorithm}`);
  }
  if (references.length > 0 || self) {
    throw new StoreError(
      `fixed output derivation '${name}' is not allowed to refer to other store paths.\nYou may need to use the 'unsafeDiscardReferences' derivation attribute, see the manual for more details.`,
    );
  }
  const payload = `fixed:out:${methodPrefix(method)}${algorithm}:${printDigest(hash, 'base16')}:`;
  return makeStorePath('output:out', hashString('sha256', payload), name, storeDir);
}

/** Path of output `output` of an input-addressed derivation whose hash modulo is `sha256`. */
export function makeOutputPath(
  drvName: string,
  output: string,
  sha256: Uint8Array,
  storeDir = defaultStoreDir,
): StorePath {
  return makeStorePath(`output:${output}`, sha256, outputPathName(drvName, output), storeDir);
}
