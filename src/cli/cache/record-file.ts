// A kept result on disk: JSON for what is little, columns for the facts about files. One file a command line, replaced as
// a whole; a checksum over everything says that it is one.
//
//   words     magic (2), checksum (2), length of the JSON, number of facts, length of the texts, 0
//   columns   stamps (Float64), parents (Int32), kinds (bytes), each padded to 8 bytes
//   texts     JSON; paths, then details, separated by NUL
import { closeSync, fstatSync, readSync } from 'node:fs';
import { fromBuffer } from '../../util/bytes.ts';
import { checksumWords } from '../../util/checksum.ts';
import { STAMP_NUMBERS } from './facts.ts';
import { openOwnFile, writeOwnFile } from './own-files.ts';
import type { Inputs } from './recorder.ts';

/** Something that evaluation gave, in order: a line for standard error, or what the command makes of it. */
export type KeptEvent = readonly ['said', string] | readonly ['result', unknown];

export interface EvaluationRecord {
  /** The command line and the program. */
  readonly identity: string;
  /** Everything else that was known before. */
  readonly settings: Readonly<Record<string, string>>;
  readonly events: readonly KeptEvent[];
  readonly inputs: Inputs;
}

const MAGIC = [0x6e736974, 0x31766578]; // "tsnixev1"
const HEADER_BYTES = 32;
const MAX_BYTES = 1 << 28;
const padded = (bytes: number): number => (bytes + 7) & ~7;

export function encodeRecord({ inputs, ...rest }: EvaluationRecord): Buffer {
  const { files, ...others } = inputs;
  const n = files.paths.length;
  const json = asciiJson({ ...rest, inputs: others });
  const text = `${json}${[...files.paths, ...files.details].join('\0')}`;
  const columns = padded(8 * STAMP_NUMBERS * n) + padded(4 * n) + padded(n);
  const bytes = Buffer.alloc(HEADER_BYTES + columns + padded(text.length));
  let at = HEADER_BYTES;
  for (const column of [files.stamps, files.parents, files.kinds]) {
    bytes.set(new Uint8Array(column.buffer, column.byteOffset, column.byteLength), at);
    at += padded(column.byteLength);
  }
  bytes.write(text, at, 'latin1');
  const words = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2);
  words.set(MAGIC);
  words.set([json.length, n, text.length], 4);
  const { low, high } = checksumWords(words.subarray(4));
  words.set([low, high], 2);
  return bytes;
}

/** Byte strings stay as they are, other text is escaped. */
function asciiJson(value: unknown): string {
  return JSON.stringify(value).replace(
    /[\u0100-\uffff]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** Undefined where it is damaged. */
export function decodeRecord(bytes: Buffer): EvaluationRecord | undefined {
  if (bytes.length < HEADER_BYTES || bytes.length % 8 !== 0) return undefined;
  const words = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2);
  const { low, high } = checksumWords(words.subarray(4));
  if (words[0] !== MAGIC[0] || words[1] !== MAGIC[1] || words[2] !== low || words[3] !== high) return undefined;
  const [jsonLength, n, textLength] = words.subarray(4) as unknown as [number, number, number];
  const parentsAt = HEADER_BYTES + padded(8 * STAMP_NUMBERS * n);
  const kindsAt = parentsAt + padded(4 * n);
  const textAt = kindsAt + padded(n);
  const text = fromBuffer(bytes.subarray(textAt, textAt + textLength));
  const { inputs, ...rest } = JSON.parse(text.slice(0, jsonLength)) as EvaluationRecord;
  const texts = n === 0 ? [] : text.slice(jsonLength).split('\0');
  const files = {
    paths: texts.slice(0, n),
    details: texts.slice(n),
    stamps: new Float64Array(bytes.buffer, bytes.byteOffset + HEADER_BYTES, STAMP_NUMBERS * n),
    parents: new Int32Array(bytes.buffer, bytes.byteOffset + parentsAt, n),
    kinds: bytes.subarray(kindsAt, kindsAt + n),
  };
  return { ...rest, inputs: { ...inputs, files } };
}

/** Undefined where there is none that this user has written. Never throws. */
export function readRecord(file: string): EvaluationRecord | undefined {
  const fd = openOwnFile(file, false);
  if (fd === undefined) return undefined;
  try {
    const { size } = fstatSync(fd);
    if (size > MAX_BYTES) return undefined;
    const bytes = Buffer.allocUnsafeSlow(size);
    return readSync(fd, bytes, 0, size, 0) === size ? decodeRecord(bytes) : undefined;
  } catch {
    return undefined;
  } finally {
    closeSync(fd);
  }
}

/** @throws where it can't be written; what was there is then still there */
export function writeRecord(file: string, record: EvaluationRecord): void {
  writeOwnFile(file, `${file}.${process.pid}.new`, encodeRecord(record));
}
