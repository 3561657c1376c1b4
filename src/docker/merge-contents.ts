// Contents of a layer, merged as `rsync -ak ITEM/ layer/` (or -aK) merges one store path after the other, without
// copying anything: the tree's files stay in the store.
import { StoreError } from '../util/errors.ts';
import type { StoreView, ViewedFile } from './store-view.ts';
import { canonicalMode } from './store-view.ts';
import { directory } from './tree.ts';
import type { DirectoryNode, TreeNode } from './tree.ts';

export interface MergeOptions {
  /**
   * rsync -K: symlinks stay symlinks, and where one in the layer leads to a directory of the layer, a directory of a
   * later item is merged into that. Otherwise rsync -k: a symlink to a directory becomes a copy of the directory.
   */
  readonly keepDirlinks: boolean;
}

/** Deeper trees are symlinks that lead round, or hostile. */
const MAX_DEPTH = 256;

interface Place {
  /** Directories from the root of the layer down to this one, for resolving `..`. */
  readonly chain: readonly DirectoryNode[];
  /** For messages: below the layer's root, without slash at the ends. */
  readonly path: string;
}

class Merge {
  readonly root = directory(0o755);
  readonly #view: StoreView;
  readonly #keepDirlinks: boolean;

  constructor(view: StoreView, options: MergeOptions) {
    this.#view = view;
    this.#keepDirlinks = options.keepDirlinks;
  }

  item(path: string): void {
    const file = this.#view.require(path);
    if (!file.stats.isDirectory()) throw new StoreError(`'${path}' cannot be the contents of a layer: not a directory`);
    this.#directory(file, { chain: [this.root], path: '' });
  }

  /** Directory of the layer that a symlink in it leads to. */
  #linkedDirectory(place: Place, target: string): readonly DirectoryNode[] | undefined {
    if (target.startsWith('/')) return undefined;
    let chain = place.chain;
    for (const name of target.split('/')) {
      if (name === '' || name === '.') continue;
      if (name === '..') {
        if (chain.length === 1) return undefined;
        chain = chain.slice(0, -1);
        continue;
      }
      const next = chain.at(-1)!.entries.get(name);
      if (next?.type !== 'directory') return undefined;
      chain = [...chain, next];
    }
    return chain;
  }

  #enter(place: Place, name: string): Place {
    const path = place.path === '' ? name : `${place.path}/${name}`;
    const entries = place.chain.at(-1)!.entries;
    const existing = entries.get(name);
    if (existing?.type === 'directory') return { chain: [...place.chain, existing], path };
    if (existing?.type === 'symlink' && this.#keepDirlinks) {
      const linked = this.#linkedDirectory(place, existing.target);
      if (linked !== undefined) return { chain: linked, path };
      if (this.#leadsToStoreDirectory(existing.target)) {
        throw new StoreError(`cannot add to '/${path}': it is a symlink to the directory '${existing.target}'`);
      }
    }
    const made = directory(0o555);
    entries.set(name, made);
    return { chain: [...place.chain, made], path };
  }

  #leadsToStoreDirectory(target: string): boolean {
    return target.startsWith('/') && this.#view.stat(target)?.stats.isDirectory() === true;
  }

  #put(place: Place, name: string, node: TreeNode): void {
    const entries = place.chain.at(-1)!.entries;
    const existing = entries.get(name);
    if (existing?.type === 'directory' && existing.entries.size > 0) {
      const path = place.path === '' ? name : `${place.path}/${name}`;
      throw new StoreError(`cannot put a ${node.type} at '/${path}': an earlier item has a directory there`);
    }
    if (existing?.type === 'file' && node.type === 'file' && existing.size === node.size) {
      // As rsync sees it, a file of the same size and time (in a store all have one time) is the same file: contents
      // of the earlier one, permissions of the later.
      entries.set(name, { ...existing, mode: node.mode });
      return;
    }
    entries.set(name, node);
  }

  #directory(from: ViewedFile, place: Place): void {
    if (place.chain.length > MAX_DEPTH) {
      throw new StoreError(`'${from.path}' is nested too deeply; does a symlink lead back to a directory above it?`);
    }
    for (const name of this.#view.readDirectory(from).sort()) {
      const path = `${from.path}/${name}`;
      const file = this.#view.lstat(path);
      if (file === undefined) continue;
      const { stats } = file;
      if (stats.isDirectory()) {
        this.#directory(file, this.#enter(place, name));
      } else if (stats.isSymbolicLink()) {
        const linked = this.#keepDirlinks ? undefined : this.#view.stat(path);
        if (linked?.stats.isDirectory() === true) this.#directory(linked, this.#enter(place, name));
        else {
          const target = this.#view.readLink(file);
          this.#put(place, name, { type: 'symlink', mode: 0o777, uid: 0, gid: 0, target });
        }
      } else {
        const mode = canonicalMode(stats);
        this.#put(place, name, { type: 'file', mode, uid: 0, gid: 0, size: stats.size, path: file.realPath });
      }
    }
  }
}

/**
 * The merged tree, all owned by root; its root directory is writable for owner and group, as the original leaves it.
 * @param items logical paths of directories
 * @throws StoreError where an item is no directory or has a file where an earlier one has a directory
 */
export function mergeContents(view: StoreView, items: readonly string[], options: MergeOptions): DirectoryNode {
  const merge = new Merge(view, options);
  for (const item of items) merge.item(item);
  return { ...merge.root, mode: 0o775 };
}

/** A directory of the store as `cp -r` copies it: symlinks stay, nothing is merged. */
export function copyOfDirectory(view: StoreView, path: string): DirectoryNode {
  const read = (file: ViewedFile, depth: number): TreeNode => {
    const base = { mode: canonicalMode(file.stats), uid: 0, gid: 0 };
    if (file.stats.isSymbolicLink()) return { type: 'symlink', ...base, target: view.readLink(file) };
    if (!file.stats.isDirectory()) return { type: 'file', ...base, size: file.stats.size, path: file.realPath };
    if (depth > MAX_DEPTH) throw new StoreError(`'${file.path}' is nested too deeply`);
    const entries = new Map<string, TreeNode>();
    for (const name of view.readDirectory(file)) {
      const entry = view.lstat(`${file.path}/${name}`);
      if (entry !== undefined) entries.set(name, read(entry, depth + 1));
    }
    return { type: 'directory', ...base, entries };
  };
  const node = read(view.require(path), 0);
  if (node.type !== 'directory') throw new StoreError(`'${path}' is not a directory`);
  return node;
}
