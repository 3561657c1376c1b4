// One pack on disk: records of code, an index of them, and a header that says where the index is. Records and indexes
// are only ever appended, the header is written last: who reads sees the pack as it was before or after, and what a
// killed or failing writer leaves behind the end is rubbish to be overwritten. Header, index and records carry
// checksums: what does not fit is not there.
//
//   header   magic, index: offset, length, checksum; checksum of the header           (words; 48 bytes)
//   record   checksum, lengths, stamp, SHA-256 of the source, unit                     (RECORD_HEADER)
//   index    JSON: identity of the pack, [path, offset, length, day of last use, …]
import { closeSync, fstatSync, readSync, renameSync, unlinkSync, writeSync, openSync } from 'node:fs';
import type { FileStamp } from '../../eval/file-stamp.ts';
import { checksumWords } from '../../util/checksum.ts';
import { fromBuffer, toBuffer } from '../../util/bytes.ts';
import { openOwnFile } from './own-files.ts';

const MAGIC = [0x6e736974, 0x6b702d78]; // "tsnix-pk"
const HEADER_WORDS = 12;
const HEADER_BYTES = 4 * HEADER_WORDS;
/** checksum (8), unit's length (4), format (4), stamp (40), hash (32). */
const RECORD_HEADER = 88;
const RECORD_FORMAT = 1;
const MAX_INDEX_BYTES = 1 << 28;

export interface PackRecord {
  readonly stamp: FileStamp;
  /** Whether the stamp was too young to be trusted. */
  readonly recent: boolean;
  /** SHA-256 of the source, hexadecimal. */
  readonly hash: string;
  readonly unit: Uint8Array;
}

export interface PackEntry {
  readonly offset: number;
  readonly length: number;
  /** Days since 1970. */
  day: number;
}

export interface PackContents {
  readonly entries: Map<string, PackEntry>;
  /** Where the next record goes. */
  readonly end: number;
}

export function encodeRecord(record: PackRecord): Buffer {
  const { stamp, unit } = record;
  const bytes = Buffer.alloc(RECORD_HEADER + ((unit.length + 7) & ~7));
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  view.setInt32(8, unit.length, true);
  view.setInt32(12, (RECORD_FORMAT << 1) | (record.recent ? 1 : 0), true);
  [stamp.size, stamp.mtimeMs, stamp.ctimeMs, stamp.ino, stamp.dev].forEach((value, i) => {
    view.setFloat64(16 + 8 * i, value, true);
  });
  bytes.write(record.hash, 56, 'hex');
  bytes.set(unit, RECORD_HEADER);
  const { low, high } = checksumWords(wordsOf(bytes, 8));
  view.setInt32(0, low, true);
  view.setInt32(4, high, true);
  return bytes;
}

/** Undefined where it is damaged. */
export function decodeRecord(bytes: Buffer): PackRecord | undefined {
  if (bytes.length < RECORD_HEADER || bytes.length % 8 !== 0) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const { low, high } = checksumWords(wordsOf(bytes, 8));
  if (view.getInt32(0, true) !== low || view.getInt32(4, true) !== high) return undefined;
  const length = view.getInt32(8, true);
  const format = view.getInt32(12, true);
  if (format >> 1 !== RECORD_FORMAT || length < 0 || length > bytes.length - RECORD_HEADER) return undefined;
  const number = (i: number): number => view.getFloat64(16 + 8 * i, true);
  return {
    stamp: { size: number(0), mtimeMs: number(1), ctimeMs: number(2), ino: number(3), dev: number(4) },
    recent: (format & 1) !== 0,
    hash: bytes.toString('hex', 56, RECORD_HEADER),
    unit: bytes.subarray(RECORD_HEADER, RECORD_HEADER + length),
  };
}

function wordsOf(bytes: Uint8Array, from: number): Int32Array {
  return new Int32Array(bytes.buffer, bytes.byteOffset + from, (bytes.length - from) >> 2);
}

/** Exactly these bytes, in a buffer of their own; undefined where the file ends before. */
function readAt(fd: number, offset: number, length: number): Buffer | undefined {
  const bytes = Buffer.allocUnsafeSlow(length);
  for (let at = 0; at < length;) {
    const count = readSync(fd, bytes, at, length - at, offset + at);
    if (count === 0) return undefined;
    at += count;
  }
  return bytes;
}

function writeAt(fd: number, bytes: Uint8Array, offset: number): void {
  for (let at = 0; at < bytes.length;) at += writeSync(fd, bytes, at, bytes.length - at, offset + at);
}

function encodeHeader(indexAt: number, index: Buffer): Buffer {
  const words = new Int32Array(HEADER_WORDS);
  const offsets = new Float64Array(words.buffer, 8, 2);
  words.set(MAGIC);
  offsets[0] = indexAt;
  offsets[1] = index.length;
  const sum = checksumWords(wordsOf(index, 0));
  words[6] = sum.low;
  words[7] = sum.high;
  const own = checksumWords(words.subarray(0, 8));
  words[8] = own.low;
  words[9] = own.high;
  return Buffer.from(words.buffer);
}

function encodeIndex(identity: string, entries: ReadonlyMap<string, PackEntry>): Buffer {
  const flat: (string | number)[] = [identity];
  for (const [path, { offset, length, day }] of entries) flat.push(path, offset, length, day);
  const text = JSON.stringify(flat);
  return toBuffer(text.padEnd((text.length + 7) & ~7));
}

/** An open pack. */
export class PackFile {
  readonly identity: string;
  private readonly fd: number;

  private constructor(fd: number, identity: string) {
    this.fd = fd;
    this.identity = identity;
  }

  static open(file: string, identity: string, writable: boolean): PackFile | undefined {
    const fd = openOwnFile(file, writable);
    return fd === undefined ? undefined : new PackFile(fd, identity);
  }

  /** What the pack holds now; undefined where it is damaged or another's. */
  contents(): PackContents | undefined {
    const header = readAt(this.fd, 0, HEADER_BYTES);
    if (header === undefined) return undefined;
    const words = wordsOf(header, 0);
    const own = checksumWords(words.subarray(0, 8));
    if (words[0] !== MAGIC[0] || words[1] !== MAGIC[1] || words[8] !== own.low || words[9] !== own.high) {
      return undefined;
    }
    const [indexAt, indexLength] = new Float64Array(header.buffer, 8, 2) as unknown as [number, number];
    if (!(indexLength <= MAX_INDEX_BYTES && indexAt + indexLength <= fstatSync(this.fd).size)) return undefined;
    const index = readAt(this.fd, indexAt, indexLength);
    if (index === undefined) return undefined;
    const sum = checksumWords(wordsOf(index, 0));
    if (words[6] !== sum.low || words[7] !== sum.high) return undefined;
    const flat = JSON.parse(fromBuffer(index)) as [string, ...(string | number)[]];
    if (flat[0] !== this.identity) return undefined;
    const entries = new Map<string, PackEntry>();
    for (let i = 1; i < flat.length; i += 4) {
      const [path, offset, length, day] = flat.slice(i, i + 4) as [string, number, number, number];
      entries.set(path, { offset, length, day });
    }
    return { entries, end: indexAt + indexLength };
  }

  read(entry: PackEntry): PackRecord | undefined {
    const bytes = readAt(this.fd, entry.offset, entry.length);
    return bytes === undefined ? undefined : decodeRecord(bytes);
  }

  /** The record as it is. */
  readRaw(entry: PackEntry): Buffer | undefined {
    return readAt(this.fd, entry.offset, entry.length);
  }

  /** Adds records behind `contents`, and makes them seen. */
  append(contents: PackContents, records: ReadonlyMap<string, Buffer>, day: number): void {
    let { end } = contents;
    const entries = new Map(contents.entries);
    for (const [path, record] of records) {
      writeAt(this.fd, record, end);
      entries.set(path, { offset: end, length: record.length, day });
      end += record.length;
    }
    const index = encodeIndex(this.identity, entries);
    writeAt(this.fd, index, end);
    writeAt(this.fd, encodeHeader(end, index), 0);
  }

  close(): void {
    closeSync(this.fd);
  }
}

/** Writes a whole pack in place of what is there. */
export function replacePack(file: string, identity: string, records: Iterable<[string, Buffer, number]>): void {
  const temporary = `${file}.${process.pid}.new`;
  try {
    unlinkSync(temporary);
  } catch {
    // as it should be: nobody else has this process' number
  }
  const fd = openSync(temporary, 'wx', 0o600);
  try {
    const entries = new Map<string, PackEntry>();
    let end = HEADER_BYTES;
    for (const [path, record, day] of records) {
      writeAt(fd, record, end);
      entries.set(path, { offset: end, length: record.length, day });
      end += record.length;
    }
    const index = encodeIndex(identity, entries);
    writeAt(fd, index, end);
    writeAt(fd, encodeHeader(end, index), 0);
    renameSync(temporary, file);
  } catch (error) {
    unlinkSync(temporary);
    throw error;
  } finally {
    closeSync(fd);
  }
}
