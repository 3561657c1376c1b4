// Gives a program another loader and another library path, without patchelf. Nothing in the file moves: the new
// strings are appended and mapped by one more PT_LOAD segment, whose header takes the place of one that running does
// not need. So addresses, relocations and debug information stay true; but `strip` would cut the appended bytes off.
//
// DT_RPATH, not DT_RUNPATH: it also holds for the libraries' libraries and for dlopen (docs/decisions).
import {
  DT_DEBUG,
  DT_NULL,
  DT_RELACOUNT,
  DT_RPATH,
  DT_RUNPATH,
  ElfError,
  EM_AARCH64,
  PT_GNU_PROPERTY,
  PT_GO_MARKER,
  PT_INTERP,
  PT_LOAD,
  PT_NOTE,
  parseElf,
  type ElfFile,
  type Segment,
} from './elf.ts';

export interface ElfPatch {
  /** Path of the loader; ignored where the file has none (libraries, static programs). */
  readonly interpreter?: string;
  /** `DIR:DIR…`; ignored where the file is static. */
  readonly rpath?: string;
}

/**
 * Index of the header to give up. A PT_NOTE that only repeats PT_GNU_PROPERTY first (nothing is lost), then another
 * PT_NOTE (the build id, read by debuggers only), PT_GNU_PROPERTY (control-flow protection is off without it), Go's.
 */
function expendable(segments: readonly Segment[]): number {
  const property = segments.find((segment) => segment.type === PT_GNU_PROPERTY);
  const repeated = segments.findIndex(
    (segment) => segment.type === PT_NOTE && property !== undefined && segment.offset === property.offset,
  );
  if (repeated >= 0) return repeated;
  for (const type of [PT_NOTE, PT_GNU_PROPERTY, PT_GO_MARKER]) {
    const index = segments.findLastIndex((segment) => segment.type === type);
    if (index >= 0) return index;
  }
  throw new ElfError('ELF file has no program header to spare');
}

/** Offsets of the dynamic entries that become DT_RPATH. */
function rpathSlots(elf: ElfFile): number[] {
  const existing = elf.dynamic.filter((entry) => entry.tag === DT_RPATH || entry.tag === DT_RUNPATH);
  if (existing.length > 0) return existing.map((entry) => entry.offset);
  const nulls = elf.dynamic.filter((entry) => entry.tag === DT_NULL);
  if (nulls.length >= 2) return [nulls[0]!.offset];
  // Only debuggers read DT_DEBUG; DT_RELACOUNT only makes relocation a little faster.
  const spare =
    elf.dynamic.find((entry) => entry.tag === DT_DEBUG) ?? elf.dynamic.find((entry) => entry.tag === DT_RELACOUNT);
  if (spare === undefined) throw new ElfError('ELF file has no dynamic entry to spare');
  return [spare.offset];
}

function writeSegment(bytes: Buffer, at: number, segment: Segment): void {
  bytes.writeUInt32LE(segment.type, at);
  bytes.writeUInt32LE(segment.flags, at + 4);
  bytes.writeBigUInt64LE(BigInt(segment.offset), at + 8);
  bytes.writeBigUInt64LE(BigInt(segment.address), at + 16);
  bytes.writeBigUInt64LE(BigInt(segment.address), at + 24);
  bytes.writeBigUInt64LE(BigInt(segment.fileSize), at + 32);
  bytes.writeBigUInt64LE(BigInt(segment.memorySize), at + 40);
  bytes.writeBigUInt64LE(BigInt(segment.align), at + 48);
}

/**
 * A copy of `original` with the loader and library path of `patch`; the same bytes where nothing applies.
 * @throws ElfError where the file is malformed or leaves no room for the change
 */
export function patchElf(original: Buffer, patch: ElfPatch): Buffer {
  const elf = parseElf(original);
  const interpreter = elf.interpreter === null ? undefined : patch.interpreter;
  const rpath = elf.dynamic.length === 0 || patch.rpath === '' ? undefined : patch.rpath;
  if (interpreter === undefined && rpath === undefined) return original;
  const loads = elf.segments.filter((segment) => segment.type === PT_LOAD);
  if (loads.length === 0) throw new ElfError('ELF file has nothing to load');

  const strings = Buffer.from(
    (rpath === undefined ? '' : `${rpath}\0`) + (interpreter === undefined ? '' : `${interpreter}\0`),
    'latin1',
  );
  const offset = original.length;
  const bytes = Buffer.concat([original, strings]);

  // A segment's address must equal its offset modulo the page size; 64 KiB is the largest page of aarch64.
  const pageSize = elf.machine === EM_AARCH64 ? 0x10000 : 0x1000;
  const end = loads.reduce((max, segment) => Math.max(max, segment.address + segment.memorySize), 0);
  const address = Math.ceil(end / pageSize) * pageSize + (offset % pageSize);
  const segments: Segment[] = elf.segments.map((segment) =>
    segment.type === PT_INTERP && interpreter !== undefined
      ? {
          ...segment,
          offset: offset + strings.length - interpreter.length - 1,
          address: address + strings.length - interpreter.length - 1,
          fileSize: interpreter.length + 1,
          memorySize: interpreter.length + 1,
        }
      : segment,
  );
  segments.splice(expendable(segments), 1);
  // PT_LOADs must ascend by address, so ours comes right after the last one.
  const last = segments.findLastIndex((segment) => segment.type === PT_LOAD);
  const flagsReadOnly = 4;
  segments.splice(last + 1, 0, {
    type: PT_LOAD,
    flags: flagsReadOnly,
    offset,
    address,
    fileSize: strings.length,
    memorySize: strings.length,
    align: pageSize,
  });
  segments.forEach((segment, i) => {
    writeSegment(bytes, elf.segmentTableOffset + i * elf.segmentEntrySize, segment);
  });

  if (rpath !== undefined) {
    // Counted from the string table, wherever that is: the loader only adds.
    const delta = BigInt.asUintN(64, BigInt(address - elf.stringTableAddress));
    for (const slot of rpathSlots(elf)) {
      bytes.writeBigUInt64LE(DT_RPATH, slot);
      bytes.writeBigUInt64LE(delta, slot + 8);
    }
  }
  return bytes;
}
