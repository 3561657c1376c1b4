// Writes a tree of nodes to this machine's disk, for commands that want real files. Owners are not kept: the store
// knows none.
import { constants } from 'node:fs';
import { chmod, copyFile, mkdir, open, symlink } from 'node:fs/promises';
import { fsPath } from '../util/bytes.ts';
import { regionChunks } from './write-file.ts';
import type { DirectoryNode, FileNode } from './tree.ts';

async function writeContents(file: FileNode, path: string): Promise<void> {
  if (file.offset === undefined) {
    await copyFile(fsPath(file.path), fsPath(path), constants.COPYFILE_FICLONE | constants.COPYFILE_EXCL);
    return;
  }
  const target = await open(fsPath(path), 'wx');
  try {
    for (const chunk of regionChunks({ path: file.path, offset: file.offset, size: file.size }))
      await target.appendFile(chunk);
  } finally {
    await target.close();
  }
}

/** Makes the directory `path` with all of `tree` but device nodes and pipes. */
export async function materialise(tree: DirectoryNode, path: string, signal?: AbortSignal): Promise<void> {
  await mkdir(fsPath(path));
  for (const [name, node] of tree.entries) {
    signal?.throwIfAborted();
    const at = `${path}/${name}`;
    switch (node.type) {
      case 'directory':
        await materialise(node, at, signal);
        break;
      case 'symlink':
        await symlink(fsPath(node.target), fsPath(at));
        break;
      case 'file':
        await writeContents(node, at);
        await chmod(fsPath(at), (node.mode & 0o100) === 0 ? 0o644 : 0o755);
        break;
      default:
        break;
    }
  }
}
