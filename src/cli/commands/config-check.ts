// `tsnix config check` (once `nix doctor`): what may be wrong with this installation, and with the way to the store.
import { accessSync, constants, realpathSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { DaemonStore } from '../../store/daemon/daemon-store.ts';
import { ServeStore } from '../../store/daemon/serve-store.ts';
import { utf8 } from '../../util/bytes.ts';
import { UsageError } from '../../util/errors.ts';
import type { Config } from '../config.ts';
import { COMMON_FLAGS, flag, parseFlags, type Flag } from '../flags.ts';
import { say, wantsColor } from '../output.ts';
import { openConfiguredStore } from '../session.ts';
import { describeStore } from './store-admin.ts';

export const FLAGS: readonly Flag[] = [flag('store', 'the store to check', { args: ['URI'] }), ...COMMON_FLAGS];

/** Exit status where something is wrong. */
const wrong = 2;

export async function configCheck(argv: readonly string[], config: Config): Promise<number> {
  const flags = parseFlags(argv, FLAGS, config);
  if (flags.positionals.length > 0) throw new UsageError(`unexpected argument '${utf8(flags.positionals[0]!)}'`);
  const store = openConfiguredStore(config, true);
  const tell = (kind: 'PASS' | 'FAIL' | 'INFO', text: string): boolean => {
    const colour = { PASS: '\x1b[32;1m', FAIL: '\x1b[31;1m', INFO: '\x1b[34;1m' }[kind];
    say(wantsColor() ? `${colour}[${kind}] \x1b[0m${text}` : `[${kind}] ${text}`);
    return kind !== 'FAIL';
  };
  try {
    say(`Running checks against store uri: ${store.uri}`);
    const remote = store instanceof DaemonStore || store instanceof ServeStore;
    let good = true;
    if (!remote) {
      const places = commandPlaces();
      if (places.length === 1) tell('PASS', 'PATH contains only one nix version.');
      else if (places.length === 0) good = tell('FAIL', 'No nix-build found in PATH.');
      else
        good = tell('FAIL', `Multiple versions of nix found in PATH:\n${places.map((dir) => `  ${dir}\n`).join('')}`);
    } else {
      const { client, store: theirs } = store.protocolVersions;
      const print = (version: number): string => `${String(version >> 8)}.${String(version & 0xff)}`;
      if (client === theirs) tell('PASS', 'Client protocol matches store protocol.');
      else {
        good = tell(
          'FAIL',
          'Warning: protocol version of this client does not match the store.\n' +
            "While this is not necessarily a problem it's recommended to keep the client in\n" +
            `sync with the daemon.\n\nClient protocol: ${print(client)}\nStore protocol: ${print(theirs)}\n`,
        );
      }
    }
    const { trusted } = describeStore(store);
    if (trusted === undefined) tell('INFO', `Store uri: ${store.uri} doesn't have a notion of trusted user`);
    else tell('INFO', `You are ${trusted ? 'trusted' : 'not trusted'} by store uri: ${store.uri}`);
    return good ? 0 : wrong;
  } finally {
    await store.close();
  }
}

/** The folders that a `nix-build` on PATH really lies in; byte strings. */
function commandPlaces(): string[] {
  const found = new Set<string>();
  for (const dir of (process.env['PATH'] ?? '').split(delimiter)) {
    try {
      accessSync(join(dir, 'nix-build'), constants.X_OK);
      found.add(utf8(dirname(realpathSync(join(dir, 'nix-build')))));
    } catch {
      // not there
    }
  }
  return [...found].sort();
}
