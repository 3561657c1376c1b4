// What servers put around bodies on the way (Content-Encoding): caches keep narinfos and logs compressed so.
import {
  brotliDecompressSync,
  createBrotliDecompress,
  createGunzip,
  createInflate,
  createZstdDecompress,
  gunzipSync,
  inflateSync,
  zstdDecompressSync,
} from 'node:zlib';
import type { Transform } from 'node:stream';
import { systemErrorText } from '../store/nar-dump.ts';
import { DownloadError } from './http-errors.ts';

/** undefined for bodies that are as they come. */
export function decoderOf(encoding: string): Transform | undefined {
  switch (encoding.toLowerCase()) {
    case 'gzip':
    case 'x-gzip':
      return createGunzip();
    case 'deflate':
      return createInflate();
    case 'br':
      return createBrotliDecompress();
    case 'zstd':
      return createZstdDecompress();
    default:
      return undefined;
  }
}

const decoders: Readonly<Record<string, (body: Buffer, options: { maxOutputLength: number }) => Buffer>> = {
  gzip: gunzipSync,
  'x-gzip': gunzipSync,
  deflate: inflateSync,
  br: brotliDecompressSync,
  zstd: zstdDecompressSync,
};

/** A small body. @throws DownloadError where it is not what it says, or longer than it may be */
export function decodeBody(body: Buffer, encoding: string, maxBytes: number, url: string): Buffer {
  const decode = decoders[encoding.toLowerCase()];
  if (decode === undefined) return body;
  try {
    return decode(body, { maxOutputLength: maxBytes });
  } catch (error) {
    const reason = `its Content-Encoding '${encoding}' can't be taken off: ${systemErrorText(error)}`;
    throw new DownloadError(`unable to download '${url}': ${reason}`, 'refused', { cause: error });
  }
}
