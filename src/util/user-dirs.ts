// Where a user's files lie: the XDG folders, and Nix's below them.
import { homedir, userInfo } from 'node:os';
import { join } from 'node:path';

type Environment = Readonly<Record<string, string | undefined>>;

const XDG_DEFAULTS = { CACHE: '.cache', CONFIG: '.config', DATA: '.local/share', STATE: '.local/state' };

/** `$HOME`, else what the machine's list of users says. */
export function homeDir(env: Environment): string {
  const home = env['HOME'];
  if (home !== undefined && home !== '') return home;
  return home === '' ? userInfo().homedir : homedir();
}

/** `$XDG_<kind>_HOME` or its default; relative ones do not count, as the XDG specification says. */
export function xdgHome(env: Environment, kind: keyof typeof XDG_DEFAULTS): string {
  const dir = env[`XDG_${kind}_HOME`];
  return dir !== undefined && dir.startsWith('/') ? dir : join(homeDir(env), XDG_DEFAULTS[kind]);
}

/** Nix's folder of that kind: `$NIX_<kind>_HOME`, or `nix` in the XDG one. */
export function nixHome(env: Environment, kind: keyof typeof XDG_DEFAULTS): string {
  const dir = env[`NIX_${kind}_HOME`];
  return dir !== undefined && dir !== '' ? dir : join(xdgHome(env, kind), 'nix');
}

/** Where the machine's own settings of Nix lie. */
export function systemConfDir(env: Environment): string {
  return env['NIX_CONF_DIR'] ?? '/etc/nix';
}
