// Streams made smaller (gzip and zstd, with the same bytes each time) and larger (also xz and bzip2, as others publish
// archives), with a guard against bombs.
import { Readable, pipeline } from 'node:stream';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { decompress as decompressFetched } from '../fetch/decompress.ts';
import type { DetectedCompression } from '../fetch/decompress.ts';
import { StoreError } from '../util/errors.ts';
import { utf8 } from '../util/bytes.ts';
import { GZIP_LEVEL, gzip, gzipParts, zstd, zstdParts } from './gzip.ts';
import type { Part } from './gzip.ts';

/** What images are made with. */
export type Compression = 'none' | 'gzip' | 'zstd';

/** What expands to more than this … */
const BOMB_BYTES = 1024 ** 3;
/** … and by more than this is no image: real ones shrink to a third or so, and seldom below a twentieth. */
const BOMB_RATIO = 200;

/** What decides compressed bytes beside the input: the library, and how it is used. */
export function compressionMethod(compression: Compression): string {
  const version = { gzip: process.versions['zlib'], zstd: process.versions['zstd'], none: '' }[compression];
  return `${compression} 2 level ${compression === 'gzip' ? GZIP_LEVEL : ''} ${version ?? ''}`;
}

export type Pieces = AsyncIterable<Uint8Array> | Iterable<Uint8Array>;

export function compress(pieces: Pieces, compression: Compression): AsyncIterable<Uint8Array> {
  if (compression === 'gzip') return gzip(pieces);
  if (compression === 'zstd') return zstd(pieces);
  return Symbol.asyncIterator in pieces ? pieces : Readable.from(pieces, { objectMode: true });
}

/** One stream of parts, each of which has the same compressed bytes wherever it stands. */
export function compressParts(
  parts: AsyncIterable<Part> | Iterable<Part>,
  compression: Exclude<Compression, 'none'>,
): AsyncIterable<Uint8Array> {
  return compression === 'gzip' ? gzipParts(parts) : zstdParts(parts);
}

/** Node's own decoders in larger pieces than usual; the others by the libraries of downloads. */
function decoded(
  pieces: AsyncIterable<Uint8Array>,
  compression: Exclude<DetectedCompression, 'none'>,
): AsyncIterable<Uint8Array> {
  if (compression === 'xz' || compression === 'bzip2') return decompressFetched(pieces, compression);
  const decoder = compression === 'gzip' ? createGunzip({ chunkSize: 128 * 1024 }) : createZstdDecompress();
  return pipeline(Readable.from(pieces, { objectMode: true }), decoder, () => undefined);
}

/**
 * @param what what it is, for messages
 * @throws StoreError where it is damaged, cut short or a bomb; whatever `pieces` throws
 */
export async function* decompress(
  pieces: AsyncIterable<Uint8Array>,
  compression: DetectedCompression,
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
  let size = 0;
  try {
    // Left early, the loop closes what it reads from.
    for await (const piece of decoded(counted(), compression)) {
      size += piece.length;
      if (size > BOMB_BYTES && size > read * BOMB_RATIO) {
        failure = new StoreError(`${what} expands to more than ${BOMB_RATIO} times its size, like a bomb`);
        break;
      }
      yield piece;
    }
  } catch (error) {
    if (failure === undefined) {
      const { message } = error as Error;
      throw new StoreError(
        error instanceof StoreError ? `${what}: ${message}` : `cannot decompress ${what}: ${utf8(message)}`,
        { cause: error },
      );
    }
  }
  if (failure !== undefined) throw failure as Error;
}
