// What can be seen of a tree: types, modes, owners, times, sizes, targets, and which files are hard links of each other.
import { lstatSync, readdirSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { fsPath } from '../../src/util/bytes.ts';

/** One line an entry, by relative name; `.` is the root itself. Directories' sizes are the file system's business. */
export function treeListing(root: string): string[] {
  const first = new Map<number, string>();
  const lines: string[] = [];
  const visit = (name: string): void => {
    const path = name === '.' ? root : join(root, name);
    const stat = lstatSync(fsPath(path));
    const { mode, mtimeMs, uid, gid, nlink, ino, size } = stat;
    const line = `${name} ${(mode & 0o177777).toString(8)} ${String(uid)}:${String(gid)}`;
    if (stat.isDirectory()) {
      lines.push(`${line} ${name === '.links' ? '' : String(mtimeMs)}`);
      for (const child of readdirSync(fsPath(path), 'latin1').sort()) visit(name === '.' ? child : `${name}/${child}`);
      return;
    }
    const same = nlink > 1 ? ` links ${String(nlink)} same as ${first.get(ino) ?? name}` : '';
    if (!first.has(ino)) first.set(ino, name);
    const what = stat.isSymbolicLink() ? `-> ${readlinkSync(fsPath(path), 'latin1')}` : String(size);
    lines.push(`${line} ${String(mtimeMs)} ${what}${same}`);
  };
  visit('.');
  return lines;
}
