// What copies of files and folders hash to, kept in the project's pack: one record a copy, with the stamp of every file
// and folder in it. A folder whose stamp is the same has the same entries, so only what is known is looked at. Nothing
// is kept of what was changed shortly before it was read: the stamps alone count.
//
//   unit   size of the NAR, number of entries below the root, their stamps       (doubles)
//          a zero and the relative path of each                                  (bytes)
import { lstatSync } from 'node:fs';
import { isRecent, type FileStamp } from '../../eval/file-stamp.ts';
import { listFolder } from '../../eval/folder.ts';
import type { TreeHashes } from '../../eval/tree-hashes.ts';
import type { NarHash } from '../../store/nar-dump.ts';
import { fromBuffer, fsPath, toBuffer } from '../../util/bytes.ts';
import type { Pack } from './pack.ts';
import { isUnchanged } from './stamped.ts';

const HEAD_NUMBERS = 2;
const STAMP_NUMBERS = 5;
/** Larger trees are read each time: they would fill the pack. */
const MAX_ENTRIES = 20_000;

/** No path of code starts like this. */
const recordName = (path: string): string => `tree:${path}`;

/** Paths relative to the root: that is '', then '/name', …; and their stamps. */
type Entries = Map<string, FileStamp>;

export class TreePack implements TreeHashes {
  private readonly pack: Pack;

  constructor(pack: Pack) {
    this.pack = pack;
  }

  find(path: string): NarHash | undefined {
    const record = this.pack.getRecord(recordName(path));
    if (record === undefined || !isUnchanged(path, record.stamp)) return undefined;
    const { buffer, byteOffset } = record.unit;
    const [size, count] = new Float64Array(buffer, byteOffset, HEAD_NUMBERS) as unknown as [number, number];
    const numbers = new Float64Array(buffer, byteOffset, HEAD_NUMBERS + STAMP_NUMBERS * count);
    const names = fromBuffer(record.unit.subarray(numbers.byteLength)).split('\0');
    for (let i = 1, at = HEAD_NUMBERS; i <= count; i++, at += STAMP_NUMBERS) {
      const stamp = {
        size: numbers[at]!,
        mtimeMs: numbers[at + 1]!,
        ctimeMs: numbers[at + 2]!,
        ino: numbers[at + 3]!,
        dev: numbers[at + 4]!,
      };
      if (!isUnchanged(path + names[i]!, stamp)) return undefined;
    }
    return { hash: Buffer.from(record.hash, 'hex'), size };
  }

  keep(path: string, { hash, size }: NarHash, startMs: number): void {
    const entries: Entries = new Map();
    if (!addSettled(entries, path, '', startMs)) return;
    const stamp = entries.get('')!;
    entries.delete('');
    const numbers = [size, entries.size];
    for (const { size, mtimeMs, ctimeMs, ino, dev } of entries.values()) numbers.push(size, mtimeMs, ctimeMs, ino, dev);
    const names = Array.from(entries.keys(), (name) => `\0${name}`).join('');
    const unit = Buffer.concat([new Uint8Array(Float64Array.from(numbers).buffer), toBuffer(names)]);
    this.pack.keepRecord(recordName(path), { stamp, recent: false, hash: Buffer.from(hash).toString('hex'), unit });
  }
}

/**
 * Adds what lies at `name` below `root`. Called after it was read, so nothing may have changed since before.
 * @returns false where something has, or there is too much
 */
function addSettled(entries: Entries, root: string, name: string, startMs: number): boolean {
  const path = root + name;
  const stat = lstatSync(fsPath(path), { throwIfNoEntry: false });
  if (stat === undefined || isRecent(stat, startMs) || entries.size > MAX_ENTRIES) return false;
  const { size, mtimeMs, ctimeMs, ino, dev } = stat;
  entries.set(name, { size, mtimeMs, ctimeMs, ino, dev });
  return (
    !stat.isDirectory() || listFolder(path).every(([entry]) => addSettled(entries, root, `${name}/${entry}`, startMs))
  );
}
