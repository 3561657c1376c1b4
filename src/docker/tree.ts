// A layer before it is packed: a tree of nodes in memory (contents stay in files), and the members that GNU tar makes
// of it, `--sort=name`: each directory's entries in bytewise order, a directory's own entries right after it.
import { ownerName } from './gnu-tar.ts';
import type { TarHeader } from './gnu-tar.ts';
import { memberWithout } from './tar-packer.ts';
import type { InnerArchive, TarContents, TarMember } from './tar-packer.ts';

interface NodeBase {
  /** Permission bits, with setuid, setgid and sticky. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

export interface DirectoryNode extends NodeBase {
  readonly type: 'directory';
  readonly entries: Map<string, TreeNode>;
}

export interface FileNode extends NodeBase {
  readonly type: 'file';
  /** Bytes. */
  readonly size: number;
  /** Where the contents lie on this machine. */
  readonly path: string;
  /** Where in that file they begin, if they are only a part of it. */
  readonly offset?: number;
  /** Files of one identity are hard links of each other. */
  readonly identity?: string;
  /** SHA-256 of the contents, hexadecimal, once somebody has read them. */
  sha256?: string;
  /** An archive that is packed as it is needed; nothing lies at `path`, which names it in messages. */
  readonly archive?: InnerArchive;
}

export interface SymlinkNode extends NodeBase {
  readonly type: 'symlink';
  readonly target: string;
}

export interface SpecialNode extends NodeBase {
  readonly type: 'char' | 'block' | 'fifo';
  readonly deviceMajor: number;
  readonly deviceMinor: number;
}

export type TreeNode = DirectoryNode | FileNode | SymlinkNode | SpecialNode;

/** Who owns what is packed, by number and by name. */
export interface Owner {
  readonly uid: number;
  readonly gid: number;
  readonly uname: string;
  readonly gname: string;
}

export const ROOT_OWNER: Owner = { uid: 0, gid: 0, uname: 'root', gname: 'root' };

export interface PackOptions {
  /** Unix seconds, for every member. */
  readonly mtime: number;
  /** For every member; without it the nodes' own owners. */
  readonly owner?: Owner;
  /** What stands before each name; the root itself is always `./`. */
  readonly prefix: './' | '';
  /** Later members of one identity become links to the first (tar without --hard-dereference). */
  readonly keepHardLinks?: boolean;
}

export function directory(mode: number, entries: Map<string, TreeNode> = new Map<string, TreeNode>()): DirectoryNode {
  return { type: 'directory', mode, uid: 0, gid: 0, entries };
}

/** Names of a directory in the order in which tar packs them. */
export function sortedNames(entries: ReadonlyMap<string, TreeNode>): string[] {
  // Byte strings: the default order, by UTF-16 units, is the order of bytes.
  return [...entries.keys()].sort();
}

function headerOf(node: TreeNode, name: string, options: PackOptions): TarHeader {
  const owner = options.owner;
  return {
    name: node.type === 'directory' ? `${name}/` : name,
    type: node.type,
    mode: node.mode,
    uid: owner?.uid ?? node.uid,
    gid: owner?.gid ?? node.gid,
    uname: owner?.uname ?? ownerName(node.uid),
    gname: owner?.gname ?? ownerName(node.gid),
    size: node.type === 'file' ? node.size : 0,
    mtime: options.mtime,
    linkName: node.type === 'symlink' ? node.target : '',
    ...(node.type === 'char' || node.type === 'block'
      ? { deviceMajor: node.deviceMajor, deviceMinor: node.deviceMinor }
      : {}),
  };
}

function contentsOf({ path, offset, sha256, archive }: FileNode): TarContents {
  if (archive !== undefined) return { kind: 'archive', ...archive };
  return {
    kind: 'file',
    path,
    ...(offset === undefined ? {} : { offset }),
    ...(sha256 === undefined ? {} : { sha256 }),
  };
}

function* below(
  node: DirectoryNode,
  prefix: string,
  options: PackOptions,
  seen: Map<string, string>,
): Generator<TarMember> {
  for (const entryName of sortedNames(node.entries)) {
    const entry = node.entries.get(entryName)!;
    const name = prefix + entryName;
    if (entry.type === 'file') {
      const first = entry.identity === undefined ? undefined : seen.get(entry.identity);
      if (first !== undefined) {
        yield memberWithout({ ...headerOf(entry, name, options), type: 'link', size: 0, linkName: first });
        continue;
      }
      if (entry.identity !== undefined && options.keepHardLinks === true) seen.set(entry.identity, name);
      yield { header: headerOf(entry, name, options), contents: contentsOf(entry) };
      continue;
    }
    yield memberWithout(headerOf(entry, name, options));
    if (entry.type === 'directory') yield* below(entry, `${name}/`, options, seen);
  }
}

/** Members of a whole tree, `./` first. */
export function* treeMembers(root: DirectoryNode, options: PackOptions): Generator<TarMember> {
  yield memberWithout(headerOf(root, '.', options));
  yield* below(root, options.prefix, options, new Map());
}

/** Lays a tree over another: directories are merged, all else is replaced. */
export function overlayTree(into: DirectoryNode, from: DirectoryNode): void {
  for (const [name, node] of from.entries) {
    const existing = into.entries.get(name);
    if (node.type === 'directory' && existing?.type === 'directory') overlayTree(existing, node);
    else if (node.type === 'directory') {
      const made = { ...node, entries: new Map<string, TreeNode>() };
      into.entries.set(name, made);
      overlayTree(made, node);
    } else into.entries.set(name, node);
  }
}
