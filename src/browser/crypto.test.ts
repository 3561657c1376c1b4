import { createHash as nodeHash } from 'node:crypto';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Buffer as OwnBuffer } from './buffer.ts';
import { createHash, hash } from './crypto.ts';

describe('hash()', () => {
  for (const algorithm of ['md5', 'sha1', 'sha256', 'sha512'] as const) {
    it(`${algorithm} is Node's, at every length around the blocks`, () => {
      for (const length of [...Array(130).keys(), 1000, 4096]) {
        const bytes = Uint8Array.from({ length }, (_, i) => (i * 7 + length) & 255);
        const expected = nodeHash(algorithm).update(bytes).digest('hex');
        expect(hash(algorithm, bytes, 'hex'), String(length)).toBe(expected);
        const parts = createHash(algorithm);
        parts.update(bytes.subarray(0, 5));
        parts.update(bytes.subarray(5));
        expect(Buffer.from(parts.digest()).toString('hex')).toBe(expected);
      }
    });
  }
});

describe('Buffer', () => {
  it('reads and writes the encodings as Node’s does', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        const node = Buffer.from(bytes);
        const own = OwnBuffer.from(bytes);
        for (const encoding of ['latin1', 'hex', 'base64', 'utf8'] as const) {
          const text = node.toString(encoding);
          expect(own.toString(encoding)).toBe(text);
          if (encoding !== 'utf8') expect([...OwnBuffer.from(text, encoding)]).toEqual([...bytes]);
          else expect([...OwnBuffer.from(text, 'utf8')]).toEqual([...Buffer.from(text, 'utf8')]);
        }
        expect([...OwnBuffer.concat([own, own.subarray(1)])]).toEqual([...Buffer.concat([node, node.subarray(1)])]);
      }),
    );
  });
});
