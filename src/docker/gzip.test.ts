import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { describeWith } from '../../test/support/requirements.ts';
import { gzip } from './gzip.ts';
import type { GzipOptions } from './gzip.ts';

async function compress(chunks: Iterable<Uint8Array>, options?: GzipOptions): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of gzip(chunks, options)) parts.push(part);
  return Buffer.concat(parts);
}

const SAMPLES: readonly (readonly [string, Buffer])[] = [
  ['nothing', Buffer.alloc(0)],
  ['a byte', Buffer.from('x')],
  ['one block', Buffer.alloc(512 * 1024, 'block ')],
  ['a block and a byte', Buffer.alloc(512 * 1024 + 1, 'abc')],
  ['noise', randomBytes(2_000_000)],
  ['text', Buffer.alloc(5_000_000, 'the quick brown fox jumps over the lazy dog; ')],
];

describe('gzip()', () => {
  it.each(SAMPLES)('%s comes back', async (_, bytes) => {
    expect(gunzipSync(await compress([bytes])).equals(bytes)).toBe(true);
  });
  it('gives the same bytes for any chunks and number of jobs', async () => {
    const bytes = Buffer.concat(SAMPLES.map(([, sample]) => sample));
    const pieces: Buffer[] = [];
    for (let at = 0; at < bytes.length; at += 77_777) pieces.push(bytes.subarray(at, at + 77_777));
    const one = await compress([bytes], { jobs: 1 });
    expect((await compress(pieces, { jobs: 7 })).equals(one)).toBe(true);
  });
  it('compresses across blocks', async () => {
    const noise = randomBytes(16 * 1024);
    const size = (await compress([Buffer.concat(Array.from({ length: 100 }, () => noise))])).length;
    expect(size).toBeLessThan(40_000);
  });
});

describeWith(['gzip'], 'gzip() against the program', () => {
  it('is read by it', async () => {
    for (const [, bytes] of SAMPLES) {
      const back = execFileSync('gzip', ['-dc'], { input: await compress([bytes]), maxBuffer: 2 ** 28 });
      expect(back.equals(bytes)).toBe(true);
    }
  });
});
