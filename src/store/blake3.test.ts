import { expect, it } from 'vitest';
import { evaluate } from '../../test/support/evaluate.ts';
import { allowBlake3 } from './blake3.ts';
import { createHasher, hashHex, parseHash, parseHashAlgorithm, printHash } from './hash.ts';

const disabled =
  "experimental Nix feature 'blake3-hashes' is disabled; add '--extra-experimental-features blake3-hashes' to enable it";

// First: what is on stays on.
it('is an experimental feature', () => {
  expect(() => parseHashAlgorithm('blake3')).toThrow(disabled);
  expect(() => parseHash('blake3-nnDuFEmWX7YtBJBAoe0G7Dd0MNpuwTFz58T//NKL6YA=')).toThrow(disabled);
  allowBlake3();
  expect(parseHashAlgorithm('blake3')).toBe('blake3');
});

/** Of the test vectors that the designers of BLAKE3 publish: bytes 0, 1, … 250, 0, 1, … of some length. */
const vectors: readonly (readonly [length: number, hash: string])[] = [
  [0, 'af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262'],
  [1, '2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213'],
  [1023, '10108970eeda3eb932baac1428c7a2163b0e924c9a9e25b35bba72b28f70bd11'],
  [1024, '42214739f095a406f3fc83deb889744ac00df831c10daa55189b5d121c855af7'],
  [1025, 'd00278ae47eb27b34faecf67b4fe263f82d5412916c1ffd97c8cb7fb814b8444'],
  [2049, '5f4d72f40d7a5f82b15ca2b2e44b1de3c2ef86c426c95c1af0b6879522563030'],
  [5121, '628bd2cb2004694adaab7bbd778a25df25c47b9d4155a55f8fbd79f2fe154cff'],
  [7169, 'a003fc7a51754a9b3c7fae0367ab3d782dccf28855a03d435f8cfe74605e7817'],
];

it.each(vectors)('hashes %i bytes, in one piece and in many', (length, hash) => {
  const bytes = Buffer.from(Array.from({ length }, (_, i) => i % 251));
  expect(hashHex('blake3', bytes.toString('latin1'))).toBe(hash);
  const hasher = createHasher('blake3');
  for (let at = 0; at < length; at += 700) hasher.update(bytes.subarray(at, at + 700));
  expect(Buffer.from(hasher.digest()).toString('hex')).toBe(hash);
});

it('is read and printed in all forms', () => {
  // What Nix's own tests say of "asdf".
  const sri = 'blake3-nnDuFEmWX7YtBJBAoe0G7Dd0MNpuwTFz58T//NKL6YA=';
  const hash = parseHash(sri);
  expect(Buffer.from(hash.digest).toString('hex')).toBe(hashHex('blake3', 'asdf'));
  for (const format of ['base16', 'nix32', 'base64', 'sri'] as const) {
    expect(printHash(parseHash(printHash(hash, format)), 'sri')).toBe(sri);
  }
});

it('is known to the language where the feature is on', () => {
  const settings = { experimentalFeatures: new Set(['blake3-hashes']) };
  const sri = 'blake3-nnDuFEmWX7YtBJBAoe0G7Dd0MNpuwTFz58T//NKL6YA=';
  const source = `builtins.convertHash { hash = "blake3:" + builtins.hashString "blake3" "asdf"; toHashFormat = "sri"; }`;
  expect(evaluate(source, { settings })).toBe(`"${sri}"`);
});
