import { describe, expect, it } from 'vitest';
import { parseHash } from './hash.ts';
import { makeFixedOutputPath, parseStorePath } from './store-path.ts';
import type { PathInfo } from './store.ts';
import {
  countTrustedSignatures,
  fingerprint,
  isContentAddressed,
  isTrusted,
  parseTrustedKeys,
  PublicKey,
  SecretKey,
  withSignatures,
} from './signatures.ts';

// A key pair and a signature that Nix 2.8 made.
const secret = 'k1:leARAVtgy3lqjJsix0jip+3pX13tP0/H8fVhhYmlHm9oGG3USGcfR9BgoMvWnpflPREfNPt/J5totNjPMlGyEg==';
const publicKey = 'k1:aBht1EhnH0fQYKDL1p6X5T0RHzT7fyebaLTYzzJRshI=';
const info: PathInfo = {
  path: parseStorePath('/nix/store/0270xr8001sp245x2qc78hqkd8ibms1g-a'),
  narHash: parseHash('sha256:11hap619k9yv29jfxdq44d7fxwks93qsw8w8iwbgdjwxni9zsxlj').digest,
  narSize: 120,
  references: [],
  deriver: null,
  registrationTime: 0,
  ultimate: false,
  signatures: [],
  ca: null,
};
const signature = 'k1:ZbiPPv26cw30mwkTNJYDXYx/v+i/LHFBCdOyzMvWWJn8x5QEfTGpRJcKs+ICAxhjrwJ3RWnoLPdmjJy0yPJ6Aw==';
const keys = parseTrustedKeys([publicKey]);

describe('signatures', () => {
  it("are Nix's, bit by bit", () => {
    const key = SecretKey.parse(secret);
    expect(key.publicKey().toString()).toBe(publicKey);
    expect(withSignatures(info, [key])).toEqual([signature]);
    expect(countTrustedSignatures({ ...info, signatures: [signature] }, keys)).toBe(1);
  });
  it('are made by generated keys', () => {
    const key = SecretKey.parse(SecretKey.generate('mine-1').toString());
    const signatures = withSignatures(info, [key]);
    expect(countTrustedSignatures({ ...info, signatures }, parseTrustedKeys([key.publicKey().toString()]))).toBe(1);
    expect(() => SecretKey.generate('a:b')).toThrow('must not be empty or hold a colon');
  });
  it('hold for nothing else', () => {
    const signed = { ...info, signatures: [signature] };
    const changed: Partial<PathInfo>[] = [
      { path: parseStorePath('/nix/store/1270xr8001sp245x2qc78hqkd8ibms1g-a') },
      { narHash: new Uint8Array(32) },
      { narSize: 121 },
      { references: [info.path] },
    ];
    for (const change of changed) expect(countTrustedSignatures({ ...signed, ...change }, keys)).toBe(0);
    // Another name: the key is not even tried.
    expect(countTrustedSignatures({ ...signed, signatures: [signature.replace('k1', 'k2')] }, keys)).toBe(0);
    expect(countTrustedSignatures(signed, parseTrustedKeys([publicKey.replace('k1', 'k2')]))).toBe(0);
    expect(countTrustedSignatures({ ...signed, signatures: ['k1:AAAA', 'k1:', 'k1', ''] }, keys)).toBe(0);
    expect(countTrustedSignatures({ ...signed, narSize: 0 }, keys)).toBe(0);
  });
  it.each(['', 'k1', 'k1:', ':AAAA', 'k1:!!!!'])('refuse the key %j', (text) => {
    expect(() => PublicKey.parse(text)).toThrow('key is corrupt');
  });
  it('refuse keys of the wrong length, without quoting them', () => {
    expect(() => PublicKey.parse('k1:AAAA')).toThrow('public key is not valid');
    expect(() => SecretKey.parse('k1:AAAA')).toThrow(/^secret key is not valid$/);
  });
  it('want a size', () => {
    expect(() => fingerprint({ ...info, narSize: 0 })).toThrow('cannot calculate fingerprint');
  });
});

describe('isContentAddressed()', () => {
  const digest = info.narHash;
  const path = makeFixedOutputPath({ name: 'a', method: 'nar', algorithm: 'sha256', hash: digest });
  const ca = 'fixed:r:sha256:11hap619k9yv29jfxdq44d7fxwks93qsw8w8iwbgdjwxni9zsxlj';
  it('is true for the path of the address only', () => {
    expect(isContentAddressed({ ...info, path, ca }, '/nix/store')).toBe(true);
    expect(isTrusted({ ...info, path, ca }, new Map(), '/nix/store')).toBe(true);
    expect(isContentAddressed({ ...info, ca }, '/nix/store')).toBe(false);
    expect(isContentAddressed({ ...info, path, ca, references: [info.path] }, '/nix/store')).toBe(false);
    expect(isContentAddressed({ ...info, path, ca: ca.replace('r:', '') }, '/nix/store')).toBe(false);
    expect(isContentAddressed({ ...info, path, ca: 'nonsense' }, '/nix/store')).toBe(false);
    expect(isContentAddressed({ ...info, path }, '/nix/store')).toBe(false);
  });
});
