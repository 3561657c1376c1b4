// `nix-collect-garbage`: the drop-in. Old generations of profiles go first where asked, then what nothing needs.
import { accessSync, constants, readlinkSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import type { DaemonStore } from '../../store/daemon/daemon-store.ts';
import { LocalStore } from '../../store/local-store.ts';
import { deleteOldGenerations, findProfiles } from '../../store/profiles.ts';
import { fsPath, utf8 } from '../../util/bytes.ts';
import { UsageError } from '../../util/errors.ts';
import { collect, collectable, type Collected } from '../collect.ts';
import type { Config } from '../config.ts';
import { COMMON_FLAGS, flag, parseFlags, type Flag } from '../flags.ts';
import { print, say } from '../output.ts';
import { openConfiguredStore } from '../session.ts';
import { parseByteCount, printFreed } from './nix-store/collect.ts';
import { homeDir, nixHome } from '../../util/user-dirs.ts';

export const FLAGS: readonly Flag[] = [
  flag('delete-old', 'delete old generations of all profiles first', { short: 'd' }),
  flag('delete-older-than', 'delete generations older than so many days (30d) first', { args: ['AGE'] }),
  flag('dry-run', 'only say what would be done'),
  flag('max-freed', 'stop after so many bytes (K, M, G, T)', { args: ['BYTES'] }),
  flag('store', 'the store to use', { args: ['URI'] }),
  ...COMMON_FLAGS,
];

const DAY = 24 * 3600;

/** `30d` → Unix seconds. @throws UsageError */
export function parseOlderThan(spec: string, nowSeconds: number): number {
  if (!spec.endsWith('d')) {
    throw new UsageError(`invalid number of days specifier '${spec}', expected something like '14d'`);
  }
  const days = /^\d{1,6}d$/.test(spec) ? Number(spec.slice(0, -1)) : 0;
  if (days < 1) throw new UsageError(`invalid number of days specifier '${spec}'`);
  return nowSeconds - days * DAY;
}

export async function nixCollectGarbage(argv: readonly string[], config: Config): Promise<number> {
  const flags = parseFlags(argv, FLAGS, config);
  const dryRun = flags.has('dry-run');
  const maxFreed = flags.get('max-freed');
  if (maxFreed !== undefined && dryRun) throw new UsageError('options --max-freed and --dry-run cannot be combined');
  const age = flags.get('delete-older-than');
  const olderThan = age === undefined ? undefined : parseOlderThan(utf8(age), Math.floor(Date.now() / 1000));
  const maxFreedBytes = maxFreed === undefined ? undefined : Math.max(0, parseByteCount(utf8(maxFreed)));
  const opened = openConfiguredStore(config, false);
  try {
    const store = collectable(opened);
    if (flags.has('delete-old') || olderThan !== undefined) removeOldGenerations(store, olderThan, dryRun);
    let result: Collected = { paths: [], bytesFreed: 0 };
    try {
      result = collect(store, config, {
        action: dryRun ? 'dead' : 'delete',
        ...(maxFreedBytes === undefined ? {} : { maxFreedBytes }),
      });
    } finally {
      // How much a path's end frees is not known before it.
      if (dryRun) print(`${String(result.paths.length)} store paths would be deleted\n`);
      else printFreed(result);
    }
    return 0;
  } finally {
    await opened.close();
  }
}

function removeOldGenerations(store: LocalStore | DaemonStore, olderThan: number | undefined, dryRun: boolean): void {
  const profiles = new Set(profileDirs(store).flatMap(findProfiles));
  for (const profile of profiles) {
    try {
      accessSync(fsPath(dirname(profile)), constants.W_OK);
    } catch {
      continue; // another user's
    }
    say(`removing old generations of profile ${profile}`);
    deleteOldGenerations(profile, { ...(olderThan === undefined ? {} : { olderThan }), dryRun, log: say });
  }
}

/** Where profiles lie: with the store, and the user's own where the store is the machine's (not one below a folder). */
function profileDirs(store: LocalStore | DaemonStore): string[] {
  const stateDir = store instanceof LocalStore ? store.stateDir : utf8(process.env['NIX_STATE_DIR'] ?? '/nix/var/nix');
  const dirs = new Set([`${stateDir}/profiles`]);
  if (store.realStoreDir === store.storeDir) {
    const home = homeDir(process.env);
    dirs.add(utf8(join(nixHome(process.env, 'STATE'), 'profiles')));
    try {
      dirs.add(utf8(dirname(resolve(home, readlinkSync(join(home, '.nix-profile'))))));
    } catch {
      // no profile of the user's
    }
  }
  return [...dirs];
}
