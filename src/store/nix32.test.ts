import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeNix32, encodeNix32, nix32Length } from './nix32.ts';

describe('nix32', () => {
  it('decodeNix32() undoes encodeNix32()', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 70 }), (bytes) => {
        const text = encodeNix32(bytes);
        expect(text).toHaveLength(nix32Length(bytes.length));
        expect(decodeNix32(text)).toEqual(bytes);
      }),
    );
  });

  it('encodeNix32() prints the known digest of nothing', () => {
    const digest = Buffer.from('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855', 'hex');
    expect(encodeNix32(digest)).toBe('0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73');
  });

  it.each([
    ['a letter outside the alphabet', '0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c7e'],
    ['upper case', '0MDQA9W1P6CMLI6976V4WI0SW9R4P5PRKJ7LZFD1877WK11C9C73'],
    ['bits beyond the last byte', 'zmdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73'],
    ['a char beyond bytes', 'Āmdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73'],
  ])('decodeNix32() rejects %s', (_, text) => {
    expect(decodeNix32(text)).toBeUndefined();
  });
});
