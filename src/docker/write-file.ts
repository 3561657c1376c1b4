// Writing and hashing streams of chunks.
import { createHash } from 'node:crypto';
import type { Hash } from 'node:crypto';
import { closeSync, openSync, readSync, statSync, writeSync } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { fsPath } from '../util/bytes.ts';
import { StoreError } from '../util/errors.ts';
import type { Region } from './archive.ts';

/** So often others get a turn. */
const TURN_BYTES = 4 * 1024 * 1024;
const CHUNK_BYTES = 256 * 1024;

interface Written {
  /** Bytes. */
  readonly size: number;
  /** Hexadecimal. */
  readonly sha256: string;
}

/** Writes a new file of `chunks`. @returns its size in bytes */
export async function writeChunks(
  path: string,
  chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  signal?: AbortSignal,
  watch?: (chunk: Uint8Array) => void,
): Promise<number> {
  const fd = openSync(fsPath(path), 'wx', 0o644);
  let size = 0;
  let turnAt = TURN_BYTES;
  try {
    for await (const chunk of chunks) {
      for (let at = 0; at < chunk.length;) at += writeSync(fd, chunk, at);
      watch?.(chunk);
      size += chunk.length;
      if (size >= turnAt) {
        signal?.throwIfAborted();
        await nextTurn();
        turnAt = size + TURN_BYTES;
      }
    }
  } finally {
    closeSync(fd);
  }
  return size;
}

/** The same, hashing on the way. */
export async function writeHashed(
  path: string,
  chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  signal?: AbortSignal,
): Promise<Written> {
  const hash = createHash('sha256');
  const size = await writeChunks(path, chunks, signal, (chunk) => hash.update(chunk));
  return { size, sha256: hash.digest('hex') };
}

/** A whole file. */
export function fileRegion(path: string): Region {
  return { path, offset: 0, size: statSync(fsPath(path)).size };
}

/** Chunks of a part of a file; each is valid until the next is asked for. */
export function* regionChunks(region: Region): Generator<Buffer> {
  const fd = openSync(fsPath(region.path), 'r');
  try {
    yield* openRegionChunks(fd, region);
  } finally {
    closeSync(fd);
  }
}

/** The same of a file that is open, and stays so. */
export function* openRegionChunks(fd: number, { path, offset, size }: Region): Generator<Buffer> {
  const buffer = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, Math.max(1, size)));
  for (let done = 0; done < size;) {
    const got = readSync(fd, buffer, 0, Math.min(buffer.length, size - done), offset + done);
    if (got === 0) throw new StoreError(`file '${path}' is cut short`);
    yield buffer.subarray(0, got);
    done += got;
  }
}

/** SHA-256 of chunks, hexadecimal. */
export async function hashChunks(chunks: Iterable<Uint8Array>, signal?: AbortSignal): Promise<string> {
  const hash: Hash = createHash('sha256');
  let left = TURN_BYTES;
  for (const chunk of chunks) {
    hash.update(chunk);
    left -= chunk.length;
    if (left <= 0) {
      signal?.throwIfAborted();
      await nextTurn();
      left = TURN_BYTES;
    }
  }
  return hash.digest('hex');
}

/** SHA-256 of a part of a file, hexadecimal. */
export function hashRegion(region: Region, signal?: AbortSignal): Promise<string> {
  return hashChunks(regionChunks(region), signal);
}

/** SHA-256 of a byte string, hexadecimal. */
export function hashText(text: string): string {
  return createHash('sha256').update(text, 'latin1').digest('hex');
}
