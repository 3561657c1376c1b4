// What `nix --version --verbose` tells besides.
import { utf8, fromUtf8 } from '../util/bytes.ts';
import { buildSettings } from './build-settings.ts';
import { Config, systemFile, userFiles, type Environment } from './config.ts';
import { openConfiguredStore } from './session.ts';

/** Settings and places, as Nix has them, a line each. @throws UsageError, StoreError */
export function whatIsUsed(env: Environment): string {
  const config = Config.load(env);
  const { extraPlatforms } = buildSettings(config, undefined);
  const store = openConfiguredStore(config, true);
  const lines = [
    `System type: ${config.system}`,
    `Additional system types: ${extraPlatforms.join(', ')}`,
    'Features: signed-caches',
    `System configuration file: ${systemFile(env)}`,
    `User configuration files: ${userFiles(env).join(':')}`,
    `Store directory: ${fromUtf8(store.storeDir)}`,
    `State directory: ${env['NIX_STATE_DIR'] || '/nix/var/nix'}`,
  ];
  return lines.map((line) => `${utf8(line)}\n`).join('');
}
