// gzip on all cores, streaming, with the same bytes whatever the number of cores: the input is cut into blocks that are
// deflated independently, each with the end of the block before as its dictionary, and joined (as pigz does it).
import { availableParallelism } from 'node:os';
import { promisify } from 'node:util';
import { constants, crc32, deflateRaw } from 'node:zlib';
import type { ZlibOptions } from 'node:zlib';

const deflate = promisify<Uint8Array, ZlibOptions, Buffer>(deflateRaw);

const BLOCK_BYTES = 512 * 1024;
/** As far as deflate looks back. */
const WINDOW_BYTES = 32 * 1024;
/** Magic, deflate, no flags, no time, no hint, made on Unix. */
const HEADER = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3]);
/** An empty final block with fixed codes: ends the deflate stream after blocks that were flushed. */
const LAST_BLOCK = Buffer.from([0x03, 0x00]);

export interface GzipOptions {
  /** 1 to 9. */
  readonly level?: number;
  /** Blocks in work at a time. */
  readonly jobs?: number;
}

/** Gathers chunks into blocks of the same size, but for the last. */
function* cutIntoBlocks(chunks: Iterable<Uint8Array>): Generator<Buffer> {
  let block = Buffer.allocUnsafe(BLOCK_BYTES);
  let used = 0;
  for (const chunk of chunks) {
    let at = 0;
    while (at < chunk.length) {
      const count = Math.min(BLOCK_BYTES - used, chunk.length - at);
      block.set(chunk.subarray(at, at + count), used);
      used += count;
      at += count;
      if (used === BLOCK_BYTES) {
        yield block;
        block = Buffer.allocUnsafe(BLOCK_BYTES);
        used = 0;
      }
    }
  }
  if (used > 0) yield block.subarray(0, used);
}

/** The gzip file of `chunks`, in chunks. Holds at most `jobs` blocks and their results. */
export async function* gzip(chunks: Iterable<Uint8Array>, options: GzipOptions = {}): AsyncGenerator<Buffer> {
  const { level = 6, jobs = availableParallelism() + 1 } = options;
  const pending: Promise<Buffer>[] = [];
  let dictionary: Buffer | undefined;
  let checksum = 0;
  let size = 0;
  yield HEADER;
  for (const block of cutIntoBlocks(chunks)) {
    checksum = crc32(block, checksum);
    size = (size + block.length) % 2 ** 32;
    const settings = {
      level,
      finishFlush: constants.Z_SYNC_FLUSH,
      ...(dictionary === undefined ? {} : { dictionary }),
    };
    const job = deflate(block, settings);
    // Awaited in order below; a failure must not count as unhandled until then.
    job.catch(() => undefined);
    pending.push(job);
    dictionary = block.subarray(Math.max(0, block.length - WINDOW_BYTES));
    if (pending.length >= jobs) yield await pending.shift()!;
  }
  for (const job of pending) yield await job;
  yield LAST_BLOCK;
  const trailer = Buffer.alloc(8);
  trailer.writeUInt32LE(checksum >>> 0, 0);
  trailer.writeUInt32LE(size, 4);
  yield trailer;
}
