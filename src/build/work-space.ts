// The directories of one build on this machine. All that a sandboxed build writes lies in `DRV.chroot` beside the
// derivation in the store, as with Nix: on the file system of the outputs, and whoever next holds the locks of the
// outputs removes what a killed process left there.
import {
  chmodSync,
  chownSync,
  existsSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmdirSync,
  statSync,
  unlinkSync,
} from 'node:fs';
import { rm, rmdir } from 'node:fs/promises';
import { setImmediate } from 'node:timers/promises';
import { fsPath } from '../util/bytes.ts';
import { deletePath } from '../store/delete-path.ts';
import type { StorePath } from '../store/store.ts';
import type { BuildStore } from './build-store.ts';
import type { HostIds } from './host-ids.ts';

export interface WorkSpace {
  /** Where the builder's store directory lies: outputs are found here by base name. */
  readonly outputsDir: string;
  /** Becomes the builder's working directory. */
  readonly buildDir: string;
  /** Sandbox only: mount point of the new root, which other builds use too, and what becomes /tmp. */
  readonly root: string;
  /** Makes an empty directory for backends that put files below the new root. */
  ownRoot(): string;
  readonly tmpDir: string;
  /** Removes everything. */
  remove(keepBuildDir: boolean): Removal;
}

export interface Removal {
  /** Where the build directory was put instead, if it was to be kept. */
  readonly kept?: string;
  /** Settles when all is removed, where that goes on. Nothing is in the way of another build meanwhile. */
  readonly done?: Promise<void>;
}

let counter = 0;

/** `STATE/builds/nix-PID-N`, not made yet. */
function freshBuildDir(store: BuildStore, buildDir: string | undefined): string {
  const parent = buildDir ?? `${store.stateDir}/builds`;
  if (!existsSync(fsPath(parent))) mkdirSync(fsPath(parent), { recursive: true });
  for (;;) {
    const path = `${parent}/nix-${process.pid}-${counter++}`;
    if (!existsSync(fsPath(path))) return path;
  }
}

export function sandboxSpace(store: BuildStore, drvPath: StorePath, owner: HostIds | undefined): WorkSpace {
  const top = `${store.realPath(drvPath)}.chroot`;
  deletePath(top);
  const make = (name: string, mode: number): string => {
    const path = `${top}/${name}`;
    mkdirSync(fsPath(path));
    chmodSync(fsPath(path), mode);
    return path;
  };
  mkdirSync(fsPath(top));
  // Nobody else may see what a builder makes before it is canonical: it could be setuid.
  chmodSync(fsPath(top), 0o700);
  // Only mounted on, each time in a namespace of its own: one directory serves all. It lies beside the store, for what lies
  // below it can't be seen any more then.
  const root = `${store.stateDir}/builds`;
  if (!existsSync(fsPath(root))) mkdirSync(fsPath(root), { recursive: true });
  const space = {
    root,
    outputsDir: make('store', 0o1775),
    tmpDir: make('tmp', 0o1777),
    buildDir: make('build', 0o700),
  };
  if (owner !== undefined) {
    chownSync(fsPath(top), owner.uid, owner.gid);
    chownSync(fsPath(space.outputsDir), 0, owner.gid);
    chownSync(fsPath(space.buildDir), owner.uid, owner.gid);
  }
  return {
    ...space,
    ownRoot: () => (existsSync(fsPath(`${top}/root`)) ? `${top}/root` : make('root', 0o755)),
    remove(keepBuildDir) {
      let kept: string | undefined;
      if (keepBuildDir) {
        const parent = freshBuildDir(store, undefined);
        mkdirSync(fsPath(parent), { mode: 0o755 });
        kept = `${parent}/build`;
        renameSync(fsPath(space.buildDir), fsPath(kept));
        openKept(kept);
      }
      // Removing what was mounted on waits for the kernel to take the builder's namespaces apart, longer than most of a
      // short build. Under this name a collector takes it for rubbish, should we be killed.
      const trash = `${store.realStoreDir}/tmp-${process.pid}-${counter++}`;
      renameSync(fsPath(top), fsPath(trash));
      return { ...(kept === undefined ? {} : { kept }), done: removeSandbox(trash) };
    },
  };
}

/**
 * Shows a kept build directory to others, once nothing in it lends them the builder's id, or ours: setuid bits (which a
 * file may be created with, whatever the system call filter) go, and as root everything becomes root's.
 */
function openKept(dir: string): void {
  const isRoot = process.geteuid?.() === 0;
  const disarm = (path: string): void => {
    const target = fsPath(path);
    const stat = lstatSync(target);
    if (!stat.isSymbolicLink() && (stat.mode & 0o6000) !== 0) chmodSync(target, stat.mode & 0o1777);
    if (isRoot) lchownSync(target, 0, 0);
    if (!stat.isDirectory()) return;
    if ((stat.mode & 0o700) !== 0o700) chmodSync(target, (stat.mode & 0o1777) | 0o700);
    for (const name of readdirSync(target, { encoding: 'latin1' })) disarm(`${path}/${name}`);
  };
  let mode = 0o755;
  try {
    disarm(dir);
  } catch {
    mode = 0o700; // deeper than a path may be long: for its owner alone
  }
  chmodSync(fsPath(dir), mode);
}

/** Of a sandbox, behind the start of the next build. */
async function removeSandbox(top: string): Promise<void> {
  await setImmediate();
  // Mostly nothing but mount points and empty directories. To remove them one by one in other threads takes ten times as
  // long, but what a builder left may be much.
  if (!removeIfSmall(`${top}/store`) || !removeIfSmall(top)) await removeLater(top);
}

/** Files and empty directories. @returns false where there is more */
function removeIfSmall(directory: string): boolean {
  try {
    for (const entry of readdirSync(fsPath(directory), { encoding: 'latin1', withFileTypes: true })) {
      const path = fsPath(`${directory}/${entry.name}`);
      if (entry.isDirectory()) rmdirSync(path);
      else unlinkSync(path);
    }
    rmdirSync(fsPath(directory));
    return true;
  } catch {
    return false;
  }
}

async function removeLater(path: string): Promise<void> {
  try {
    await rm(fsPath(path), { recursive: true, force: true });
  } catch {
    deletePath(path); // directories that even we may not enter
  }
}

/** Outputs are written in the store itself. */
export function openSpace(
  store: BuildStore,
  owner: HostIds | undefined,
  buildDirOption: string | undefined,
): WorkSpace {
  const buildDir = freshBuildDir(store, buildDirOption);
  mkdirSync(fsPath(buildDir), { mode: 0o700 });
  if (owner !== undefined) chownSync(fsPath(buildDir), owner.uid, owner.gid);
  return {
    outputsDir: store.realStoreDir,
    buildDir,
    root: buildDir,
    tmpDir: buildDir,
    ownRoot: () => buildDir,
    remove(keepBuildDir) {
      // Behind the next build: no other has this directory.
      if (!keepBuildDir) return { done: rmdir(fsPath(buildDir)).catch(() => removeLater(buildDir)) };
      openKept(buildDir);
      return { kept: buildDir };
    },
  };
}

/** Moves an object; a directory must be writable for that, its place in the parent is part of it. */
export function moveObject(from: string, to: string): void {
  const stat = statSync(fsPath(from), { throwIfNoEntry: false });
  const readOnlyDirectory = stat?.isDirectory() === true && (stat.mode & 0o200) === 0;
  if (readOnlyDirectory) chmodSync(fsPath(from), 0o755);
  renameSync(fsPath(from), fsPath(to));
  if (readOnlyDirectory) chmodSync(fsPath(to), stat.mode & 0o7777);
}
