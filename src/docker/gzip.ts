// gzip and zstd on all cores, streaming, with the same bytes whatever the number of cores: the input is cut into blocks
// that are compressed independently and joined. Blocks of gzip have the end of the block before as their dictionary (as
// pigz does it), those of zstd are frames of their own.
import { availableParallelism } from 'node:os';
import { promisify } from 'node:util';
import { constants, crc32, deflateRaw, zstdCompress } from 'node:zlib';
import type { ZlibOptions, ZstdOptions } from 'node:zlib';

const deflate = promisify<Uint8Array, ZlibOptions, Buffer>(deflateRaw);
const compressZstd = promisify<Uint8Array, ZstdOptions, Buffer>(zstdCompress);

const BLOCK_BYTES = 512 * 1024;
/** zstd finds more in larger ones. */
const ZSTD_BLOCK_BYTES = 2 * 1024 * 1024;
const ZSTD_LEVEL = 3;
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
async function* cutIntoBlocks(
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  blockBytes: number,
): AsyncGenerator<Buffer> {
  let block = Buffer.allocUnsafe(blockBytes);
  let used = 0;
  for await (const chunk of chunks) {
    let at = 0;
    while (at < chunk.length) {
      const count = Math.min(blockBytes - used, chunk.length - at);
      block.set(chunk.subarray(at, at + count), used);
      used += count;
      at += count;
      if (used === blockBytes) {
        yield block;
        block = Buffer.allocUnsafe(blockBytes);
        used = 0;
      }
    }
  }
  if (used > 0) yield block.subarray(0, used);
}

/** The gzip file of `chunks`, in chunks. Holds at most `jobs` blocks and their results. */
export async function* gzip(
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  options: GzipOptions = {},
): AsyncGenerator<Buffer> {
  const { level = 6, jobs = availableParallelism() + 1 } = options;
  const pending: Promise<Buffer>[] = [];
  let dictionary: Buffer | undefined;
  let checksum = 0;
  let size = 0;
  yield HEADER;
  for await (const block of cutIntoBlocks(chunks, BLOCK_BYTES)) {
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

/** The zstd file of `chunks`, in chunks. */
export async function* zstd(chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): AsyncGenerator<Buffer> {
  const pending: Promise<Buffer>[] = [];
  const params = { [constants.ZSTD_c_compressionLevel]: ZSTD_LEVEL, [constants.ZSTD_c_checksumFlag]: 1 };
  let empty = true;
  for await (const block of cutIntoBlocks(chunks, ZSTD_BLOCK_BYTES)) {
    empty = false;
    const job = compressZstd(block, { params });
    job.catch(() => undefined);
    pending.push(job);
    if (pending.length >= availableParallelism() + 1) yield await pending.shift()!;
  }
  if (empty) pending.push(compressZstd(Buffer.alloc(0), { params }));
  for (const job of pending) yield await job;
}
