import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { brotliCompressSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { describeWith } from '../../test/support/requirements.ts';
import { decompress, decompressDetected, decompressSmall, detectCompression, type Compression } from './decompress.ts';

/** Half noise, half runs; larger than any buffer on the way. */
const text = Buffer.concat([randomBytes(700_000), Buffer.alloc(1_500_000, 'abc '), Buffer.from('end')]);

async function* pieces(data: Uint8Array, size: number): AsyncGenerator<Uint8Array, void> {
  for (let at = 0; at < data.length; at += size) {
    await Promise.resolve();
    yield data.subarray(at, at + size);
  }
}

async function collect(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of source) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}

function suite(compression: Compression, compressed: (data: Buffer) => Buffer): void {
  const archive = compressed(text);
  it.each([1000, 65536, 10_000_000])('reads what its own program wrote, in pieces of %i bytes', async (size) => {
    expect((await collect(decompress(pieces(archive, size), compression))).equals(text)).toBe(true);
    if (compression === 'br') return;
    expect(detectCompression(archive)).toBe(compression);
    expect((await collect(decompressDetected(pieces(archive, size)))).equals(text)).toBe(true);
  });
  it('reads nothing', async () => {
    expect(await collect(decompress(pieces(compressed(Buffer.alloc(0)), 7), compression))).toEqual(Buffer.alloc(0));
  });
  it.each([0, 1, 5, 100, archive.length - 5, archive.length - 1])('refuses an end after %i bytes', async (length) => {
    await expect(collect(decompress(pieces(archive.subarray(0, length), 5000), compression))).rejects.toThrow(
      `cannot decompress ${compression} data: `,
    );
  });
  it('does in memory what it does in a stream', () => {
    const small = compressed(text.subarray(0, 50_000));
    const got = decompressSmall(small, compression, 50_000);
    if (got === undefined) return; // it has none
    expect(text.subarray(0, 50_000).equals(got)).toBe(true);
    expect(() => decompressSmall(small, compression, 49_999)).toThrow('cannot decompress');
    expect(() => decompressSmall(small.subarray(0, 30_000), compression, 50_000)).toThrow('cannot decompress');
    expect(() => decompressSmall(new Uint8Array(0), compression, 50_000)).toThrow('cannot decompress');
  });
  it('refuses damage', async () => {
    const bad = Buffer.from(archive);
    bad[0] = bad[0]! ^ 0xff;
    bad.fill(0xa5, 600_000, 600_100);
    await expect(collect(decompress(pieces(bad, 65536), compression))).rejects.toThrow('cannot decompress');
  });
  it('passes on what its source throws', async () => {
    const failing = async function* (): AsyncGenerator<Uint8Array, void> {
      yield* pieces(archive.subarray(0, 100_000), 10_000);
      throw new Error('the network went away');
    };
    await expect(collect(decompress(failing(), compression))).rejects.toThrow('the network went away');
  });
  it('lets go of its source when the reader stops', async () => {
    let closed = false;
    const source = async function* (): AsyncGenerator<Uint8Array, void> {
      try {
        yield* pieces(archive, 10_000);
      } finally {
        closed = true;
      }
    };
    for await (const chunk of decompress(source(), compression)) {
      expect(chunk.length).toBeGreaterThan(0);
      break;
    }
    await new Promise((resolve) => setImmediate(resolve));
    expect(closed).toBe(true);
  });
}

describe('gzip', () => {
  suite('gzip', (data) => gzipSync(data));
});
describe('zstd', () => {
  suite('zstd', (data) => zstdCompressSync(data));
});
describe('br', () => {
  suite('br', (data) => brotliCompressSync(data, { params: {} }));
});
for (const [program, compression] of [
  ['xz', 'xz'],
  ['bzip2', 'bzip2'],
] as const) {
  describeWith([program], program, () => {
    const run = (data: Buffer): Buffer => execFileSync(program, ['-c'], { input: data, maxBuffer: 1 << 28 });
    suite(compression, run);
    it('reads several streams in a row', async () => {
      const two = Buffer.concat([run(text), run(Buffer.from('more'))]);
      expect((await collect(decompress(pieces(two, 30_000), compression))).length).toBe(text.length + 4);
    });
  });
}

describe('none', () => {
  it('is what everything else is taken for', async () => {
    expect(detectCompression(Buffer.from('x'))).toBe('none');
    expect((await collect(decompressDetected(pieces(Buffer.from('plain'), 2)))).toString()).toBe('plain');
  });
});
