import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  BadHashError,
  compressHash,
  hashSizes,
  hashString,
  parseHash,
  parseHashAllowEmpty,
  parseSri,
  printHash,
} from './hash.ts';
import type { HashAlgorithm, HashFormat } from './hash.ts';

const empty = {
  base16: 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
  nix32: '0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73',
  base64: '47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=',
};

describe('parseHash()', () => {
  it('reads what printHash() prints, in every form and algorithm', () => {
    const algorithm = fc.constantFrom<HashAlgorithm>('md5', 'sha1', 'sha256', 'sha512');
    const format = fc.constantFrom<HashFormat>('base16', 'nix32', 'base64', 'sri');
    fc.assert(
      fc.property(algorithm, format, fc.string(), (algo, form, seed) => {
        const hash = { algorithm: algo, digest: hashString(algo, seed) };
        const read = parseHash(printHash(hash, form));
        expect(read.algorithm).toBe(algo);
        expect(Buffer.from(read.digest)).toEqual(hash.digest);
        expect(read.digest).toHaveLength(hashSizes[algo]);
      }),
    );
  });

  it.each([
    empty.base16,
    empty.nix32,
    empty.base64,
    `sha256:${empty.base16.toUpperCase()}`,
    `sha256:${empty.nix32}`,
    `sha256:${empty.base64}`,
    `sha256-${empty.base64}`,
    `sha256-${empty.base64.slice(0, -1)}`, // Nix quirk: SRI without padding
  ])('reads %s', (text) => {
    expect(Buffer.from(parseHash(text, 'sha256').digest).toString('hex')).toBe(empty.base16);
  });

  it.each([
    ['abc', "hash 'abc' has wrong length for hash algorithm 'sha256'"],
    [
      'sha1:da39a3ee5e6b4b0d3255bfef95601890afd80709',
      "hash 'sha1:da39a3ee5e6b4b0d3255bfef95601890afd80709' should have type 'sha256'",
    ],
    [`sha256-${empty.base64.slice(4)}`, `invalid SRI hash '${empty.base64.slice(4)}', length 29 != expected length 32`],
    ['z'.repeat(64), `invalid base16 hash '${'z'.repeat(64)}', length 0 != expected length 32`],
    ['e'.repeat(52), `invalid nix32 hash '${'e'.repeat(52)}', length 0 != expected length 32`],
  ])('refuses %s', (text, message) => {
    expect(() => parseHash(text, 'sha256')).toThrow(new BadHashError(message));
  });

  it('wants to know the algorithm, and a known one', () => {
    expect(() => parseHash(empty.base16)).toThrow(
      /does not include a type, nor is the type otherwise known from context/,
    );
    expect(() => parseHash('sha3:x')).toThrow(
      "unknown hash algorithm 'sha3', expect 'blake3', 'md5', 'sha1', 'sha256', or 'sha512'",
    );
  });
});

describe('parseHashAllowEmpty()', () => {
  it('takes nothing for zeros, with a warning', () => {
    const warnings: string[] = [];
    const hash = parseHashAllowEmpty('', 'sha256', (message) => warnings.push(message));
    expect(hash.digest).toEqual(new Uint8Array(32));
    expect(warnings).toEqual(["found empty hash, assuming 'sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA='"]);
    expect(() => parseHashAllowEmpty('', undefined, () => undefined)).toThrow(
      'empty hash requires explicit hash algorithm',
    );
  });
});

it('parseSri() refuses other forms', () => {
  expect(() => parseSri(empty.base16)).toThrow(`hash '${empty.base16}' is not SRI`);
});

it('compressHash() folds by XOR', () => {
  expect(compressHash(Uint8Array.of(1, 2, 4, 8, 16), 2)).toEqual(Uint8Array.of(1 ^ 4 ^ 16, 2 ^ 8));
});
