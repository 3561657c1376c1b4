// gzip and zstd in libuv's threads, streaming, with the same bytes whatever the number of cores: the input is cut into blocks
// that are compressed independently and joined. Blocks of gzip have the end of the block before as their dictionary (as
// pigz does it), those of zstd are frames of their own. Input comes in parts; no block reaches from one into another and
// none has a dictionary from another, so a part's compressed bytes depend on nothing but the part, and can be kept.
import { createHash } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { promisify } from 'node:util';
import { constants, crc32, deflateRaw, zstdCompress } from 'node:zlib';
import type { ZlibOptions, ZstdOptions } from 'node:zlib';
import { combineCrc32 } from './crc32.ts';

const deflate = promisify<Uint8Array, ZlibOptions, Buffer>(deflateRaw);
const compressZstd = promisify<Uint8Array, ZstdOptions, Buffer>(zstdCompress);

type Chunks = AsyncIterable<Uint8Array> | Iterable<Uint8Array>;

/** Half of the work of gzip's usual 6, for three hundredths more bytes (docs/decisions/0009-compression.md). */
export const GZIP_LEVEL = 4;

export interface GzipOptions {
  /** 1 to 9. */
  readonly level?: number;
  /** Blocks in work at a time. */
  readonly jobs?: number;
}

/** What a part came to be. */
export interface CompressedPart {
  /** Where it begins in the output, and how long it is there. */
  readonly offset: number;
  readonly compressedSize: number;
  /** Of its compressed bytes, hexadecimal. */
  readonly sha256: string;
  /** Before compression. */
  readonly size: number;
  readonly crc32: number;
}

/** A part of the input; `compressed` is one that a part of the same bytes came to be before. */
export type Part = (
  | { readonly kind: 'plain'; readonly chunks: Chunks }
  | ({ readonly kind: 'compressed'; readonly chunks: Chunks } & Omit<CompressedPart, 'offset'>)
) & {
  /** Called when its last byte has been handed on. */
  readonly finished?: (made: CompressedPart) => void;
};

interface Method {
  readonly blockBytes: number;
  /** How much of the block before a block is told. */
  readonly windowBytes: number;
  readonly head: Buffer;
  readonly compress: (block: Buffer, dictionary: Buffer | undefined) => Promise<Buffer>;
  /** What ends it all, for input of this checksum and size. */
  readonly tail: (checksum: number, size: number) => Promise<Buffer>;
}

/** Magic, deflate, no flags, no time, no hint, made on Unix. */
const GZIP_HEADER = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3]);
/** An empty final block with fixed codes: ends the deflate stream after blocks that were flushed. */
const LAST_BLOCK = Buffer.from([0x03, 0x00]);
const GZIP_BLOCK_BYTES = 512 * 1024;

function gzipMethod(level: number): Method {
  return {
    blockBytes: GZIP_BLOCK_BYTES,
    windowBytes: 32 * 1024,
    head: GZIP_HEADER,
    compress: (block, dictionary) =>
      deflate(block, {
        level,
        finishFlush: constants.Z_SYNC_FLUSH,
        // As a rule all of it in one go: each piece of output more is a way to another thread and back.
        chunkSize: GZIP_BLOCK_BYTES / 2,
        ...(dictionary === undefined ? {} : { dictionary }),
      }),
    tail: (checksum, size) => {
      const trailer = Buffer.alloc(8);
      trailer.writeUInt32LE(checksum, 0);
      trailer.writeUInt32LE(size % 2 ** 32, 4);
      return Promise.resolve(Buffer.concat([LAST_BLOCK, trailer]));
    },
  };
}

const ZSTD_PARAMETERS = { [constants.ZSTD_c_compressionLevel]: 3, [constants.ZSTD_c_checksumFlag]: 1 };
const ZSTD: Method = {
  // It finds more in larger ones.
  blockBytes: 2 * 1024 * 1024,
  windowBytes: 0,
  head: Buffer.alloc(0),
  compress: (block) => compressZstd(block, { params: ZSTD_PARAMETERS }),
  // Of nothing there is a frame, too.
  tail: (_, size) =>
    size === 0 ? compressZstd(Buffer.alloc(0), { params: ZSTD_PARAMETERS }) : Promise.resolve(Buffer.alloc(0)),
};

/** Buffers of one size that are used again: V8 would let a hundred megabytes of them gather before it frees one. */
class Buffers {
  readonly #bytes: number;
  readonly #free: Buffer[] = [];

  constructor(bytes: number) {
    this.#bytes = bytes;
  }

  take(): Buffer {
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(this.#bytes);
  }

  giveBack(buffer: Buffer): void {
    this.#free.push(buffer);
  }
}

/** A buffer, filled up to `size`; whoever gets it gives it back. */
interface Block {
  readonly buffer: Buffer;
  readonly size: number;
}

/** Gathers chunks into blocks of the same size, but for the last. */
async function* cutIntoBlocks(chunks: Chunks, buffers: Buffers): AsyncGenerator<Block> {
  let buffer: Buffer | undefined;
  let used = 0;
  for await (const chunk of chunks) {
    let at = 0;
    while (at < chunk.length) {
      buffer ??= buffers.take();
      const count = Math.min(buffer.length - used, chunk.length - at);
      buffer.set(chunk.subarray(at, at + count), used);
      used += count;
      at += count;
      if (used === buffer.length) {
        yield { buffer, size: used };
        buffer = undefined;
        used = 0;
      }
    }
  }
  if (buffer !== undefined) yield { buffer, size: used };
}

/** Compressed bytes in the order of the input, while blocks are still in work. */
class Queue {
  /** A block in work, bytes that are there, or what is to be done when all before is through. */
  readonly #waiting: (Promise<Buffer> | Chunks | (() => void))[] = [];
  #working = 0;
  /** Bytes handed on. */
  offset = 0;

  /** @param done called when the block's own bytes are needed no more */
  work(block: Promise<Buffer>, done: () => void): void {
    // Awaited in order; a failure must not count as unhandled until then.
    block.then(done, () => undefined);
    this.#waiting.push(block);
    this.#working++;
  }

  add(next: Chunks | (() => void)): void {
    this.#waiting.push(next);
  }

  /** Hands on what comes before the last `jobs` blocks. */
  async *drain(jobs: number, watch: (bytes: Uint8Array) => void): AsyncGenerator<Uint8Array> {
    for (let next; (next = this.#waiting[0]) !== undefined;) {
      if (next instanceof Promise && this.#working <= jobs) return;
      void this.#waiting.shift();
      if (typeof next === 'function') {
        next();
        continue;
      }
      if (next instanceof Promise) this.#working--;
      for await (const bytes of next instanceof Promise ? [await next] : next) {
        if (bytes.length === 0) continue;
        this.offset += bytes.length;
        watch(bytes);
        yield bytes;
      }
    }
  }
}

async function* compressParts(
  parts: AsyncIterable<Part> | Iterable<Part>,
  method: Method,
  jobs: number,
): AsyncGenerator<Uint8Array> {
  const queue = new Queue();
  const buffers = new Buffers(method.blockBytes);
  let checksum = 0;
  let size = 0;
  // Of the part whose bytes are being handed on, where somebody wants to know.
  let hash: ReturnType<typeof createHash> | undefined;
  let begin = 0;
  const watch = (bytes: Uint8Array): void => {
    hash?.update(bytes);
  };
  const account = (part: { readonly crc32: number; readonly size: number }): void => {
    checksum = combineCrc32(checksum, part.crc32, part.size);
    size += part.size;
  };
  queue.add([method.head]);
  for await (const part of parts) {
    const { finished } = part;
    if (part.kind === 'compressed') {
      account(part);
      queue.add(() => {
        begin = queue.offset;
        hash = undefined;
      });
      queue.add(part.chunks);
      const { compressedSize, sha256, crc32: crc, size: plainSize } = part;
      queue.add(() => finished?.({ offset: begin, compressedSize, sha256, crc32: crc, size: plainSize }));
      yield* queue.drain(jobs - 1, watch);
      continue;
    }
    const sum = { crc32: 0, size: 0 };
    queue.add(() => {
      begin = queue.offset;
      hash = finished === undefined ? undefined : createHash('sha256');
    });
    let dictionary: Buffer | undefined;
    for await (const { buffer, size: blockSize } of cutIntoBlocks(part.chunks, buffers)) {
      const block = buffer.subarray(0, blockSize);
      sum.crc32 = crc32(block, sum.crc32);
      sum.size += blockSize;
      queue.work(method.compress(block, dictionary), () => buffers.giveBack(buffer));
      // A copy: the block's buffer may be filled again before the next is there.
      dictionary = method.windowBytes === 0 ? undefined : Buffer.from(block.subarray(-method.windowBytes));
      yield* queue.drain(jobs - 1, watch);
    }
    account(sum);
    queue.add(() => {
      const compressedSize = queue.offset - begin;
      finished?.({ ...sum, offset: begin, compressedSize, sha256: hash?.digest('hex') ?? '' });
    });
  }
  yield* queue.drain(0, watch);
  yield await method.tail(checksum, size);
}

/** Threads that compress: libuv's. */
const threads = (): number => Math.min(availableParallelism(), Number(process.env['UV_THREADPOOL_SIZE']) || 4);
/** Blocks at once of a stream that is alone: some take several times as long as others, and they leave in order. */
const alone = (): number => 2 * threads() + 2;
/** Where several streams are made at once. */
const amongOthers = (): number => threads() + 1;

/** The gzip file of all parts, in chunks. Holds at most `jobs` blocks and their results. */
export function gzipParts(
  parts: AsyncIterable<Part> | Iterable<Part>,
  { level = GZIP_LEVEL, jobs = alone() }: GzipOptions = {},
): AsyncGenerator<Uint8Array> {
  return compressParts(parts, gzipMethod(level), jobs);
}

/** The zstd file of all parts, in chunks. */
export function zstdParts(parts: AsyncIterable<Part> | Iterable<Part>): AsyncGenerator<Uint8Array> {
  return compressParts(parts, ZSTD, alone());
}

/** As one of several that are made at once. */
export function gzip(chunks: Chunks, options?: GzipOptions): AsyncGenerator<Uint8Array> {
  return gzipParts([{ kind: 'plain', chunks }], { jobs: amongOthers(), ...options });
}

/** As one of several that are made at once. */
export function zstd(chunks: Chunks): AsyncGenerator<Uint8Array> {
  return compressParts([{ kind: 'plain', chunks }], ZSTD, amongOthers());
}
