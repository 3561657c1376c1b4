// `tsnix fmt` and `tsnix formatter run | build`: the program that a flake formats its files with.
import { resolve } from 'node:path';
import { parseFlakeArgument, type FlakeAttributes } from '../flake-installable.ts';
import { filePathOfUrl } from '../../fetch/file-url.ts';
import { LocalStore } from '../../store/local-store.ts';
import { fromUtf8, utf8 } from '../../util/bytes.ts';
import { UsageError } from '../../util/errors.ts';
import type { Config } from '../config.ts';
import { flag, parseFlags, type Flag } from '../flags.ts';
import { print } from '../output.ts';
import { runInStore } from '../shell/run-in-store.ts';
import { programOf, SOURCE_FLAGS, withSession } from './shell.ts';

const OWN_FLAGS = SOURCE_FLAGS.filter(({ name }) => !['file', 'expr', 'attr'].includes(name));

export const RUN_FLAGS: readonly Flag[] = OWN_FLAGS;

export const BUILD_FLAGS: readonly Flag[] = [
  flag('out-link', 'name of the link to the result (default: result)', { short: 'o', args: ['LINK'], negatable: true }),
  flag('no-link', 'make no link'),
  ...OWN_FLAGS,
];

function attributesOf(config: Config): FlakeAttributes {
  // Always an output of the flake here.
  config.nixCommand = true;
  return { defaults: [`formatter.${config.system}`], prefixes: [] };
}

/** PRJ_ROOT is the flake, also where the command is run below it. */
export async function formatterRun(argv: readonly string[], config: Config): Promise<number> {
  const attributes = attributesOf(config);
  const flags = parseFlags(argv, RUN_FLAGS, config);
  return withSession(flags, config, async (session) => {
    const program = await programOf(session, '.', attributes);
    const { input } = parseFlakeArgument('.').ref;
    const place = input.get('type') === 'path' ? input.get('path') : filePathOfUrl(String(input.get('url')));
    const env = { ...process.env, PRJ_ROOT: fromUtf8(String(place)) };
    return runInStore(session.store, { argv0: program, program, args: flags.positionals, env });
  });
}

export async function formatterBuild(argv: readonly string[], config: Config): Promise<number> {
  const attributes = attributesOf(config);
  const flags = parseFlags(argv, BUILD_FLAGS, config);
  const [more] = flags.positionals;
  if (more !== undefined) throw new UsageError(`unexpected argument '${utf8(more)}'`);
  return withSession(flags, config, async (session) => {
    const { store } = session;
    const program = await programOf(session, '.', attributes);
    if (!flags.isOff('out-link') && !flags.has('no-link') && store instanceof LocalStore) {
      const link = utf8(resolve(flags.get('out-link') ?? 'result'));
      store.addIndirectRoot(link, session.storePathHolding(utf8(program)));
    }
    print(`${utf8(program)}\n`);
    return 0;
  });
}
