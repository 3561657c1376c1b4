// The state of a Nix store for an image: a database that knows the image's store paths, and roots that keep them. What
// `nix-store --load-db` leaves on an empty root, without locks and reserved space, which Nix makes anew.
import { mkdirSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { fsPath } from '../util/bytes.ts';
import { StoreDatabase, schemaVersion } from '../store/database.ts';
import { baseName } from '../store/store-path.ts';
import type { PathInfo, StorePath } from '../store/store.ts';
import { directory } from './tree.ts';
import type { DirectoryNode, FileNode, TreeNode } from './tree.ts';
import { fileRegion } from './write-file.ts';

export interface NixDatabaseOptions {
  /** All that the database shall know, closed under references. */
  readonly closure: readonly PathInfo[];
  /** For which there shall be roots. */
  readonly roots: readonly StorePath[];
  readonly storeDir: string;
  /** Unix seconds: when the paths became valid. */
  readonly time: number;
  /** New directory for the files. */
  readonly dir: string;
}

function dirs(entries: Readonly<Record<string, TreeNode>>): DirectoryNode {
  return directory(0o755, new Map(Object.entries(entries)));
}

function file(path: string): FileNode {
  return { type: 'file', mode: 0o644, uid: 0, gid: 0, ...fileRegion(path) };
}

function symlink(target: string): TreeNode {
  return { type: 'symlink', mode: 0o777, uid: 0, gid: 0, target };
}

/** The tree of `/nix` and what is in it; database and schema lie in `options.dir`. */
export async function nixStateTree(options: NixDatabaseOptions): Promise<DirectoryNode> {
  const { closure, roots, storeDir, time, dir } = options;
  mkdirSync(fsPath(dir));
  const database = new StoreDatabase(`${dir}/db.sqlite`, {
    readOnly: false,
    storeDir,
    fsync: false,
    warn: () => undefined,
  });
  try {
    database.createSchema();
    database.transaction(() => {
      database.register(
        closure.map((info) => ({
          info: { ...info, registrationTime: time, deriver: null, ultimate: false, signatures: [], ca: null },
        })),
      );
    });
  } finally {
    database.close();
  }
  await writeFile(fsPath(`${dir}/schema`), String(schemaVersion));
  const perUser = (): TreeNode => dirs({ root: dirs({}) });
  const gcRoots = new Map(roots.map((path) => [baseName(path), symlink(path)]));
  const state = dirs({
    db: dirs({ 'db.sqlite': file(`${dir}/db.sqlite`), schema: file(`${dir}/schema`) }),
    gcroots: dirs({
      docker: directory(0o755, gcRoots),
      'per-user': perUser(),
      profiles: symlink('/nix/var/nix/profiles'),
    }),
    profiles: dirs({ 'per-user': perUser() }),
    temproots: dirs({}),
  });
  return dirs({ nix: dirs({ store: dirs({ '.links': dirs({}) }), var: dirs({ nix: state }) }) });
}
