// Roots that outlive a process: a symlink into the store somewhere (`./result`), and a symlink to that symlink in
// gcroots/auto, named by a hash of its place, so that collectors find it for as long as it is there.
import { randomBytes } from 'node:crypto';
import { readlinkSync, renameSync, symlinkSync } from 'node:fs';
import { dirname } from 'node:path';
import { StoreError } from '../util/errors.ts';
import { fsPath } from '../util/bytes.ts';
import { makeDirs } from '../util/make-dirs.ts';
import { hashString, printDigest } from './hash.ts';
import { ioError } from './nar-dump.ts';
import { isInStore, tryParseStorePath } from './store-path.ts';
import type { StorePath } from './store.ts';

/** Makes a symlink in place of one that may be there, so that there is one at any time. */
export function replaceSymlink(link: string, target: string): void {
  const temporary = `${dirname(link)}/.${String(process.pid)}-${randomBytes(4).toString('hex')}_link`;
  try {
    makeDirs(dirname(link));
    symlinkSync(fsPath(target), fsPath(temporary));
    renameSync(fsPath(temporary), fsPath(link));
  } catch (error) {
    throw ioError('creating symlink', link, error);
  }
}

/**
 * Makes `link` point to where a store path lies on this machine, unless there is something of the user's.
 * @param realStoreDir where `storeDir` lies: elsewhere for chroot stores, where a link to the logical path would dangle
 * @throws StoreError
 */
export function makeRootLink(link: string, target: StorePath, storeDir: string, realStoreDir = storeDir): void {
  if (isInStore(link, storeDir)) {
    throw new StoreError(
      `creating a garbage collector root ('${link}') in the Nix store is forbidden (are you running nix-build inside the store?)`,
    );
  }
  let existing: string | undefined;
  try {
    existing = readlinkSync(fsPath(link), { encoding: 'latin1' });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EINVAL') throw new StoreError(`cannot create symlink '${link}'; already exists`, { cause: error });
    if (code !== 'ENOENT') throw ioError('reading symbolic link', link, error);
  }
  if (existing !== undefined && !isInStore(existing, realStoreDir) && !leadsToAnyStore(existing, storeDir)) {
    throw new StoreError(`cannot create symlink '${link}'; already exists`);
  }
  const place = realStoreDir + target.slice(storeDir.length);
  if (existing !== place) replaceSymlink(link, place);
}

/** A store object's path, of this store or of one that lies elsewhere (`--store ./other` made the link). */
function leadsToAnyStore(target: string, storeDir: string): boolean {
  if (isInStore(target, storeDir)) return true;
  const start = target.lastIndexOf(`${storeDir}/`);
  return start >= 0 && tryParseStorePath(target.slice(start), storeDir) !== undefined;
}

/** Below gcroots: direct roots for links into a chroot store, by the same hash as in `auto`. */
export const divertedRoots = 'tsnix';

/**
 * Nix's collector knows a root by its logical store path, which links into a chroot store don't show; so such a link
 * has a direct root beside it. Our collector drops it when the link is gone.
 */
export function registerDivertedRoot(stateDir: string, link: string, target: StorePath): void {
  replaceSymlink(linkBeside(stateDir, divertedRoots, link), target);
}

/** Every link that there is for a root: that of the user, and those that tell collectors of it. */
export function linksOfRoot(
  store: { readonly stateDir: string; readonly storeDir: string; readonly realStoreDir: string },
  link: string,
  target: StorePath,
): [link: string, target: string][] {
  const { stateDir, storeDir, realStoreDir } = store;
  const links: [string, string][] = [
    [link, realStoreDir + target.slice(storeDir.length)],
    [linkBeside(stateDir, 'auto', link), link],
  ];
  if (realStoreDir !== storeDir) links.push([linkBeside(stateDir, divertedRoots, link), target]);
  return links;
}

/** Tells collectors of a link. */
export function registerIndirectRoot(stateDir: string, link: string): void {
  replaceSymlink(linkBeside(stateDir, 'auto', link), link);
}

/** What tells collectors of a link, in a folder of gcroots. */
function linkBeside(stateDir: string, folder: string, link: string): string {
  return `${stateDir}/gcroots/${folder}/${printDigest(hashString('sha1', link), 'nix32')}`;
}
