// Decompression for everything that is downloaded: archives of caches, tarballs, base images. A stream in, a stream
// out, a bounded buffer between them; what is damaged or ends early is an error, never a shorter result.
// See docs/decisions/0009-compression.md for the libraries.
import { Readable } from 'node:stream';
import type { ReadableStream } from 'node:stream/web';
import {
  brotliDecompressSync,
  constants,
  createBrotliDecompress,
  createGunzip,
  createZstdDecompress,
  gunzipSync,
  zstdDecompressSync,
} from 'node:zlib';
import { StoreError } from '../util/errors.ts';
import { utf8 } from '../util/bytes.ts';

export type Compression = 'none' | 'xz' | 'bzip2' | 'gzip' | 'zstd' | 'br';

/** What first bytes tell: brotli has no mark. */
export type DetectedCompression = Exclude<Compression, 'br'>;

const methods: readonly string[] = ['none', 'xz', 'bzip2', 'gzip', 'zstd', 'br'];

/** The method of this name (of a narinfo or a store's parameter), undefined where it is none of ours. */
export function findCompression(name: string): Compression | undefined {
  return methods.includes(name) ? (name as Compression) : undefined;
}

/** What these first bytes (6 suffice) of a file are compressed with. */
export function detectCompression(head: Uint8Array): DetectedCompression {
  const starts = (...bytes: number[]): boolean => bytes.every((byte, i) => head[i] === byte);
  if (starts(0x1f, 0x8b)) return 'gzip';
  if (starts(0x28, 0xb5, 0x2f, 0xfd)) return 'zstd';
  if (starts(0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00)) return 'xz';
  if (starts(0x42, 0x5a, 0x68)) return 'bzip2';
  return 'none';
}

/**
 * What `source` holds, decompressed.
 * @throws StoreError "cannot decompress …" for damaged and truncated data; whatever `source` throws
 */
export function decompress(source: AsyncIterable<Uint8Array>, compression: Compression): AsyncIterable<Uint8Array> {
  switch (compression) {
    case 'none':
      return source;
    case 'xz':
      return throughXz(source);
    case 'bzip2':
      return throughBzip2(source);
    case 'gzip':
    case 'zstd':
    case 'br':
      return throughZlib(source, compression);
  }
}

/**
 * As decompress(), for little data in memory: streams cost more than the work. Undefined where only a stream will do.
 * @throws StoreError, also where there is more than `maxBytes`
 */
export function decompressSmall(data: Uint8Array, compression: Compression, maxBytes: number): Uint8Array | undefined {
  const options = { maxOutputLength: maxBytes };
  try {
    switch (compression) {
      case 'none':
        return data;
      case 'gzip':
        return gunzipSync(data, options);
      case 'zstd':
        return zstdDecompressSync(data, { ...options, params: { [constants.ZSTD_d_windowLogMax]: 27 } });
      case 'br':
        return brotliDecompressSync(data, options);
      default:
        return undefined;
    }
  } catch (error) {
    throw damaged(compression, (error as Error).message);
  }
}

/** As decompress(), by the first bytes. */
export async function* decompressDetected(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void> {
  const { head, all } = await peek(source, 6);
  yield* decompress(all, detectCompression(head));
}

/** The first bytes, fewer than `count` only if there are no more; `all` has them too, and is to be read. */
export async function peek(
  source: AsyncIterable<Uint8Array>,
  count: number,
): Promise<{ readonly head: Buffer; readonly all: AsyncIterable<Uint8Array> }> {
  const iterator = source[Symbol.asyncIterator]();
  let head = Buffer.alloc(0);
  while (head.length < count) {
    const next = await iterator.next();
    if (next.done === true) break;
    head = Buffer.concat([head, next.value]);
  }
  const all = async function* (): AsyncGenerator<Uint8Array, void> {
    try {
      if (head.length > 0) yield head;
      for (let next = await iterator.next(); next.done !== true; next = await iterator.next()) yield next.value;
    } finally {
      await iterator.return?.();
    }
  };
  return { head, all: all() };
}

function damaged(compression: Compression, reason: string): StoreError {
  return new StoreError(`cannot decompress ${compression} data: ${utf8(reason)}`);
}

/** Passes chunks on, keeping the error that the source ended with: libraries wrap or swallow it. */
class Watched {
  error: Error | undefined;
  private readonly source: AsyncIterable<Uint8Array>;
  constructor(source: AsyncIterable<Uint8Array>) {
    this.source = source;
  }
  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void> {
    try {
      yield* this.source;
    } catch (error) {
      this.error = error instanceof Error ? error : new Error(String(error));
      throw error;
    }
  }
}

async function* throughZlib(
  source: AsyncIterable<Uint8Array>,
  compression: 'gzip' | 'zstd' | 'br',
): AsyncGenerator<Uint8Array, void> {
  const stage =
    compression === 'gzip'
      ? createGunzip()
      : compression === 'zstd'
        ? // Nix's limit too, and what `zstd --ultra` needs: windows of 128 MiB.
          createZstdDecompress({ params: { [constants.ZSTD_d_windowLogMax]: 27 } })
        : createBrotliDecompress();
  const watched = new Watched(source);
  const input = Readable.from(watched, { objectMode: false, highWaterMark: 1 << 18 });
  input.on('error', (error) => stage.destroy(error));
  input.pipe(stage);
  try {
    yield* stage as AsyncIterable<Uint8Array>;
  } catch (error) {
    throw watched.error ?? damaged(compression, (error as Error).message);
  } finally {
    input.destroy();
    stage.destroy();
  }
}

async function* throughXz(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void> {
  const { XzReadableStream } = await import('xz-decompress');
  const watched = new Watched(source);
  let size = 0;
  // What is pulled, not pushed, stays small.
  const input = new ReadableStreamOf(async function* (): AsyncGenerator<Uint8Array, void> {
    for await (const chunk of watched) {
      size += chunk.length;
      if (chunk.length > 0) yield chunk;
    }
    if (size === 0) throw damaged('xz', 'unexpected end of file');
  });
  try {
    for await (const chunk of new XzReadableStream(input.stream)) yield chunk;
  } catch (error) {
    if (error instanceof StoreError) throw error;
    throw watched.error ?? damaged('xz', 'the data are damaged or end early');
  } finally {
    await input.cancel();
  }
}

/** A web stream without read-ahead whose source is closed when its reader goes away. */
class ReadableStreamOf {
  readonly stream: ReadableStream<Uint8Array>;
  private readonly iterator: AsyncGenerator<Uint8Array, void>;
  constructor(make: () => AsyncGenerator<Uint8Array, void>) {
    const iterator = make();
    this.iterator = iterator;
    this.stream = new globalThis.ReadableStream<Uint8Array>(
      {
        async pull(controller): Promise<void> {
          const next = await iterator.next();
          if (next.done === true) controller.close();
          else controller.enqueue(next.value);
        },
      },
      { highWaterMark: 0 },
    );
  }
  async cancel(): Promise<void> {
    await this.iterator.return();
  }
}

/** Most that a block of 100,000 bytes takes compressed, and the tables before it. */
const blockBytes = (blockSize: number): number => 50_000 + 110_000 * blockSize;

async function* throughBzip2(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void> {
  const { default: bzip2 } = await import('unbzip2-stream/lib/bzip2.js');
  const { default: bitIterator } = await import('unbzip2-stream/lib/bit_iterator.js');
  // The reader wants a first buffer at once, and never an empty one after it.
  const queue: Uint8Array[] = [new Uint8Array(0)];
  let received = 0;
  const bits = bitIterator(() => {
    const next = queue.shift();
    if (next === undefined) throw damaged('bzip2', 'unexpected end of file');
    return next;
  });
  let blockSize = 0;
  let work = new Int32Array(0);
  let checksum = 0;
  let streams = 0;
  const sink = new ByteSink();
  /** One step: a header, a block, or the end of one of several streams. */
  const step = (): void => {
    try {
      if (blockSize === 0) {
        blockSize = bzip2.header(bits);
        if (work.length !== 100_000 * blockSize) work = new Int32Array(100_000 * blockSize);
        checksum = 0;
        streams++;
        return;
      }
      const next = bzip2.decompress(bits, sink.write, work, work.length, checksum);
      if (next === null) blockSize = 0;
      else checksum = next;
    } catch (error) {
      if (error instanceof StoreError) throw error;
      throw damaged('bzip2', 'the data are damaged');
    }
  };
  for await (const chunk of source) {
    if (chunk.length === 0) continue;
    queue.push(Uint8Array.from(chunk));
    received += chunk.length;
    // A whole block is there: it can be read without waiting.
    while (received - bits.bytesRead >= blockBytes(blockSize)) {
      step();
      yield* sink.take();
    }
  }
  while (received > bits.bytesRead || blockSize !== 0) {
    step();
    yield* sink.take();
  }
  if (streams === 0) throw damaged('bzip2', 'unexpected end of file');
}

/** Collects single bytes: a block of a few bytes may say many millions, so chunks of it are kept, not an array. */
class ByteSink {
  private full: Uint8Array[] = [];
  private chunk = Buffer.allocUnsafe(1 << 16);
  private at = 0;
  readonly write = (byte: number): void => {
    if (this.at === this.chunk.length) {
      this.full.push(this.chunk);
      this.chunk = Buffer.allocUnsafe(1 << 16);
      this.at = 0;
    }
    this.chunk[this.at++] = byte;
  };
  *take(): Generator<Uint8Array, void> {
    const { full } = this;
    this.full = [];
    yield* full;
    if (this.at > 0) yield this.chunk.subarray(0, this.at);
    this.chunk = Buffer.allocUnsafe(1 << 16);
    this.at = 0;
  }
}
