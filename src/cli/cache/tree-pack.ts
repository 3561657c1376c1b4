// What copies of files and folders hash to, kept in the project's pack: one record a copy, with the stamp of every file
// and folder in it. A folder whose stamp is the same has the same entries, so only what is known is looked at. Nothing
// is kept of what was changed shortly before it was read: the stamps alone count.
//
//   unit   size of the NAR, number of entries below the root, their stamps       (doubles)
//          detail of the root; name (relative path) and detail of each entry     (bytes, separated by zeros)
//
// A detail is a letter for the type and a folder's listing as a hash, or a symlink's target: what a recording evaluation
// notes, so that it need not look at the tree once more.
import { lstatSync, readlinkSync } from 'node:fs';
import { isRecent, type FileStamp } from '../../eval/file-stamp.ts';
import { fileTypeOf, listFolder } from '../../eval/folder.ts';
import type { TreeHashes } from '../../eval/tree-hashes.ts';
import type { NarHash } from '../../store/nar-dump.ts';
import { fromBuffer, fsPath, toBuffer } from '../../util/bytes.ts';
import { hashOfListing } from './listing.ts';
import type { Pack } from './pack.ts';
import { isUnchanged } from './stamped.ts';
import type { TreeFact } from './warm-files.ts';

const HEAD_NUMBERS = 2;
const STAMP_NUMBERS = 5;
/** Larger trees are read each time: they would fill the pack. */
const MAX_ENTRIES = 20_000;

/** No path of code starts like this. */
const recordName = (path: string): string => `tree:${path}`;

/** By paths relative to the root: that is '', then '/name', … */
type Entries = Map<string, TreeFact>;

export interface FoundTree extends NarHash {
  /** All that the tree has, from the root on, as it was looked at now. */
  readonly facts: () => TreeFact[];
}

export class TreePack implements TreeHashes {
  private readonly pack: Pack;

  constructor(pack: Pack) {
    this.pack = pack;
  }

  find(path: string): FoundTree | undefined {
    const record = this.pack.getRecord(recordName(path));
    if (record === undefined || !isUnchanged(path, record.stamp)) return undefined;
    const { buffer, byteOffset } = record.unit;
    const [size, count] = new Float64Array(buffer, byteOffset, HEAD_NUMBERS) as unknown as [number, number];
    const numbers = new Float64Array(buffer, byteOffset, HEAD_NUMBERS + STAMP_NUMBERS * count);
    const texts = fromBuffer(record.unit.subarray(numbers.byteLength)).split('\0');
    const stamps = [record.stamp];
    for (let i = 1, at = HEAD_NUMBERS; i <= count; i++, at += STAMP_NUMBERS) {
      const stamp = {
        size: numbers[at]!,
        mtimeMs: numbers[at + 1]!,
        ctimeMs: numbers[at + 2]!,
        ino: numbers[at + 3]!,
        dev: numbers[at + 4]!,
      };
      if (!isUnchanged(path + texts[2 * i - 1]!, stamp)) return undefined;
      stamps.push(stamp);
    }
    const facts = (): TreeFact[] =>
      stamps.map((stamp, i) => decodeFact(i === 0 ? path : path + texts[2 * i - 1]!, stamp, texts[2 * i]!));
    return { hash: Buffer.from(record.hash, 'hex'), size, facts };
  }

  /** @returns what the tree has; undefined where that is not known, or nothing is kept */
  keep(path: string, { hash, size }: NarHash, startMs: number): TreeFact[] | undefined {
    const entries: Entries = new Map();
    if (!addSettled(entries, path, '', startMs)) return undefined;
    const facts = [...entries.values()];
    const root = facts[0]!;
    const numbers = [size, facts.length - 1];
    for (const { stamp } of facts.slice(1)) {
      numbers.push(stamp.size, stamp.mtimeMs, stamp.ctimeMs, stamp.ino, stamp.dev);
    }
    const names = Array.from(entries, ([name, fact]) => (fact === root ? '' : `\0${name}\0`) + encodeDetail(fact)).join(
      '',
    );
    const unit = Buffer.concat([new Uint8Array(Float64Array.from(numbers).buffer), toBuffer(names)]);
    const record = { stamp: root.stamp, recent: false, hash: Buffer.from(hash).toString('hex'), unit };
    this.pack.keepRecord(recordName(path), record);
    return facts;
  }
}

/** Type, and detail where there is one. */
function encodeDetail({ type, detail }: TreeFact): string {
  return type[0]! + (detail ?? '');
}

function decodeFact(path: string, stamp: FileStamp, text: string): TreeFact {
  const type = FACT_TYPES.find((type) => type.startsWith(text[0]!))!;
  return { path, type, stamp, detail: type === 'regular' ? null : text.slice(1) };
}

const FACT_TYPES = ['regular', 'directory', 'symlink'] as const;

/**
 * Adds what lies at `name` below `root`. Called after it was read, so nothing may have changed since before.
 * @returns false where something has, or there is too much
 */
function addSettled(entries: Entries, root: string, name: string, startMs: number): boolean {
  const path = root + name;
  const stat = lstatSync(fsPath(path), { throwIfNoEntry: false });
  if (stat === undefined || isRecent(stat, startMs) || entries.size > MAX_ENTRIES) return false;
  const { size, mtimeMs, ctimeMs, ino, dev } = stat;
  const stamp = { size, mtimeMs, ctimeMs, ino, dev };
  const type = fileTypeOf(stat);
  const add = (detail: string | null): boolean => {
    entries.set(name, { path, type, stamp, detail });
    return true;
  };
  if (type === 'regular') return add(null);
  if (type === 'symlink') return add(readlinkSync(fsPath(path), 'latin1'));
  if (type === 'unknown') return false;
  const listing = listFolder(path);
  add(hashOfListing(listing));
  return listing.every(([entry]) => addSettled(entries, root, `${name}/${entry}`, startMs));
}
