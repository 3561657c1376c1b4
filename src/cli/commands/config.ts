// `tsnix config show`: the settings that are in force.
import { utf8 } from '../../util/bytes.ts';
import { StoreError, UsageError } from '../../util/errors.ts';
import type { Config } from '../config.ts';
import { COMMON_FLAGS, parseFlags, type Flag } from '../flags.ts';
import { print } from '../output.ts';
import { JSON_FLAGS, printJson } from '../print-json.ts';
import { SETTING_ALIASES, SETTINGS } from '../settings-table.ts';

export const FLAGS: readonly Flag[] = [...JSON_FLAGS, ...COMMON_FLAGS];

/** As the settings stand in nix.conf. */
function valueOf(config: Config, name: string): string {
  switch (name) {
    case 'system':
      return config.system;
    case 'cores':
      return String(config.int('cores'));
    case 'max-jobs':
      return String(config.maxJobs);
    case 'experimental-features':
      // With those that others bring along.
      return [...config.experimentalFeatures].sort().join(' ');
    default:
      return config.string(name);
  }
}

export function configShow(argv: readonly string[], config: Config): Promise<number> {
  const flags = parseFlags(argv, FLAGS, config);
  const [word, more] = flags.positionals.map(utf8);
  if (more !== undefined) throw new UsageError(`unexpected argument '${more}'`);
  if (word !== undefined) {
    const name = SETTING_ALIASES[word] ?? word;
    if (!config.has(name)) throw new StoreError(`could not find setting '${word}'`);
    print(`${utf8(valueOf(config, name))}\n`);
    return Promise.resolve(0);
  }
  const names = Object.keys(SETTINGS)
    .filter((name) => config.has(name))
    .sort();
  if (flags.has('json')) {
    const entries = names.map((name) => {
      const { kind, default: fallback } = SETTINGS[name]!;
      const typed = (text: string): string | number | boolean | string[] =>
        kind === 'bool'
          ? text === 'true'
          : kind === 'int'
            ? Number(text)
            : kind === 'list'
              ? text.split(/\s+/).filter((item) => item !== '')
              : text;
      return [name, { value: typed(utf8(valueOf(config, name))), defaultValue: typed(fallback) }] as const;
    });
    printJson(new Map(entries), flags);
  } else for (const name of names) print(`${name} = ${utf8(valueOf(config, name))}\n`);
  return Promise.resolve(0);
}
