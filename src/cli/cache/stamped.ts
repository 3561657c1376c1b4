// Files that are known by their stamps alone.
import { lstatSync } from 'node:fs';
import { sameStamp, type FileStamp } from '../../eval/file-stamp.ts';
import { fsPath } from '../../util/bytes.ts';

/** Whether what lies at a path, itself and not what it links to, still has a stamp. */
export function isUnchanged(path: string, stamp: FileStamp): boolean {
  try {
    const now = lstatSync(fsPath(path), { throwIfNoEntry: false });
    return now !== undefined && sameStamp(stamp, now);
  } catch {
    return false; // reading it will tell
  }
}
