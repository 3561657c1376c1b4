// Members for whole store paths under their own names (`nix/store/…`), read as they are packed.
import { StoreError } from '../util/errors.ts';
import { canonicalMode } from './store-view.ts';
import type { StoreView, ViewedFile } from './store-view.ts';
import { memberWithout } from './tar-packer.ts';
import type { TarMember } from './tar-packer.ts';
import { ROOT_OWNER } from './tree.ts';
import type { Owner } from './tree.ts';

/** What a layer of store paths begins with: the directories that hold them, as they are in a sandbox. */
const NIX_MODE = 0o755;
const STORE_MODE = 0o1775;

/** Times and owners of members: Unix seconds; root by default. */
export interface StoreMemberOptions {
  readonly mtime: number;
  readonly owner?: Owner;
}

function header(name: string, mode: number, { mtime, owner = ROOT_OWNER }: StoreMemberOptions) {
  return { name, type: 'directory', mode, ...owner, size: 0, mtime, linkName: '' } as const;
}

/** Members of `/nix` and `/nix/store` themselves (of every directory above the store paths), all without slash. */
export function* storeDirectoryMembers(storeDir: string, options: StoreMemberOptions): Generator<TarMember> {
  const parts = storeDir.slice(1).split('/');
  for (let i = 1; i <= parts.length; i++) {
    const mode = i === parts.length ? STORE_MODE : NIX_MODE;
    yield memberWithout(header(`${parts.slice(0, i).join('/')}/`, mode, options));
  }
}

/** One file, directory (without what is in it) or symlink of the store. */
export function storeMember(view: StoreView, file: ViewedFile, options: StoreMemberOptions): TarMember {
  const { stats } = file;
  const { mtime, owner = ROOT_OWNER } = options;
  const name = file.path.slice(1);
  const mode = canonicalMode(stats);
  if (stats.isDirectory()) return memberWithout(header(`${name}/`, mode, options));
  if (stats.isSymbolicLink()) {
    const linkName = view.readLink(file);
    return memberWithout({ name, type: 'symlink', mode, ...owner, size: 0, mtime, linkName });
  }
  return {
    header: { name, type: 'file', mode, ...owner, size: stats.size, mtime, linkName: '' },
    contents: { kind: 'file', path: file.realPath },
  };
}

/** A file and, if it is a directory, all below it, in tar's order with --sort=name. */
export function* walkStorePath(view: StoreView, path: string): Generator<ViewedFile> {
  const file = view.lstat(path);
  if (file === undefined) throw new StoreError(`path '${path}' is not in the closure of the inputs`);
  yield file;
  if (!file.stats.isDirectory()) return;
  // Byte strings: the default order, by UTF-16 units, is the order of bytes.
  for (const name of view.readDirectory(file).sort()) yield* walkStorePath(view, `${path}/${name}`);
}

/** Members of whole store paths, in the order given. */
export function* storePathMembers(
  view: StoreView,
  paths: readonly string[],
  options: StoreMemberOptions,
): Generator<TarMember> {
  for (const path of paths) for (const file of walkStorePath(view, path)) yield storeMember(view, file, options);
}

/** Which store paths make which layer: one each, all that are left in the last. */
export function splitIntoLayers<T>(paths: readonly T[], maxLayers: number): (readonly T[])[] {
  if (!Number.isInteger(maxLayers) || maxLayers < 1) throw new StoreError('there must be at least one layer');
  const layers = paths.slice(0, maxLayers - 1).map((path) => [path]);
  return paths.length >= maxLayers ? [...layers, paths.slice(maxLayers - 1)] : layers;
}
