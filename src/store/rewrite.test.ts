import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { rewriteChunks } from './rewrite.ts';

const from = '0'.repeat(31) + 'a';
const to = '1'.repeat(31) + 'b';

describe('rewriteChunks()', () => {
  it('replaces hash parts wherever the chunks are cut', () => {
    const text = `${from}x${from}${from}-${'0'.repeat(40)}a${from.slice(1)}`;
    const expected = text.replaceAll(from, to);
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: text.length }), { maxLength: 8 }), (cuts) => {
        const points = [0, ...cuts.sort((a, b) => a - b), text.length];
        const chunks = points.slice(1).map((end, index) => Buffer.from(text.slice(points[index], end)));
        const out = Buffer.concat([...rewriteChunks(chunks, new Map([[from, to]]))]).toString();
        expect(out).toBe(expected);
      }),
    );
  });
});
