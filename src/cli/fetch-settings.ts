// What fetchers and flakes are told: settings, and where the registries of flakes lie.
import { join } from 'node:path';
import type { FetchSettings } from '../eval/settings.ts';
import { utf8 } from '../util/bytes.ts';
import type { Config, Environment } from './config.ts';
import { nixHome, systemConfDir } from '../util/user-dirs.ts';

export function fetchSettings(config: Config, env: Environment): FetchSettings {
  const userDir = nixHome(env, 'CONFIG');
  const accessTokens = config.list('access-tokens').map((entry): [string, string] => {
    const equals = entry.indexOf('=');
    return equals < 0 ? [entry, ''] : [entry.slice(0, equals), entry.slice(equals + 1)];
  });
  return {
    accessTokens: new Map(accessTokens),
    trustArchives: config.bool('trust-tarballs-from-git-forges'),
    allowDirty: config.bool('allow-dirty'),
    warnDirty: config.bool('warn-dirty'),
    allowDirtyLocks: config.bool('allow-dirty-locks'),
    useRegistries: config.bool('use-registries'),
    registries: [utf8(join(userDir, 'registry.json')), utf8(join(systemConfDir(env), 'registry.json'))],
    globalRegistry: utf8(config.string('flake-registry')),
  };
}
