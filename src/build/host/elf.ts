// Reading of ELF files, as much as running a program elsewhere needs: which loader and which libraries it asks for.
// Input comes from the host but is checked as if hostile: every offset is tested before use.
// Layouts: System V ABI, "Object Files" (Elf64_Ehdr, Elf64_Phdr, Elf64_Dyn); only 64-bit little-endian is read.
import { NixError } from '../../util/errors.ts';

export class ElfError extends NixError {
  override readonly code = 'ELF';
}

export const PT_LOAD = 1;
export const PT_DYNAMIC = 2;
export const PT_INTERP = 3;
export const PT_NOTE = 4;
export const PT_GNU_PROPERTY = 0x6474e553;
/** Go's own marker segment (PT_SUNWSTACK's number); nothing reads it. */
export const PT_GO_MARKER = 0x65041580;

export const DT_NULL = 0n;
export const DT_NEEDED = 1n;
export const DT_STRTAB = 5n;
export const DT_SONAME = 14n;
export const DT_RPATH = 15n;
export const DT_DEBUG = 21n;
export const DT_RUNPATH = 29n;
export const DT_RELACOUNT = 0x6ffffff9n;

export const EM_X86_64 = 62;
export const EM_AARCH64 = 183;

/** One Elf64_Phdr. Sizes and offsets in bytes; all checked to be safe integers. */
export interface Segment {
  readonly type: number;
  readonly flags: number;
  readonly offset: number;
  readonly address: number;
  readonly fileSize: number;
  readonly memorySize: number;
  readonly align: number;
}

export interface DynamicEntry {
  /** Where the entry lies in the file. */
  readonly offset: number;
  readonly tag: bigint;
  readonly value: bigint;
}

export interface ElfFile {
  readonly machine: number;
  readonly segmentTableOffset: number;
  readonly segmentEntrySize: number;
  readonly segments: readonly Segment[];
  /** Up to and including the first DT_NULL and the spare ones that follow it; empty for a static program. */
  readonly dynamic: readonly DynamicEntry[];
  /** Address of the dynamic string table (DT_STRTAB). */
  readonly stringTableAddress: number;
  /** PT_INTERP's path; null for libraries and static programs. */
  readonly interpreter: string | null;
  readonly needed: readonly string[];
  readonly soname: string | null;
  readonly rpath: string | null;
  readonly runpath: string | null;
}

export function isElf(bytes: Uint8Array): boolean {
  return bytes.length >= 4 && bytes[0] === 0x7f && bytes[1] === 0x45 && bytes[2] === 0x4c && bytes[3] === 0x46;
}

function safe(value: bigint, what: string): number {
  if (value < 0n || value > BigInt(Number.MAX_SAFE_INTEGER)) throw new ElfError(`ELF file has an absurd ${what}`);
  return Number(value);
}

function checkRange(bytes: Buffer, offset: number, size: number, what: string): void {
  if (offset > bytes.length || size > bytes.length - offset) throw new ElfError(`ELF file is cut short (${what})`);
}

function readString(bytes: Buffer, offset: number, what: string): string {
  if (offset >= bytes.length) throw new ElfError(`ELF file is cut short (${what})`);
  const end = bytes.indexOf(0, offset);
  if (end < 0 || end - offset > 4096) throw new ElfError(`ELF file has an endless string (${what})`);
  return bytes.toString('latin1', offset, end);
}

function readSegments(bytes: Buffer, tableOffset: number, entrySize: number, count: number): Segment[] {
  checkRange(bytes, tableOffset, entrySize * count, 'program headers');
  const segments: Segment[] = [];
  for (let i = 0; i < count; i++) {
    const at = tableOffset + i * entrySize;
    segments.push({
      type: bytes.readUInt32LE(at),
      flags: bytes.readUInt32LE(at + 4),
      offset: safe(bytes.readBigUInt64LE(at + 8), 'segment offset'),
      address: safe(bytes.readBigUInt64LE(at + 16), 'segment address'),
      fileSize: safe(bytes.readBigUInt64LE(at + 32), 'segment size'),
      memorySize: safe(bytes.readBigUInt64LE(at + 40), 'segment size'),
      align: safe(bytes.readBigUInt64LE(at + 48), 'segment alignment'),
    });
  }
  return segments;
}

/** File offset of a mapped address; the loader resolves DT_STRTAB the same way. */
function fileOffset(segments: readonly Segment[], address: number): number {
  for (const segment of segments) {
    if (segment.type !== PT_LOAD) continue;
    const delta = address - segment.address;
    if (delta >= 0 && delta < segment.fileSize) return segment.offset + delta;
  }
  throw new ElfError('ELF file names an address that no segment maps');
}

function readDynamic(bytes: Buffer, segment: Segment): DynamicEntry[] {
  checkRange(bytes, segment.offset, segment.fileSize, 'dynamic section');
  const entries: DynamicEntry[] = [];
  let ended = false;
  for (let i = 0; i + 16 <= segment.fileSize; i += 16) {
    const offset = segment.offset + i;
    const tag = bytes.readBigUInt64LE(offset);
    if (ended && tag !== DT_NULL) break;
    entries.push({ offset, tag, value: bytes.readBigUInt64LE(offset + 8) });
    ended = tag === DT_NULL;
  }
  if (!ended) throw new ElfError('ELF file has an endless dynamic section');
  return entries;
}

/**
 * Reads the headers of a 64-bit little-endian ELF file.
 * @throws ElfError for anything else, or where a header points outside the file
 */
export function parseElf(bytes: Buffer): ElfFile {
  if (!isElf(bytes)) throw new ElfError('not an ELF file');
  checkRange(bytes, 0, 64, 'header');
  if (bytes[4] !== 2 || bytes[5] !== 1) throw new ElfError('only 64-bit little-endian ELF files are supported');
  const segmentTableOffset = safe(bytes.readBigUInt64LE(32), 'program header offset');
  const segmentEntrySize = bytes.readUInt16LE(54);
  const count = bytes.readUInt16LE(56);
  if (count > 0 && segmentEntrySize < 56) throw new ElfError('ELF file has program headers of an unknown size');
  const segments = readSegments(bytes, segmentTableOffset, segmentEntrySize, count);

  const interp = segments.find((segment) => segment.type === PT_INTERP);
  const interpreter = interp === undefined ? null : readString(bytes, interp.offset, 'interpreter');

  const dynamicSegment = segments.find((segment) => segment.type === PT_DYNAMIC);
  const dynamic = dynamicSegment === undefined ? [] : readDynamic(bytes, dynamicSegment);
  const stringTable = dynamic.find((entry) => entry.tag === DT_STRTAB);
  const stringTableAddress = stringTable === undefined ? 0 : safe(stringTable.value, 'string table address');
  const strings = (tag: bigint): string[] => {
    const entries = dynamic.filter((entry) => entry.tag === tag);
    if (entries.length === 0) return [];
    if (stringTable === undefined) throw new ElfError('ELF file has no dynamic string table');
    // Counted in addresses, as the loader does: a string need not lie in the table's own segment.
    return entries.map((entry) => {
      const address = safe(BigInt.asUintN(64, stringTable.value + entry.value), 'string address');
      return readString(bytes, fileOffset(segments, address), 'dynamic string');
    });
  };
  return {
    machine: bytes.readUInt16LE(18),
    segmentTableOffset,
    segmentEntrySize,
    segments,
    dynamic,
    stringTableAddress,
    interpreter,
    needed: strings(DT_NEEDED),
    soname: strings(DT_SONAME)[0] ?? null,
    rpath: strings(DT_RPATH)[0] ?? null,
    runpath: strings(DT_RUNPATH)[0] ?? null,
  };
}
