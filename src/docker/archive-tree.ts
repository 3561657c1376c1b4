// Archives as trees of nodes: what `tar -x` would make of them on an empty disk, and layers laid over one another with
// their whiteouts. Files stay where they are in the archives.
// @see OCI image specification, "Image Layer Filesystem Changeset"
import { StoreError } from '../util/errors.ts';
import { contentsOf, readArchive, safeParts } from './archive.ts';
import type { ArchiveMember, Region } from './archive.ts';
import { directory } from './tree.ts';
import type { DirectoryNode, FileNode, TreeNode } from './tree.ts';

const WHITEOUT = '.wh.';
const OPAQUE = '.wh..wh..opq';

/** Directory at `parts`, made (as root's, 0755) where there is none; what is in the way is replaced. */
function enter(root: DirectoryNode, parts: readonly string[]): DirectoryNode {
  let at = root;
  for (const part of parts) {
    let next = at.entries.get(part);
    if (next?.type !== 'directory') {
      next = directory(0o755);
      at.entries.set(part, next);
    }
    at = next;
  }
  return at;
}

function find(root: DirectoryNode, parts: readonly string[]): TreeNode | undefined {
  let at: TreeNode | undefined = root;
  for (const part of parts) {
    if (at?.type !== 'directory') return undefined;
    at = at.entries.get(part);
  }
  return at;
}

function toNode(archive: Region, member: ArchiveMember): Exclude<TreeNode, DirectoryNode> {
  const { header } = member;
  const base = { mode: header.mode, uid: header.uid, gid: header.gid };
  switch (header.type) {
    case 'symlink':
      return { type: 'symlink', ...base, mode: 0o777, target: header.linkName };
    case 'char':
    case 'block':
    case 'fifo':
      return {
        type: header.type,
        ...base,
        deviceMajor: header.deviceMajor ?? 0,
        deviceMinor: header.deviceMinor ?? 0,
      };
    default:
      return { type: 'file', ...base, ...contentsOf(archive, member) };
  }
}

interface ApplyOptions {
  /** Names that begin with `.wh.` delete what lies below. */
  readonly whiteouts: boolean;
  /** For messages. */
  readonly what: string;
  readonly signal?: AbortSignal | undefined;
}

class Apply {
  readonly #root: DirectoryNode;
  readonly #archive: Region;
  readonly #options: ApplyOptions;
  /** What this archive has put in place: whiteouts in it don't touch that. */
  readonly #own = new Set<TreeNode>();
  #links = 0;

  constructor(root: DirectoryNode, archive: Region, options: ApplyOptions) {
    this.#root = root;
    this.#archive = archive;
    this.#options = options;
  }

  #deleteLower(parent: DirectoryNode, name: string): void {
    const node = parent.entries.get(name);
    if (node === undefined) return;
    if (!this.#own.has(node)) parent.entries.delete(name);
    else if (node.type === 'directory') this.#clearLower(node);
  }

  #clearLower(node: DirectoryNode): void {
    for (const name of [...node.entries.keys()]) this.#deleteLower(node, name);
  }

  #hardLink(member: ArchiveMember): FileNode | undefined {
    const { what } = this.#options;
    const parts = safeParts(member.header.linkName, what);
    const target = find(this.#root, parts);
    if (target === undefined) {
      throw new StoreError(
        `${what}: '${member.header.name}' is a link to '${member.header.linkName}', which is not there`,
      );
    }
    if (target.type !== 'file') return undefined;
    if (target.identity !== undefined) return target;
    // From now on both names are one file.
    const shared = { ...target, identity: `${this.#archive.path}:${this.#archive.offset}:${this.#links++}` };
    const parent = enter(this.#root, parts.slice(0, -1));
    parent.entries.set(parts.at(-1)!, shared);
    if (this.#own.has(target)) this.#own.add(shared);
    return shared;
  }

  member(member: ArchiveMember): void {
    const { header } = member;
    const { what, whiteouts } = this.#options;
    const parts = safeParts(header.name, what);
    if (parts.length === 0) return;
    const name = parts.at(-1)!;
    const parent = enter(this.#root, parts.slice(0, -1));
    for (let i = 1; i < parts.length; i++) this.#own.add(find(this.#root, parts.slice(0, i))!);
    if (whiteouts && name.startsWith(WHITEOUT)) {
      if (name === OPAQUE) this.#clearLower(parent);
      else this.#deleteLower(parent, name.slice(WHITEOUT.length));
      return;
    }
    let node: TreeNode;
    if (header.type === 'directory') {
      const existing = parent.entries.get(name);
      const entries = existing?.type === 'directory' ? existing.entries : new Map<string, TreeNode>();
      node = { type: 'directory', mode: header.mode, uid: header.uid, gid: header.gid, entries };
    } else if (header.type === 'link') {
      const target = this.#hardLink(member) ?? find(this.#root, safeParts(header.linkName, what))!;
      if (target.type === 'directory') throw new StoreError(`${what}: '${header.name}' is a link to a directory`);
      node = target;
    } else {
      node = toNode(this.#archive, member);
    }
    parent.entries.set(name, node);
    this.#own.add(node);
  }
}

/** What an archive holds, as a tree; later members replace earlier ones of the same name. */
export async function archiveTree(archive: Region, what: string, signal?: AbortSignal): Promise<DirectoryNode> {
  const root = directory(0o755);
  const apply = new Apply(root, archive, { whiteouts: false, what, signal });
  let rootMode = root.mode;
  for await (const member of readArchive(archive, what, signal)) {
    if (member.header.type === 'directory' && safeParts(member.header.name, what).length === 0) {
      rootMode = member.header.mode;
    }
    apply.member(member);
  }
  return { ...root, mode: rootMode };
}

/**
 * The file system of an image: layers one over the other, the bottom one first, with whiteouts and opaque directories
 * obeyed. The root directory is root's own, 0755.
 */
export async function flattenLayers(
  layers: readonly { readonly archive: Region; readonly what: string }[],
  signal?: AbortSignal,
): Promise<DirectoryNode> {
  const root = directory(0o755);
  for (const { archive, what } of layers) {
    const apply = new Apply(root, archive, { whiteouts: true, what, signal });
    for await (const member of readArchive(archive, what, signal)) apply.member(member);
  }
  return root;
}

/**
 * File or directory at a path of a tree, symlinks of the tree followed.
 * @returns undefined where the path leads nowhere, round or out
 */
export function resolveInTree(root: DirectoryNode, path: string): TreeNode | undefined {
  let chain: DirectoryNode[] = [root];
  let node: TreeNode = root;
  const rest = path.split('/').reverse();
  for (let budget = 1000; rest.length > 0; budget--) {
    if (budget === 0) return undefined;
    const part = rest.pop()!;
    if (part === '' || part === '.') continue;
    if (part === '..') {
      if (chain.length === 1) return undefined;
      chain = chain.slice(0, -1);
      node = chain.at(-1)!;
      continue;
    }
    if (node.type !== 'directory') return undefined;
    const next = node.entries.get(part);
    if (next === undefined) return undefined;
    if (next.type === 'symlink') {
      if (next.target.startsWith('/')) return undefined;
      rest.push(...next.target.split('/').reverse());
      continue;
    }
    node = next;
    if (next.type === 'directory') chain = [...chain, next];
  }
  return node;
}
