// Where `<name>` is looked for: -I, then NIX_PATH or the nix-path setting, then Nix's default channels.
import { join } from 'node:path';
import { isThere } from './cache/looks.ts';
import type { Config, Environment } from './config.ts';
import { homeDir } from '../util/user-dirs.ts';

export interface SearchPathEntry {
  readonly prefix: string;
  readonly path: string;
}

/** Splits a `:`-separated list whose elements may be URLs (`nixpkgs=https://…`, `channel:…`). */
export function splitSearchPath(text: string): string[] {
  const out: string[] = [];
  let current = '';
  for (const part of text.split(':')) {
    const scheme = /(^|=)(https?|file|git|ftp|s3|channel|flake|git\+[a-z]+)$/.test(current);
    if (scheme) {
      current = `${current}:${part}`;
      continue;
    }
    if (current !== '') out.push(current);
    current = part;
  }
  if (current !== '') out.push(current);
  return out;
}

export function parseSearchPathEntry(text: string): SearchPathEntry {
  const equals = text.indexOf('=');
  return equals < 0 ? { prefix: '', path: text } : { prefix: text.slice(0, equals), path: text.slice(equals + 1) };
}

function defaultEntries(env: Environment): SearchPathEntry[] {
  const home = homeDir(env);
  const state = env['NIX_STATE_DIR'] ?? '/nix/var/nix';
  const candidates = [
    { prefix: '', path: join(home, '.nix-defexpr/channels') },
    { prefix: 'nixpkgs', path: join(state, 'profiles/per-user/root/channels/nixpkgs') },
    { prefix: '', path: join(state, 'profiles/per-user/root/channels') },
  ];
  return candidates.filter((entry) => isThere(entry.path));
}

/** All entries in order of search. NIX_PATH takes the place of the nix-path setting. */
export function searchPath(include: readonly string[], config: Config, env: Environment): SearchPathEntry[] {
  if (config.bool('pure-eval')) return [];
  const configured =
    env['NIX_PATH'] !== undefined && !config.flagged('nix-path')
      ? [...splitSearchPath(env['NIX_PATH']), ...config.appendedByFlag('nix-path')]
      : config.list('nix-path');
  return [
    ...[...include, ...configured].map(parseSearchPathEntry),
    ...(config.bool('restrict-eval') ? [] : defaultEntries(env)),
  ];
}
