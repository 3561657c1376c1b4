// Streams made smaller and larger: gzip and zstd, with the same bytes each time, and a guard against bombs.
import { Readable, pipeline } from 'node:stream';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { StoreError } from '../util/errors.ts';
import { utf8 } from '../util/bytes.ts';
import { gzip, zstd } from './gzip.ts';

export type Compression = 'none' | 'gzip' | 'zstd';

/** What expands to more than this … */
const BOMB_BYTES = 1024 ** 3;
/** … and by more than this is no image: real ones shrink to a third or so, and seldom below a twentieth. */
const BOMB_RATIO = 200;

export type Pieces = AsyncIterable<Uint8Array> | Iterable<Uint8Array>;

export function compress(pieces: Pieces, compression: Compression): AsyncIterable<Uint8Array> {
  if (compression === 'gzip') return gzip(pieces);
  if (compression === 'zstd') return zstd(pieces);
  return Symbol.asyncIterator in pieces ? pieces : Readable.from(pieces, { objectMode: true });
}

/**
 * @param what what it is, for messages
 * @throws StoreError where it is damaged, cut short or a bomb; whatever `pieces` throws
 */
export async function* decompress(
  pieces: AsyncIterable<Uint8Array>,
  compression: Compression,
  what: string,
): AsyncGenerator<Uint8Array> {
  if (compression === 'none') {
    yield* pieces;
    return;
  }
  let read = 0;
  let failure: unknown;
  const counted = async function* (): AsyncGenerator<Uint8Array> {
    try {
      for await (const piece of pieces) {
        read += piece.length;
        yield piece;
      }
    } catch (error) {
      failure = error;
      throw error;
    }
  };
  const decoder = compression === 'gzip' ? createGunzip({ chunkSize: 128 * 1024 }) : createZstdDecompress();
  const stream = pipeline(Readable.from(counted(), { objectMode: true }), decoder, () => undefined);
  let size = 0;
  try {
    for await (const piece of stream as AsyncIterable<Buffer>) {
      size += piece.length;
      if (size > BOMB_BYTES && size > read * BOMB_RATIO) {
        throw new StoreError(`${what} expands to more than ${BOMB_RATIO} times its size, like a bomb`);
      }
      yield piece;
    }
  } catch (error) {
    if (failure !== undefined) throw failure as Error;
    if (error instanceof StoreError) throw error;
    throw new StoreError(`cannot decompress ${what}: ${utf8((error as Error).message)}`, { cause: error });
  } finally {
    stream.destroy();
  }
}
