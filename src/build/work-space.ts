// The directories of one build on this machine. All that a sandboxed build writes lies in `DRV.chroot` beside the
// derivation in the store, as with Nix: on the file system of the outputs, and whoever next holds the locks of the
// outputs removes what a killed process left there.
import { chmodSync, chownSync, existsSync, mkdirSync, renameSync, statSync } from 'node:fs';
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
  /** Sandbox only: mount point of the new root, and what becomes /tmp. */
  readonly root: string;
  readonly tmpDir: string;
  /** Removes everything. `keepBuildDir`: returns where the build directory was put instead. */
  remove(keepBuildDir: boolean): string | undefined;
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
  const space = {
    root: make('root', 0o755),
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
    remove(keepBuildDir) {
      let kept: string | undefined;
      if (keepBuildDir) {
        const parent = freshBuildDir(store, undefined);
        mkdirSync(fsPath(parent), { mode: 0o755 });
        kept = `${parent}/build`;
        renameSync(fsPath(space.buildDir), fsPath(kept));
        chmodSync(fsPath(kept), 0o755);
      }
      deletePath(top);
      return kept;
    },
  };
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
    remove(keepBuildDir) {
      if (!keepBuildDir) {
        deletePath(buildDir);
        return undefined;
      }
      chmodSync(fsPath(buildDir), 0o755);
      return buildDir;
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
