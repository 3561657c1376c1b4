// Hashes: algorithms, the four printed forms, and Nix's rules for reading them (base16, nix32 and base64 are told
// apart by length; `algo:…` prefixes any of them, `algo-…` is SRI and always base64).
import { createHash, hash as hashOnce } from 'node:crypto';
import { StoreError, UsageError } from '../util/errors.ts';
import { toBuffer } from '../util/bytes.ts';
import type { HashAlgorithm } from './derivation.ts';
import { createBlake3, hashBlake3, requireBlake3 } from './blake3.ts';
import { decodeNix32, encodeNix32, nix32Length } from './nix32.ts';

export type { HashAlgorithm } from './derivation.ts';

export type HashFormat = 'base16' | 'nix32' | 'base64' | 'sri';

export interface Hash {
  readonly algorithm: HashAlgorithm;
  readonly digest: Uint8Array;
}

/** A text that is no hash, in Nix's words. */
export class BadHashError extends StoreError {
  override readonly code = 'BAD_HASH';
}

/** Bytes of a digest. */
export const hashSizes: Readonly<Record<HashAlgorithm, number>> = {
  blake3: 32,
  md5: 16,
  sha1: 20,
  sha256: 32,
  sha512: 64,
};

export function hashBytes(algorithm: HashAlgorithm, bytes: Uint8Array): Uint8Array {
  return algorithm === 'blake3' ? hashBlake3(bytes) : hashOnce(algorithm, bytes, 'buffer');
}

/** Where the bytes of strings lie while they are hashed: a buffer for each costs as much as the hashing. */
let scratch: Buffer | undefined;
const SCRATCH = 1 << 16;

export function forgetScratch(): void {
  scratch = undefined;
}

function scratched(bytes: string): Uint8Array {
  if (bytes.length > SCRATCH) return toBuffer(bytes);
  scratch ??= Buffer.allocUnsafeSlow(SCRATCH);
  return scratch.subarray(0, scratch.write(bytes, 0, 'latin1'));
}

/** Digest of a byte string. */
export function hashString(algorithm: HashAlgorithm, bytes: string): Uint8Array {
  return hashBytes(algorithm, scratched(bytes));
}

/** Base16 digest of a byte string. */
export function hashHex(algorithm: HashAlgorithm, bytes: string): string {
  return algorithm === 'blake3'
    ? hashBlake3(scratched(bytes)).toString('hex')
    : hashOnce(algorithm, scratched(bytes), 'hex');
}

export interface Hasher {
  /** `chunk` is not kept. */
  update(chunk: Uint8Array): void;
  /** Once only. */
  digest(): Uint8Array;
}

export function createHasher(algorithm: HashAlgorithm): Hasher {
  if (algorithm === 'blake3') return createBlake3();
  const hash = createHash(algorithm);
  return {
    update: (chunk) => {
      hash.update(chunk);
    },
    digest: () => hash.digest(),
  };
}

/** The algorithm of this name, or undefined. @throws StoreError for one whose experimental feature is off */
export function findHashAlgorithm(name: string): HashAlgorithm | undefined {
  if (name === 'blake3') {
    requireBlake3();
    return name;
  }
  return name === 'sha256' || name === 'sha512' || name === 'sha1' || name === 'md5' ? name : undefined;
}

/** @throws UsageError for an unknown name */
export function parseHashAlgorithm(name: string): HashAlgorithm {
  const algorithm = findHashAlgorithm(name);
  if (algorithm === undefined) {
    throw new UsageError(`unknown hash algorithm '${name}', expect 'blake3', 'md5', 'sha1', 'sha256', or 'sha512'`);
  }
  return algorithm;
}

/** @throws UsageError for an unknown name */
export function parseHashFormat(name: string): HashFormat {
  switch (name) {
    case 'base16':
    case 'nix32':
    case 'base64':
    case 'sri':
      return name;
    case 'base32':
      return 'nix32';
    default:
      throw new UsageError(`unknown hash format '${name}', expect 'base16', 'base32', 'base64', or 'sri'`);
  }
}

const base64Length = (size: number): number => Math.floor((4 * size + 2) / 3 + 3) & ~3;

function decodeBase16(text: string): Uint8Array | undefined {
  return /^(?:[0-9a-fA-F]{2})*$/.test(text) ? Buffer.from(text, 'hex') : undefined;
}

/** Nix quirk: ends at the first `=`, skips line feeds, never looks at the padding or the bits left over. */
function decodeBase64(text: string): Uint8Array | undefined {
  const end = text.indexOf('=');
  const digits = (end < 0 ? text : text.slice(0, end)).replaceAll('\n', '');
  if (!/^[A-Za-z0-9+/]*$/.test(digits)) return undefined;
  return Buffer.from(digits, 'base64').subarray(0, Math.floor((digits.length * 6) / 8));
}

type Encoding = Exclude<HashFormat, 'sri'>;

function decode(text: string, encoding: Encoding): Uint8Array | undefined {
  switch (encoding) {
    case 'base16':
      return decodeBase16(text);
    case 'nix32':
      return decodeNix32(text);
    case 'base64':
      return decodeBase64(text);
  }
}

const encodingNames: Readonly<Record<HashFormat, string>> = {
  base16: 'base16',
  nix32: 'nix32',
  base64: 'Base64',
  sri: 'SRI',
};

function decodeDigest(text: string, algorithm: HashAlgorithm, format: HashFormat): Uint8Array {
  const digest = decode(text, format === 'sri' ? 'base64' : format);
  const expected = hashSizes[algorithm];
  if (digest?.length !== expected) {
    throw new BadHashError(
      `invalid ${encodingNames[format]} hash '${text}', length ${String(digest?.length ?? 0)} != expected length ${String(expected)}`,
    );
  }
  return digest;
}

function encodingOfLength(text: string, algorithm: HashAlgorithm): Encoding {
  const size = hashSizes[algorithm];
  if (text.length === size * 2) return 'base16';
  if (text.length === nix32Length(size)) return 'nix32';
  if (text.length === base64Length(size)) return 'base64';
  throw new BadHashError(`hash '${text}' has wrong length for hash algorithm '${algorithm}'`);
}

/**
 * Reads `algo:TEXT`, `algo-BASE64` (SRI) or, where `algorithm` says what it is, a bare TEXT. Tells the form too.
 * @throws BadHashError, and UsageError for an unknown algorithm
 */
export function parseHashFormatted(text: string, algorithm?: HashAlgorithm): Hash & { readonly format: HashFormat } {
  let rest = text;
  let named: HashAlgorithm | undefined;
  let isSri = false;
  const colon = text.indexOf(':');
  if (colon >= 0) {
    named = parseHashAlgorithm(text.slice(0, colon));
    rest = text.slice(colon + 1);
  } else {
    const dash = text.indexOf('-');
    if (dash >= 0) {
      named = parseHashAlgorithm(text.slice(0, dash));
      rest = text.slice(dash + 1);
      isSri = true;
    }
  }
  if (named === undefined && algorithm === undefined) {
    throw new BadHashError(`hash '${text}' does not include a type, nor is the type otherwise known from context`);
  }
  if (named !== undefined && algorithm !== undefined && named !== algorithm) {
    throw new BadHashError(`hash '${text}' should have type '${algorithm}'`);
  }
  const algo = (named ?? algorithm)!;
  const format = isSri ? 'sri' : encodingOfLength(rest, algo);
  return { algorithm: algo, digest: decodeDigest(rest, algo, format), format };
}

/** As parseHashFormatted(), without the form. */
export function parseHash(text: string, algorithm?: HashAlgorithm): Hash {
  const { algorithm: algo, digest } = parseHashFormatted(text, algorithm);
  return { algorithm: algo, digest };
}

/**
 * As parseHash(), but an empty text is the all-zero hash (`lib.fakeHash` of the hurried), about which `warn` is told.
 * @throws BadHashError
 */
export function parseHashAllowEmpty(
  text: string,
  algorithm: HashAlgorithm | undefined,
  warn: (message: string) => void,
): Hash {
  if (text !== '') return parseHash(text, algorithm);
  if (algorithm === undefined) throw new BadHashError('empty hash requires explicit hash algorithm');
  const hash: Hash = { algorithm, digest: new Uint8Array(hashSizes[algorithm]) };
  warn(`found empty hash, assuming '${printHash(hash, 'sri')}'`);
  return hash;
}

/** @throws BadHashError where the text is not `algo-BASE64` */
export function parseSri(text: string): Hash {
  const dash = text.indexOf('-');
  if (dash < 0) throw new BadHashError(`hash '${text}' is not SRI`);
  const algorithm = parseHashAlgorithm(text.slice(0, dash));
  return { algorithm, digest: decodeDigest(text.slice(dash + 1), algorithm, 'sri') };
}

/** A bare digest in a known encoding. */
export function parseDigest(text: string, algorithm: HashAlgorithm, format: Encoding): Uint8Array {
  return decodeDigest(text, algorithm, format);
}

/** Digest without algorithm; `sri` is base64 here. */
export function printDigest(digest: Uint8Array, format: HashFormat): string {
  switch (format) {
    case 'base16':
      return asBuffer(digest).toString('hex');
    case 'nix32':
      return encodeNix32(digest);
    case 'base64':
    case 'sri':
      return asBuffer(digest).toString('base64');
  }
}

/** `algo:DIGEST`, or `algo-DIGEST` for SRI. */
export function printHash(hash: Hash, format: HashFormat): string {
  return hash.algorithm + (format === 'sri' ? '-' : ':') + printDigest(hash.digest, format);
}

/** Views may be of a larger buffer: no copy. */
function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/**
 * Folds a digest to `size` bytes by XOR, as store paths need (SHA-256's 32 bytes → 20).
 * @see Nix manual, "Complete Store Path Calculation"; Dolstra 2006, §5.1
 */
export function compressHash(digest: Uint8Array, size: number): Uint8Array {
  const folded = new Uint8Array(size);
  for (let i = 0; i < digest.length; i++) folded[i % size] = folded[i % size]! ^ digest[i]!;
  return folded;
}

export function equalDigests(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
