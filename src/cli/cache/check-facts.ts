// Are the facts still true? One look at each path; contents are read again only where a stamp says nothing.
import { lstatSync, readFileSync, readlinkSync, type Stats } from 'node:fs';
import { hashHex } from '../../store/hash.ts';
import { fsPath } from '../../util/bytes.ts';
import { RECENT, STAMPED, STAMP_NUMBERS, TYPES, TYPE_MASK, type FileFacts } from './facts.ts';
import { listingHash } from './listing.ts';

const REGULAR = TYPES.indexOf('regular');
const DIRECTORY = TYPES.indexOf('directory');
const SYMLINK = TYPES.indexOf('symlink');

/**
 * The first path about which something else is true now; null if there is none.
 * @param watching trust young stamps, where there is nothing else to go by
 * @param numbers only these facts
 */
export function changedFact(facts: FileFacts, watching = false, numbers?: readonly number[]): string | null {
  const { paths, kinds, stamps, details, parents } = facts;
  // Folders whose entries are what they were.
  const same = new Uint8Array(paths.length);
  const count = numbers?.length ?? paths.length;
  for (let n = 0; n < count; n++) {
    const i = numbers === undefined ? n : numbers[n]!;
    const kind = kinds[i]!;
    const parent = parents[i]!;
    // A listed folder comes before what was asked about its entries only mostly; if not, they are looked at.
    if ((kind & STAMPED) === 0 && parent >= 0 && same[parent] === 1) continue;
    const path = paths[i]!;
    let stat: Stats | undefined;
    try {
      stat = lstatSync(fsPath(path), { throwIfNoEntry: false });
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== 'EACCES' && code !== 'ENAMETOOLONG' && code !== 'ENOTDIR') return path;
    }
    const type = stat === undefined ? 0 : typeNumber(stat);
    if (type !== (kind & TYPE_MASK)) return path;
    if (stat === undefined) continue;
    if ((kind & STAMPED) === 0) {
      if (type === SYMLINK && details[i] !== '' && linkTarget(path) !== details[i]) return path;
      continue;
    }
    const at = STAMP_NUMBERS * i;
    if (
      ((kind & RECENT) === 0 || (watching && details[i] === '')) &&
      stat.size === stamps[at] &&
      stat.mtimeMs === stamps[at + 1] &&
      stat.ctimeMs === stamps[at + 2] &&
      stat.ino === stamps[at + 3] &&
      stat.dev === stamps[at + 4]
    ) {
      same[i] = 1;
    } else if (details[i] === '' || contentsHash(path, type) !== details[i]) return path;
  }
  return null;
}

function typeNumber(stat: Stats): number {
  return stat.isFile() ? REGULAR : stat.isDirectory() ? DIRECTORY : stat.isSymbolicLink() ? SYMLINK : 4;
}

function linkTarget(path: string): string | null {
  try {
    return readlinkSync(fsPath(path), 'latin1');
  } catch {
    return null;
  }
}

function contentsHash(path: string, type: number): string | null {
  try {
    return type === DIRECTORY ? listingHash(path) : hashHex('sha256', readFileSync(fsPath(path), 'latin1'));
  } catch {
    return null;
  }
}
