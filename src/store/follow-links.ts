// From what a user names to a store path: a path in the store or below it, or a symlink (`./result`) that leads there.
import { readlinkSync } from 'node:fs';
import { dirname } from 'node:path';
import { StoreError } from '../util/errors.ts';
import { fsPath } from '../util/bytes.ts';
import { canonPath, isInStore, splitStorePath } from './store-path.ts';
import type { StorePath } from './store.ts';

const maxLinks = 1024;

/** What of a store is needed: where its paths say it is, and where it really lies (links into a chroot store). */
export interface StorePlaces {
  readonly storeDir: string;
  realPath(path: string): string;
}

/**
 * The logical path (in the store, or below an object of it) that `path` names.
 * @param path byte string; relative paths start at `cwd`
 * @throws StoreError where it leads elsewhere
 */
export function followLinksToStore(store: StorePlaces, path: string, cwd: string): string {
  const realStoreDir = store.realPath(store.storeDir);
  let at = canonPath(path.startsWith('/') ? path : `${cwd}/${path}`);
  for (let links = 0; ; links++) {
    if (isInStore(at, store.storeDir)) return at;
    if (isInStore(at, realStoreDir)) return store.storeDir + at.slice(realStoreDir.length);
    if (links === maxLinks) throw new StoreError(`too many symbolic links encountered while resolving '${path}'`);
    let target: string;
    try {
      target = readlinkSync(fsPath(at), { encoding: 'latin1' });
    } catch {
      throw new StoreError(`path '${at}' is not in the Nix store`);
    }
    at = canonPath(target.startsWith('/') ? target : `${dirname(at)}/${target}`);
  }
}

/** The store path that `path` names or lies in. @throws StoreError, InvalidStorePathError */
export function followLinksToStorePath(store: StorePlaces, path: string, cwd: string): StorePath {
  return splitStorePath(followLinksToStore(store, path, cwd), store.storeDir).storePath;
}
