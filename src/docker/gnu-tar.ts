// Archives exactly as GNU tar 1.34 writes them in its default (gnu) format: the header of every kind of member, long
// names and link targets as "././@LongLink" members, records of 20 blocks. Names, targets and owner names are byte
// strings and are written as they are given (directories with their slash).
// @see GNU tar manual, "Basic Tar Format" and "GNU Extensions to the Archive Format"
import { StoreError } from '../util/errors.ts';

export type TarType = 'file' | 'link' | 'symlink' | 'char' | 'block' | 'directory' | 'fifo';

/** One member of an archive. */
export interface TarHeader {
  /** As in the archive; directories end in a slash. */
  readonly name: string;
  readonly type: TarType;
  /** Permission bits, with setuid, setgid and sticky. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly uname: string;
  readonly gname: string;
  /** Bytes of contents; 0 for all but files. */
  readonly size: number;
  /** Unix seconds. */
  readonly mtime: number;
  /** Target of a symlink, name of the member that a link is the same file as; else empty. */
  readonly linkName: string;
  /** Of device nodes. */
  readonly deviceMajor?: number;
  readonly deviceMinor?: number;
}

export const BLOCK_BYTES = 512;
/** GNU tar's default blocking: archives are padded to a multiple of it. */
export const RECORD_BYTES = 20 * BLOCK_BYTES;

// Offsets and widths of the fields of a header block.
const NAME_BYTES = 100;
const MODE_AT = 100;
const UID_AT = 108;
const GID_AT = 116;
const SIZE_AT = 124;
const MTIME_AT = 136;
const CHECKSUM_AT = 148;
const TYPE_AT = 156;
const LINK_AT = 157;
const MAGIC_AT = 257;
const UNAME_AT = 265;
const GNAME_AT = 297;
const OWNER_NAME_BYTES = 32;
const DEVICE_MAJOR_AT = 329;
const DEVICE_MINOR_AT = 337;

const TYPE_FLAGS: Readonly<Record<TarType, string>> = {
  file: '0',
  link: '1',
  symlink: '2',
  char: '3',
  block: '4',
  directory: '5',
  fifo: '6',
};

function putString(block: Buffer, offset: number, width: number, text: string): void {
  block.write(text, offset, Math.min(width, text.length), 'latin1');
}

/** Octal with a NUL at the end where it fits, else big-endian base 256 with the top bit set. */
function putNumber(block: Buffer, offset: number, width: number, value: number): void {
  if (!Number.isSafeInteger(value)) throw new RangeError(`tar: number ${value} out of range`);
  if (value >= 0 && value < 8 ** (width - 1)) {
    block.write(value.toString(8).padStart(width - 1, '0'), offset, width - 1, 'latin1');
    block[offset + width - 1] = 0;
    return;
  }
  let rest = BigInt(value);
  for (let i = offset + width - 1; i > offset; i--) {
    block[i] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  block[offset] = value < 0 ? 0xff : 0x80;
}

function putChecksum(block: Buffer, start: number): void {
  let sum = 8 * 0x20;
  for (let i = start; i < start + CHECKSUM_AT; i++) sum += block[i]!;
  for (let i = start + TYPE_AT; i < start + BLOCK_BYTES; i++) sum += block[i]!;
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, start + CHECKSUM_AT, 8, 'latin1');
}

function roundUp(size: number): number {
  return Math.ceil(size / BLOCK_BYTES) * BLOCK_BYTES;
}

function longBytes(text: string): number {
  return text.length > NAME_BYTES ? BLOCK_BYTES + roundUp(text.length + 1) : 0;
}

/** Zero bytes that follow contents of `size` bytes. */
export function paddingAfter(size: number): number {
  return roundUp(size) - size;
}

/** Bytes that `encodeTarHeader` gives for a member. */
export function tarHeaderBytes(header: TarHeader): number {
  return longBytes(header.linkName) + longBytes(header.name) + BLOCK_BYTES;
}

/** Writes a member that holds a text too long for its field; the owner is always root, as tar has it. */
function putLong(out: Buffer, at: number, type: 'K' | 'L', text: string): number {
  putString(out, at, NAME_BYTES, '././@LongLink');
  putNumber(out, at + MODE_AT, 8, 0o644);
  putNumber(out, at + UID_AT, 8, 0);
  putNumber(out, at + GID_AT, 8, 0);
  putNumber(out, at + SIZE_AT, 12, text.length + 1);
  putNumber(out, at + MTIME_AT, 12, 0);
  putString(out, at + TYPE_AT, 1, type);
  putString(out, at + MAGIC_AT, 8, 'ustar  \0');
  putString(out, at + UNAME_AT, OWNER_NAME_BYTES, 'root');
  putString(out, at + GNAME_AT, OWNER_NAME_BYTES, 'root');
  putChecksum(out, at);
  out.write(text, at + BLOCK_BYTES, text.length, 'latin1');
  return at + BLOCK_BYTES + roundUp(text.length + 1);
}

/**
 * The header blocks of one member: long link target, long name, header.
 * @throws StoreError where a name holds a NUL
 */
export function encodeTarHeader(header: TarHeader): Buffer {
  if (header.name.includes('\0') || header.linkName.includes('\0')) {
    throw new StoreError(`tar member '${header.name}' has a NUL in its name or target`);
  }
  const out = Buffer.alloc(tarHeaderBytes(header));
  let at = 0;
  if (header.linkName.length > NAME_BYTES) at = putLong(out, at, 'K', header.linkName);
  if (header.name.length > NAME_BYTES) at = putLong(out, at, 'L', header.name);
  putString(out, at, NAME_BYTES, header.name);
  putNumber(out, at + MODE_AT, 8, header.mode & 0o7777);
  putNumber(out, at + UID_AT, 8, header.uid);
  putNumber(out, at + GID_AT, 8, header.gid);
  putNumber(out, at + SIZE_AT, 12, header.size);
  putNumber(out, at + MTIME_AT, 12, header.mtime);
  putString(out, at + TYPE_AT, 1, TYPE_FLAGS[header.type]);
  putString(out, at + LINK_AT, NAME_BYTES, header.linkName);
  putString(out, at + MAGIC_AT, 8, 'ustar  \0');
  putString(out, at + UNAME_AT, OWNER_NAME_BYTES, header.uname);
  putString(out, at + GNAME_AT, OWNER_NAME_BYTES, header.gname);
  if (header.type === 'char' || header.type === 'block') {
    putNumber(out, at + DEVICE_MAJOR_AT, 8, header.deviceMajor ?? 0);
    putNumber(out, at + DEVICE_MINOR_AT, 8, header.deviceMinor ?? 0);
  }
  putChecksum(out, at);
  return out;
}

/**
 * Name that a numeric `--owner` or `--group` gets. tar asks the machine it runs on; we know root alone, so that an
 * archive never depends on where it was made.
 */
export function ownerName(id: number): string {
  return id === 0 ? 'root' : '';
}
