// A directory of the host as a list of entries, in byte order: what the fingerprint is taken of and what the builder
// copies. Links that stay inside the tree stay links; others are replaced by what they point at (Debian's go is half
// links into /usr/share); dangling ones are dropped.
import { createHash, type Hash } from 'node:crypto';
import { posix } from 'node:path';
import { toBuffer } from '../../util/bytes.ts';
import { NixError } from '../../util/errors.ts';
import type { HostFiles } from './host-files.ts';

export class HostTreeError extends NixError {
  override readonly code = 'HOST_TREE';
}

export type TreeEntry =
  | { readonly kind: 'directory'; readonly path: string }
  /** `source`: the file on the host. */
  | { readonly kind: 'file'; readonly path: string; readonly source: string; readonly executable: boolean }
  /** `target` is relative. */
  | { readonly kind: 'link'; readonly path: string; readonly target: string };

/** Patterns as in a shell: `*` within a name; without a slash they are tried on the last name of a path. */
function matcher(patterns: readonly string[]): (path: string) => boolean {
  const compiled = patterns.map((pattern) => ({
    whole: pattern.includes('/'),
    regex: new RegExp(`^${pattern.replaceAll(/[.+?^${}()|[\]\\]/g, '\\$&').replaceAll('*', '[^/]*')}$`),
  }));
  return (path) => compiled.some(({ whole, regex }) => regex.test(whole ? path : posix.basename(path)));
}

const MAX_DEPTH = 64;

/** @throws HostTreeError for anything but files, directories and links, and for trees without end */
export function listTree(files: HostFiles, root: string, exclude: readonly string[]): TreeEntry[] {
  const excluded = matcher(exclude);
  const realRoot = files.realPath(root);
  const entries: TreeEntry[] = [];
  const visit = (real: string, path: string, depth: number): void => {
    if (depth > MAX_DEPTH) throw new HostTreeError(`directory '${root}' is too deep (links that go round?)`);
    for (const name of files.readDir(real)) {
      const source = posix.join(real, name);
      const entry = path === '' ? name : `${path}/${name}`;
      if (excluded(entry)) continue;
      let stats = files.lstat(source);
      if (stats?.isSymbolicLink() === true) {
        stats = files.stat(source);
        if (stats === undefined) continue;
        const target = files.realPath(source);
        const inside = target.startsWith(`${realRoot}/`) ? target.slice(realRoot.length + 1) : undefined;
        if (inside !== undefined && !excluded(inside)) {
          entries.push({ kind: 'link', path: entry, target: posix.relative(posix.dirname(entry), inside) });
          continue;
        }
      }
      if (stats?.isDirectory() === true) {
        entries.push({ kind: 'directory', path: entry });
        visit(files.realPath(source), entry, depth + 1);
      } else if (stats?.isFile() === true) {
        entries.push({ kind: 'file', path: entry, source, executable: (stats.mode & 0o111n) !== 0n });
      } else {
        throw new HostTreeError(`'${source}' is neither file, directory nor link`);
      }
    }
  };
  visit(realRoot, '', 0);
  return entries;
}

/** Adds an entry to the hash of its tree. `sha256` of a file's contents, hexadecimal. */
export function hashTreeEntry(hash: Hash, entry: TreeEntry, sha256: string): void {
  const value =
    entry.kind === 'file'
      ? `${entry.executable ? 'x' : '-'}${sha256}`
      : entry.kind === 'link'
        ? `l${entry.target}`
        : 'd';
  hash.update(toBuffer(`${entry.path}\0${value}\0`));
}

/** sha256 (hexadecimal) over names, kinds and contents; independent of where the tree lies. */
export function hashTree(files: HostFiles, entries: readonly TreeEntry[]): string {
  const hash = createHash('sha256');
  for (const entry of entries) hashTreeEntry(hash, entry, entry.kind === 'file' ? files.hash(entry.source) : '');
  return hash.digest('hex');
}
