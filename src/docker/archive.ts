// Reads tar archives that others made, plain or compressed, through tar-stream. What it hands on is checked: names are
// split into safe parts, sizes are bounded, unknown kinds of members are refused. Nothing is ever written under a name
// from an archive.
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { extract } from 'tar-stream';
import type { Header } from 'tar-stream';
import { detectCompression as detectByHead } from '../fetch/decompress.ts';
import type { DetectedCompression } from '../fetch/decompress.ts';
import { fsPath, utf8 } from '../util/bytes.ts';
import { StoreError } from '../util/errors.ts';
import { decompress } from './compression.ts';
import type { TarHeader, TarType } from './gnu-tar.ts';
import { writeChunks } from './write-file.ts';

/** A part of a file: an archive of its own, or the contents of a member. */
export interface Region {
  readonly path: string;
  readonly offset: number;
  readonly size: number;
}

export interface ArchiveMember {
  readonly header: TarHeader;
  /** Where its contents begin in the archive, in bytes. */
  readonly offset: number;
}

/** An image has tens of thousands of files; this many are an attack. */
const MAX_MEMBERS = 5_000_000;
const MAX_NAME_BYTES = 4096;

const TYPES: Readonly<Record<string, TarType>> = {
  file: 'file',
  'contiguous-file': 'file',
  link: 'link',
  symlink: 'symlink',
  'character-device': 'char',
  'block-device': 'block',
  directory: 'directory',
  fifo: 'fifo',
};

/** By its first bytes. */
export async function detectCompression(region: Region): Promise<DetectedCompression> {
  const handle = await open(fsPath(region.path));
  try {
    const head = Buffer.alloc(6);
    await handle.read(head, 0, Math.min(6, region.size), region.offset);
    return detectByHead(head);
  } finally {
    await handle.close();
  }
}

/** As a stream of fresh chunks. */
export function readRegion({ path, offset, size }: Region): Readable {
  return size === 0
    ? Readable.from([])
    : createReadStream(fsPath(path), { start: offset, end: offset + size - 1, highWaterMark: 256 * 1024 });
}

/**
 * The same contents without compression: the region itself, or a new file `spool` (removed by whoever owns its
 * directory).
 */
export async function decompressed(region: Region, spool: string, signal?: AbortSignal): Promise<Region> {
  const compression = await detectCompression(region);
  if (compression === 'none') return region;
  const size = await writeChunks(spool, decompress(readRegion(region), compression, `'${region.path}'`), signal);
  return { path: spool, offset: 0, size };
}

function toHeader(headers: Header, what: string): TarHeader {
  const type = TYPES[headers.type ?? ''];
  if (type === undefined) throw new StoreError(`${what}: member '${headers.name}' is of an unknown kind`);
  // Names in pax headers are text, all others are bytes.
  const pax = (headers.pax ?? {}) as Readonly<Record<string, string>>;
  const name = pax['path'] === undefined ? headers.name : utf8(pax['path']);
  const linkName = pax['linkpath'] === undefined ? (headers.linkname ?? '') : utf8(pax['linkpath']);
  if (name.length > MAX_NAME_BYTES || linkName.length > MAX_NAME_BYTES) {
    throw new StoreError(`${what}: the name of a member is too long`);
  }
  const owner = (key: string, field: number | undefined): number => {
    const value = pax[key] === undefined ? (field ?? 0) : Number(pax[key]);
    if (!Number.isInteger(value) || value < 0 || value >= 2 ** 32) {
      throw new StoreError(`${what}: member '${name}' has an invalid owner`);
    }
    return value;
  };
  return {
    name,
    type,
    mode: (headers.mode ?? 0) & 0o7777,
    uid: owner('uid', headers.uid),
    gid: owner('gid', headers.gid),
    uname: headers.uname ?? '',
    gname: headers.gname ?? '',
    size: type === 'file' ? (headers.size ?? 0) : 0,
    mtime: Math.floor((headers.mtime?.getTime() ?? 0) / 1000),
    linkName,
    ...(type === 'char' || type === 'block'
      ? { deviceMajor: headers.devmajor ?? 0, deviceMinor: headers.devminor ?? 0 }
      : {}),
  };
}

/**
 * Members of a plain archive, in order; contents are skipped (read them as regions).
 * @param what what it is, for messages
 * @throws StoreError where it is damaged, cut short or hostile
 */
export function readArchive(archive: Region, what: string, signal?: AbortSignal): AsyncGenerator<ArchiveMember> {
  return readArchiveStream(readRegion(archive), archive.size, what, signal);
}

/** The same for an archive that comes in pieces. @param size of it all; Infinity where nobody knows */
export async function* readArchiveStream(
  source: Readable,
  size: number,
  what: string,
  signal?: AbortSignal,
): AsyncGenerator<ArchiveMember> {
  // The types of tar-stream know no options; bytes must stay bytes.
  const parser = (extract as (options: object) => ReturnType<typeof extract>)({
    filenameEncoding: 'latin1',
    allowUnknownFormat: true,
  });
  const fed = pipeline(source, parser, { signal }).then(
    () => undefined,
    (error: unknown) => error,
  );
  let count = 0;
  let end = 0;
  try {
    for await (const entry of parser) {
      if (++count > MAX_MEMBERS) throw new StoreError(`${what} has too many members`);
      const headers = entry.header as Header & { byteOffset: number };
      const header = toHeader(headers, what);
      end = headers.byteOffset + header.size;
      if (!(end <= size)) throw new StoreError(`${what} is cut short`);
      yield { header, offset: headers.byteOffset };
      entry.resume();
    }
    const failure = await fed;
    if (failure !== undefined) throw failure as Error;
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof StoreError) throw error;
    throw new StoreError(`${what} is not a valid tar archive: ${(error as Error).message}`, { cause: error });
  } finally {
    source.destroy();
    parser.destroy();
  }
}

/** Where the contents of a member lie. */
export function contentsOf(archive: Region, { header, offset }: ArchiveMember): Region {
  return { path: archive.path, offset: archive.offset + offset, size: header.size };
}

/**
 * Parts of a member's name below the root of its archive; none for the root itself.
 * @throws StoreError for a name with `..`
 */
export function safeParts(name: string, what: string): string[] {
  const parts = name.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.includes('..')) throw new StoreError(`${what}: the name '${name}' leads out of the archive`);
  return parts;
}

/** A small member, whole. @throws StoreError where it is larger than `limit` bytes */
export async function readSmall(region: Region, limit: number, what: string): Promise<Buffer> {
  if (region.size > limit) throw new StoreError(`${what} is too large (${region.size} bytes)`);
  const handle = await open(fsPath(region.path));
  try {
    const buffer = Buffer.alloc(region.size);
    const { bytesRead } = await handle.read(buffer, 0, region.size, region.offset);
    if (bytesRead !== region.size) throw new StoreError(`${what} is cut short`);
    return buffer;
  } finally {
    await handle.close();
  }
}
