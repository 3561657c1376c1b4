// `tsnix log`: what a build printed, from the log directory of the store.
import { LocalStore } from '../../store/local-store.ts';
import { followLinksToStorePath } from '../../store/follow-links.ts';
import { utf8 } from '../../util/bytes.ts';
import { StoreError, UsageError } from '../../util/errors.ts';
import { buildLogOf } from '../build-log-file.ts';
import type { Config } from '../config.ts';
import { COMMON_FLAGS, flag, parseFlags, type Flag } from '../flags.ts';
import { print } from '../output.ts';
import { openConfiguredStore } from '../session.ts';

export const FLAGS: readonly Flag[] = [flag('store', 'the store to use', { args: ['URI'] }), ...COMMON_FLAGS];

/** Of derivations, outputs, or links (`./result`) to either. */
export async function log(argv: readonly string[], config: Config): Promise<number> {
  const flags = parseFlags(argv, FLAGS, config);
  if (flags.positionals.length === 0) throw new UsageError('name a derivation, an output, or a link to one');
  const store = openConfiguredStore(config, true);
  if (!(store instanceof LocalStore)) throw new StoreError(`store '${store.uri}' keeps no logs`);
  try {
    for (const word of flags.positionals) {
      const path = followLinksToStorePath(store, utf8(word.replace(/[!^][^/]*$/, '')), utf8(process.cwd()));
      const text = buildLogOf(store, path);
      if (text === undefined) throw new StoreError(`build log of '${path}' is not available`);
      print(text);
    }
    return 0;
  } finally {
    await store.close();
  }
}
