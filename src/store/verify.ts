// Is the store what its database says? Paths that are gone, contents that changed.
import { readdirSync, unlinkSync } from 'node:fs';
import { fsPath } from '../util/bytes.ts';
import { equalDigests, printDigest } from './hash.ts';
import type { LocalStore } from './local-store.ts';
import { hashNar } from './nar-dump.ts';
import { baseName } from './store-path.ts';
import type { StorePath } from './store.ts';

export interface VerifyOptions {
  /** Read everything and compare hashes. */
  readonly checkContents?: boolean;
  /** Remove links to files with other contents than their names say, which nothing can be made of. */
  readonly removeBadLinks?: boolean;
  /** Told progress, and what is wrong in Nix's words. */
  readonly log?: (line: string) => void;
}

export interface VerifyResult {
  /** Something else is wrong, and was not put right. */
  readonly errors: boolean;
  /** Valid paths that are not on disk, though others refer to them. */
  readonly missing: readonly StorePath[];
  /** Valid paths with other contents than registered. */
  readonly modified: readonly StorePath[];
}

/** Paths that are gone and that nothing needs lose their validity, as in Nix. */
export function verifyStore(store: LocalStore, options: VerifyOptions = {}): VerifyResult {
  const log = options.log ?? ((): void => undefined);
  store.flush();
  const database = store.db;
  log('reading the Nix store...');
  const release = store.holdOffCollector();
  try {
    const problems = database.integrityProblems();
    for (const problem of problems) log(`database: ${problem}`);
    const onDisk = new Set(readdirSync(fsPath(store.realStoreDir), { encoding: 'latin1' }));
    log('checking path existence...');
    const present: StorePath[] = [];
    const gone = new Set<StorePath>();
    for (const path of database.validPaths()) {
      if (onDisk.has(baseName(path))) present.push(path);
      else gone.add(path);
    }
    const missing = dropGone(store, gone, new Set(present), log);
    const modified: StorePath[] = [];
    let errors = problems.length > 0;
    if (options.checkContents === true) {
      if (!checkLinks(store, log, options.removeBadLinks ?? false)) errors = true;
      log('checking store hashes...');
      for (const path of present) if (!checkContents(store, path, log)) modified.push(path);
    }
    return { errors, missing, modified };
  } finally {
    release();
  }
}

/** Invalidates paths that are gone, referrers first, unless something that is there needs them: those are returned. */
function dropGone(
  store: LocalStore,
  gone: ReadonlySet<StorePath>,
  present: ReadonlySet<StorePath>,
  log: (line: string) => void,
): StorePath[] {
  const kept = new Set<StorePath>();
  const done = new Set<StorePath>();
  const visit = (path: StorePath): void => {
    if (done.has(path)) return;
    done.add(path);
    let needed = false;
    for (const referrer of store.referrers(path)) {
      if (referrer === path) continue;
      if (gone.has(referrer)) visit(referrer);
      if (present.has(referrer) || kept.has(referrer)) needed = true;
    }
    if (needed) {
      log(`path '${path}' disappeared, but it still has valid referrers!`);
      kept.add(path);
      return;
    }
    log(`path '${path}' disappeared, removing from database...`);
    store.db.transaction(() => {
      store.db.invalidate(path);
    });
  };
  for (const path of gone) visit(path);
  return [...kept].sort();
}

function checkLinks(store: LocalStore, log: (line: string) => void, remove: boolean): boolean {
  log('checking link hashes...');
  const dir = `${store.realStoreDir}/.links`;
  let sound = true;
  for (const name of readdirSync(fsPath(dir), { encoding: 'latin1' })) {
    const hash = printDigest(hashNar(`${dir}/${name}`).hash, 'nix32');
    if (hash === name) continue;
    log(`link '${dir}/${name}' was modified! expected hash '${name}', got '${hash}'`);
    if (remove) {
      unlinkSync(fsPath(`${dir}/${name}`));
      log(`removed link '${dir}/${name}'`);
    } else sound = false;
  }
  return sound;
}

function checkContents(store: LocalStore, path: StorePath, log: (line: string) => void): boolean {
  const info = store.pathInfo(path);
  if (info === undefined) return true; // deleted meanwhile
  try {
    const { hash, size } = hashNar(store.realPath(path));
    if (equalDigests(hash, info.narHash)) {
      if (info.narSize === 0) {
        log(`updating size field on '${path}' to ${String(size)}`);
        store.registerValidPaths([{ ...info, narSize: size }]);
      }
      return true;
    }
    const print = (digest: Uint8Array): string => `sha256:${printDigest(digest, 'nix32')}`;
    log(`path '${path}' was modified! expected hash '${print(info.narHash)}', got '${print(hash)}'`);
  } catch (error) {
    log(`error: ${(error as Error).message}`);
  }
  return false;
}
