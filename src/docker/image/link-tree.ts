// The files of several store paths under one root, as symlinks into the store: what an image shows at `/`. Directories are
// merged; where two have a file of the same name the first one's counts.
import type { DirectoryNode, TreeNode } from '../tree.ts';
import { directory } from '../tree.ts';
import type { StoreView, ViewedFile } from '../store-view.ts';

function merge(view: StoreView, into: DirectoryNode, from: ViewedFile, path: string, above: readonly string[]): void {
  for (const name of view.readDirectory(from)) {
    const link = `${path}/${name}`;
    const file = view.stat(`${from.path}/${name}`);
    const existing = into.entries.get(name);
    // A symlink that leads round is a file.
    if (file?.stats.isDirectory() === true && !above.includes(file.path)) {
      let target: TreeNode | undefined = existing;
      if (target === undefined) {
        target = directory(0o755);
        into.entries.set(name, target);
      }
      if (target.type === 'directory') merge(view, target, file, link, [...above, file.path]);
    } else if (existing === undefined) {
      into.entries.set(name, { type: 'symlink', mode: 0o777, uid: 0, gid: 0, target: link });
    }
  }
}

/** @param paths those that are no directories are left out: they have no names of their own at the root */
export function linkTree(view: StoreView, paths: readonly string[]): DirectoryNode {
  const root = directory(0o755);
  for (const path of paths) {
    const file = view.stat(path);
    if (file?.stats.isDirectory() === true) merge(view, root, file, path, [file.path]);
  }
  return root;
}
