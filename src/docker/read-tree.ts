// Reads a directory of this machine into a tree of nodes, with modes, owners and hard links as they are on disk.
import { lstatSync, readdirSync, readlinkSync } from 'node:fs';
import { fsPath } from '../util/bytes.ts';
import { StoreError } from '../util/errors.ts';
import type { DirectoryNode, TreeNode } from './tree.ts';

function readNode(path: string): TreeNode {
  const stats = lstatSync(fsPath(path));
  const base = { mode: stats.mode & 0o7777, uid: stats.uid, gid: stats.gid };
  if (stats.isDirectory()) {
    const entries = new Map<string, TreeNode>();
    for (const name of readdirSync(fsPath(path), { encoding: 'latin1' }))
      entries.set(name, readNode(`${path}/${name}`));
    return { type: 'directory', ...base, entries };
  }
  if (stats.isSymbolicLink()) {
    return { type: 'symlink', ...base, target: readlinkSync(fsPath(path), { encoding: 'latin1' }) };
  }
  if (stats.isFile()) {
    const identity = stats.nlink > 1 ? { identity: `${stats.dev}:${stats.ino}` } : {};
    return { type: 'file', ...base, size: stats.size, path, ...identity };
  }
  throw new StoreError(`file '${path}' has an unsupported type`);
}

/** @throws StoreError where `path` is no directory, or holds something other than files, directories and symlinks */
export function readTree(path: string): DirectoryNode {
  const node = readNode(path);
  if (node.type !== 'directory') throw new StoreError(`'${path}' is not a directory`);
  return node;
}
