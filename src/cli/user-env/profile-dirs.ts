// Where a user's profiles, channels and default expressions lie. Paths are byte strings.
import { lstatSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { replaceSymlink } from '../../store/gc-roots.ts';
import { profileToken } from '../../store/profiles.ts';
import { fromUtf8, fsPath, utf8 } from '../../util/bytes.ts';
import { NixError } from '../../util/errors.ts';
import { makeDirs } from '../../util/make-dirs.ts';
import { homeDir, nixHome } from '../../util/user-dirs.ts';
import type { Config } from '../config.ts';

export const isRoot = (): boolean => process.getuid?.() === 0;

/** Follows no links. */
export const isThere = (path: string): boolean => lstatSync(fsPath(path), { throwIfNoEntry: false }) !== undefined;

const nixStateDir = (): string => process.env['NIX_STATE_DIR'] ?? '/nix/var/nix';

/** Of the channels that root has for everybody. */
export const rootProfilesDir = (): string => utf8(join(nixStateDir(), 'profiles/per-user/root'));

/** Made where it is not there. @throws StoreError */
export function profilesDir(): string {
  const dir = isRoot() ? rootProfilesDir() : utf8(join(nixHome(process.env, 'STATE'), 'profiles'));
  makeDirs(dir);
  return dir;
}

/** In the home, or by `use-xdg-base-directories` in the folder of state. */
function userFile(config: Config, atHome: string, inState: string): string {
  const xdg = config.bool('use-xdg-base-directories');
  return utf8(xdg ? join(nixHome(process.env, 'STATE'), inState) : join(homeDir(process.env), atHome));
}

export const profileLink = (config: Config): string => userFile(config, '.nix-profile', 'profile');
export const channelsFile = (config: Config): string => userFile(config, '.nix-channels', 'channels');
export const defaultExpressions = (config: Config): string => userFile(config, '.nix-defexpr', 'defexpr');

/** What `~/.nix-profile` leads to; the link is made where there is none. */
export function defaultProfile(config: Config): string {
  const link = profileLink(config);
  try {
    const profile = `${profilesDir()}/profile`;
    if (!isThere(link)) replaceSymlink(link, profile);
    const forAll = utf8(join(nixStateDir(), 'profiles/default'));
    if (isRoot() && !isThere(forAll)) replaceSymlink(forAll, profile);
    return utf8(resolve(fromUtf8(dirname(link)), fromUtf8(profileToken(link))));
  } catch (error) {
    if (error instanceof NixError) return link;
    throw error;
  }
}

/** Makes ~/.nix-defexpr, with links to the channels, where there is none. */
export function prepareDefaultExpressions(config: Config): string {
  const dir = defaultExpressions(config);
  if (isThere(dir)) return dir;
  try {
    makeDirs(dir);
    replaceSymlink(`${dir}/channels`, `${profilesDir()}/channels`);
    if (!isRoot()) replaceSymlink(`${dir}/channels_root`, `${rootProfilesDir()}/channels`);
  } catch (error) {
    if (!(error instanceof NixError)) throw error;
  }
  return dir;
}
