// Signatures of store paths: ed25519 over a text that names path, contents and references, so that none of them can be
// exchanged. Keys and signatures are `NAME:BASE64`; the name says which key to try, nothing else.
import { createPrivateKey, createPublicKey, generateKeyPairSync, sign, verify } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { StoreError } from '../util/errors.ts';
import { fsPath } from '../util/bytes.ts';
import { parseContentAddress } from './content-address.ts';
import { printHash } from './hash.ts';
import { ioError } from './nar-dump.ts';
import { makeFixedOutputPath, storePathName } from './store-path.ts';
import type { PathInfo } from './store.ts';

const publicBytes = 32;
const secretBytes = 64;
const signatureBytes = 64;

/** What a signature says; everything else of an object is not vouched for. */
export type SignedInfo = Pick<PathInfo, 'path' | 'narHash' | 'narSize' | 'references'>;

interface Named {
  readonly name: string;
  readonly bytes: Buffer;
}

/** `NAME:BASE64`. @throws StoreError "WHAT is corrupt" */
function splitNamed(text: string, what: string): Named {
  const colon = text.indexOf(':');
  const encoded = text.slice(colon + 1);
  if (colon <= 0 || encoded === '' || !/^[A-Za-z0-9+/]+={0,2}$/.test(encoded))
    throw new StoreError(`${what} is corrupt`);
  return { name: text.slice(0, colon), bytes: Buffer.from(encoded, 'base64') };
}

/** Whether a text has the form of a signature. What can't be one may still stand in a narinfo: it is just no help. */
export function isSignature(text: string): boolean {
  return /^[^:\s]+:[A-Za-z0-9+/]+={0,2}$/.test(text);
}

export class PublicKey {
  readonly name: string;
  private readonly bytes: Buffer;
  private key: KeyObject | undefined;

  private constructor(name: string, bytes: Buffer) {
    this.name = name;
    this.bytes = bytes;
  }

  /** @throws StoreError */
  static parse(text: string): PublicKey {
    const { name, bytes } = splitNamed(text, 'key');
    if (bytes.length !== publicBytes) throw new StoreError('public key is not valid');
    return new PublicKey(name, bytes);
  }

  toString(): string {
    return `${this.name}:${this.bytes.toString('base64')}`;
  }

  /** @param signature without its name */
  verify(text: string, signature: Buffer): boolean {
    if (signature.length !== signatureBytes) return false;
    this.key ??= createPublicKey({
      key: { kty: 'OKP', crv: 'Ed25519', x: this.bytes.toString('base64url') },
      format: 'jwk',
    });
    return verify(null, Buffer.from(text, 'latin1'), this.key, signature);
  }
}

/** Seed and public half, as Nix (libsodium) keeps them. Its text is the only way out of here. */
export class SecretKey {
  readonly name: string;
  private readonly bytes: Buffer;
  private key: KeyObject | undefined;

  private constructor(name: string, bytes: Buffer) {
    this.name = name;
    this.bytes = bytes;
  }

  /** @throws StoreError, which never quotes the key */
  static parse(text: string): SecretKey {
    const { name, bytes } = splitNamed(text, 'key');
    if (bytes.length !== secretBytes) throw new StoreError('secret key is not valid');
    return new SecretKey(name, bytes);
  }

  /** A file with one key. @throws StoreError */
  static read(file: string): SecretKey {
    let text: string;
    try {
      text = readFileSync(fsPath(file), 'latin1');
    } catch (error) {
      throw ioError('opening file', file, error);
    }
    return SecretKey.parse(text.trim());
  }

  static generate(name: string): SecretKey {
    if (name === '' || name.includes(':')) throw new StoreError(`key name '${name}' must not be empty or hold a colon`);
    const { privateKey } = generateKeyPairSync('ed25519');
    const { d = '', x = '' } = privateKey.export({ format: 'jwk' });
    return new SecretKey(name, Buffer.concat([Buffer.from(d, 'base64url'), Buffer.from(x, 'base64url')]));
  }

  toString(): string {
    return `${this.name}:${this.bytes.toString('base64')}`;
  }

  publicKey(): PublicKey {
    return PublicKey.parse(`${this.name}:${this.bytes.subarray(secretBytes - publicBytes).toString('base64')}`);
  }

  /** `NAME:BASE64` */
  sign(text: string): string {
    this.key ??= createPrivateKey({
      key: {
        kty: 'OKP',
        crv: 'Ed25519',
        d: this.bytes.subarray(0, secretBytes - publicBytes).toString('base64url'),
        x: this.bytes.subarray(secretBytes - publicBytes).toString('base64url'),
      },
      format: 'jwk',
    });
    return `${this.name}:${sign(null, Buffer.from(text, 'latin1'), this.key).toString('base64')}`;
  }
}

/** `1;PATH;sha256:NIX32;SIZE;REFERENCE,…`: what is signed. @throws StoreError without a size */
export function fingerprint(info: SignedInfo): string {
  if (info.narSize === 0) {
    throw new StoreError(`cannot calculate fingerprint of path '${info.path}' because its size is not known`);
  }
  const hash = printHash({ algorithm: 'sha256', digest: info.narHash }, 'nix32');
  return `1;${info.path};${hash};${String(info.narSize)};${[...info.references].sort().join(',')}`;
}

/** Keys by name; several may share one. */
export type TrustedKeys = ReadonlyMap<string, readonly PublicKey[]>;

/** @throws StoreError for a key that is none */
export function parseTrustedKeys(texts: Iterable<string>): TrustedKeys {
  const keys = new Map<string, PublicKey[]>();
  for (const text of texts) {
    const key = PublicKey.parse(text);
    const same = keys.get(key.name);
    if (same === undefined) keys.set(key.name, [key]);
    else same.push(key);
  }
  return keys;
}

/** Is `signature` (NAME:BASE64) one of `text` by a trusted key? Garbage is not. */
export function isTrustedSignature(text: string, signature: string, keys: TrustedKeys): boolean {
  if (!isSignature(signature)) return false;
  const { name, bytes } = splitNamed(signature, 'signature');
  return keys.get(name)?.some((key) => key.verify(text, bytes)) ?? false;
}

/** How many of a path's signatures are by trusted keys. */
export function countTrustedSignatures(
  info: SignedInfo & { readonly signatures: readonly string[] },
  keys: TrustedKeys,
): number {
  if (info.signatures.length === 0 || keys.size === 0 || info.narSize === 0) return 0;
  const text = fingerprint(info);
  return info.signatures.filter((signature) => isTrustedSignature(text, signature, keys)).length;
}

/** Does the path follow from its content address? Then its contents vouch for it, if they have the hash it names. */
export function isContentAddressed(
  info: Pick<PathInfo, 'path' | 'references' | 'ca' | 'narHash'>,
  storeDir: string,
): boolean {
  if (info.ca === null) return false;
  try {
    const { method, algorithm, digest } = parseContentAddress(info.ca);
    const references = info.references.filter((reference) => reference !== info.path);
    const self = references.length !== info.references.length;
    // A text has no way to refer to itself.
    if (method === 'text' && (self || algorithm !== 'sha256')) return false;
    const output = { name: storePathName(info.path), method, algorithm, hash: digest, references, self };
    return makeFixedOutputPath(output, storeDir) === info.path;
  } catch {
    return false; // a content address that is none vouches for nothing
  }
}

/** May a path come in? Where signatures are asked for: signed by a trusted key, or content-addressed. */
export function isTrusted(info: PathInfo, keys: TrustedKeys, storeDir: string): boolean {
  return countTrustedSignatures(info, keys) > 0 || isContentAddressed(info, storeDir);
}

/** The signatures with one by each key; what is there stays. */
export function withSignatures(info: PathInfo, keys: readonly SecretKey[]): string[] {
  if (keys.length === 0) return [...info.signatures];
  const text = fingerprint(info);
  return [...new Set([...info.signatures, ...keys.map((key) => key.sign(text))])].sort();
}
