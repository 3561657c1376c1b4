// Where a collector starts: links in gcroots and profiles, directly into the store or by way of a link elsewhere, what
// running processes have open, and the temporary roots of living processes.
import {
  existsSync,
  lstatSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  closeSync,
  constants,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { fsPath } from '../util/bytes.ts';
import { divertedRoots } from './gc-roots.ts';
import { hashString, printDigest } from './hash.ts';
import { lockFds } from './locks.ts';
import { canonPath, isInStore, splitStorePath, tryParseStorePath } from './store-path.ts';
import type { StorePath } from './store.ts';

export interface RootStore {
  readonly storeDir: string;
  readonly realStoreDir: string;
  readonly stateDir: string;
  isValidPath(path: StorePath): boolean;
}

/** Store path → where its roots are (`/proc/…` and `{temp:PID}` too). */
export type Roots = Map<StorePath, Set<string>>;

function addRoot(roots: Roots, path: StorePath, link: string): void {
  const links = roots.get(path);
  if (links === undefined) roots.set(path, new Set([link]));
  else links.add(link);
}

/** The store path that a link's target means: logical, or where a chroot store really lies. */
function storePathOf(store: RootStore, target: string): StorePath | undefined {
  const logical = isInStore(target, store.storeDir)
    ? target
    : isInStore(target, store.realStoreDir)
      ? store.storeDir + target.slice(store.realStoreDir.length)
      : undefined;
  if (logical === undefined) return undefined;
  try {
    return splitStorePath(logical, store.storeDir).storePath;
  } catch {
    return undefined; // below the store directory, but no store path
  }
}

/** Indirect roots whose link is gone are removed on the way, as Nix does, unless `keepStale`. */
function scanLinks(store: RootStore, path: string, roots: Roots, keepStale: boolean): void {
  try {
    const stat = lstatSync(fsPath(path));
    if (stat.isDirectory()) {
      for (const name of readdirSync(fsPath(path), { encoding: 'latin1' })) {
        scanLinks(store, `${path}/${name}`, roots, keepStale);
      }
    } else if (stat.isSymbolicLink()) scanLink(store, path, roots, keepStale);
    else if (stat.isFile()) {
      const named = tryParseStorePath(`${store.storeDir}/${path.slice(path.lastIndexOf('/') + 1)}`, store.storeDir);
      if (named !== undefined && store.isValidPath(named)) addRoot(roots, named, path);
    }
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? '';
    if (!['EACCES', 'ENOENT', 'ENOTDIR'].includes(code)) throw error;
  }
}

function scanLink(store: RootStore, path: string, roots: Roots, keepStale: boolean): void {
  const target = readlinkSync(fsPath(path), { encoding: 'latin1' });
  const direct = storePathOf(store, target);
  if (direct !== undefined) {
    if (isAbandoned(store, path)) {
      if (!keepStale) unlinkSync(fsPath(path));
    } else if (store.isValidPath(direct)) addRoot(roots, direct, path);
    return;
  }
  const link = canonPath(target.startsWith('/') ? target : `${dirname(path)}/${target}`);
  let second: string;
  try {
    second = readlinkSync(fsPath(link), { encoding: 'latin1' });
  } catch (error) {
    const gone = (error as NodeJS.ErrnoException).code === 'ENOENT';
    if (gone && !keepStale && path.startsWith(`${store.stateDir}/gcroots/auto/`)) unlinkSync(fsPath(path));
    return; // not a link any more: someone else's file
  }
  const indirect = storePathOf(store, second);
  if (indirect !== undefined && store.isValidPath(indirect)) addRoot(roots, indirect, link);
}

/** A direct root that stands for a link into a chroot store (registerDivertedRoot) lives as long as the link. */
function isAbandoned(store: RootStore, path: string): boolean {
  const prefix = `${store.stateDir}/gcroots/${divertedRoots}/`;
  if (!path.startsWith(prefix)) return false;
  const name = path.slice(prefix.length);
  let link: string;
  try {
    link = readlinkSync(fsPath(`${store.stateDir}/gcroots/auto/${name}`), { encoding: 'latin1' });
  } catch {
    return true;
  }
  if (printDigest(hashString('sha1', link), 'nix32') !== name) return false;
  try {
    readlinkSync(fsPath(link));
    return false;
  } catch {
    return true;
  }
}

function matches(text: string, pattern: RegExp): string[] {
  return [...text.matchAll(pattern)].map((match) => match[1] ?? match[0]);
}

function tryRead<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined; // the process is gone, or not ours to look at
  }
}

/**
 * Whether a process that shows something else where `path` lies: a builder, or a shell, of another store that has an object of
 * the same path; or that has ended meanwhile. Where it shows nothing there, or can't be asked, it may mean ours.
 */
function meansAnotherStore(store: RootStore, proc: string, path: StorePath): boolean {
  const ours = tryRead(() => lstatSync(fsPath(store.realStoreDir + path.slice(store.storeDir.length))));
  const theirs = tryRead(() => lstatSync(fsPath(`${proc}/root${path}`)));
  if (ours === undefined || theirs === undefined) return !existsSync(proc);
  return ours.ino !== theirs.ino || ours.dev !== theirs.dev;
}

/** What processes run, have open, mapped, or name in their environment. */
function scanProcesses(store: RootStore, roots: Roots): void {
  const inStore = new RegExp(
    `${store.storeDir.replace(/[.^$\\*+?()[\]{}|]/g, '\\$&')}/[0-9a-z]+[0-9a-zA-Z+\\-._?=]*`,
    'g',
  );
  const add = (target: string, proc: string, from: string): void => {
    const path = target.startsWith('/') ? storePathOf(store, target) : undefined;
    if (path === undefined || !store.isValidPath(path)) return;
    if (!isInStore(target, store.storeDir) || !meansAnotherStore(store, proc, path)) addRoot(roots, path, from);
  };
  for (const pid of tryRead(() => readdirSync('/proc')) ?? []) {
    if (!/^\d+$/.test(pid)) continue;
    const proc = `/proc/${pid}`;
    const links = [`${proc}/exe`, `${proc}/cwd`];
    for (const fd of tryRead(() => readdirSync(`${proc}/fd`)) ?? []) links.push(`${proc}/fd/${fd}`);
    for (const link of links) {
      const target = tryRead(() => readlinkSync(link, { encoding: 'latin1' }));
      if (target !== undefined) add(target, proc, link);
    }
    const maps = tryRead(() => readFileSync(`${proc}/maps`, 'latin1')) ?? '';
    for (const file of new Set(matches(maps, / (\/\S+)\s*$/gm))) add(file, proc, `${proc}/maps`);
    const environ = tryRead(() => readFileSync(`${proc}/environ`, 'latin1')) ?? '';
    for (const path of new Set(matches(environ, inStore))) add(path, proc, `${proc}/environ`);
  }
}

export interface FindRootsOptions {
  /** Only look: leave stale links where they are. */
  readonly keepStale?: boolean;
  /** Default true. */
  readonly processes?: boolean;
}

/** Permanent roots and those of running programs. */
export function findRoots(store: RootStore, options: FindRootsOptions = {}): Roots {
  const roots: Roots = new Map();
  const keepStale = options.keepStale ?? false;
  scanLinks(store, `${store.stateDir}/gcroots`, roots, keepStale);
  scanLinks(store, `${store.stateDir}/profiles`, roots, keepStale);
  if (options.processes ?? true) scanProcesses(store, roots);
  return roots;
}

/** Temporary roots of living processes; files of dead ones are removed. They need not be valid (yet). */
export function findTempRoots(store: RootStore): Roots {
  const roots: Roots = new Map();
  const dir = `${store.stateDir}/temproots`;
  if (!existsSync(fsPath(dir))) return roots;
  for (const name of readdirSync(fsPath(dir), { encoding: 'latin1' })) {
    if (name.startsWith('.')) continue;
    const file = `${dir}/${name}`;
    const fd = tryRead(() => openSync(fsPath(file), constants.O_RDWR));
    if (fd === undefined) continue;
    try {
      if (lockFds([{ fd }], false)) {
        // Its owner is dead. The mark is for one who has just opened it to make it his.
        unlinkSync(fsPath(file));
        writeSync(fd, 'd');
        continue;
      }
      for (const text of readFileSync(fd, 'latin1').split('\0')) {
        const path = tryParseStorePath(text, store.storeDir);
        if (path !== undefined) addRoot(roots, path, `{temp:${name}}`);
      }
    } finally {
      closeSync(fd);
    }
  }
  return roots;
}
