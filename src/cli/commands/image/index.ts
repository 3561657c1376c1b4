// `tsnix image COMMAND`: each command is a file of its own, loaded only when it runs.
import { UsageError } from '../../../util/errors.ts';
import { utf8 } from '../../../util/bytes.ts';
import { bestMatches } from '../../../util/suggestions.ts';
import { table } from '../../../util/table.ts';
import type { Config } from '../../config.ts';
import { parseFlags } from '../../flags.ts';
import type { Flag, ParsedFlags } from '../../flags.ts';

export interface ImageCommand {
  /** What follows `tsnix image`. */
  readonly usage: string;
  readonly describe: string;
  readonly flags: readonly Flag[];
  /** Words from the first positional on are not for us. */
  readonly stopsAtPositional?: boolean;
  readonly run: (flags: ParsedFlags, config: Config) => Promise<number>;
}

const COMMANDS = table<() => Promise<ImageCommand>>({
  build: async () => (await import('./build.ts')).build,
  push: async () => (await import('./push.ts')).push,
  pull: async () => (await import('./pull.ts')).pull,
  copy: async () => (await import('./copy.ts')).copy,
  load: async () => (await import('./load.ts')).load,
  run: async () => (await import('./run.ts')).run,
  inspect: async () => (await import('./inspect.ts')).inspect,
  ls: async () => (await import('./ls.ts')).ls,
  diff: async () => (await import('./diff.ts')).diff,
  explain: async () => (await import('./explain.ts')).explain,
  lint: async () => (await import('./lint.ts')).lint,
  sbom: async () => (await import('./sbom.ts')).sbom,
});

/** `--name=value`, as other tools for images have it. */
function splitEquals(argv: readonly string[], flags: readonly Flag[]): string[] {
  const end = argv.indexOf('--');
  return argv.flatMap((word, i) => {
    const match = end >= 0 && i > end ? null : /^--([a-z-]+)=(.*)$/s.exec(word);
    const known =
      match === null ? undefined : flags.find(({ name, aliases }) => [name, ...(aliases ?? [])].includes(match[1]!));
    if (match === null || known === undefined) return [word];
    const [, name, value] = match as unknown as [string, string, string];
    if (known.args.length > 0) return [`--${name}`, value];
    if (value === 'true') return [`--${name}`];
    if (value === 'false' && known.negatable === true) return [`--no-${name}`];
    throw new UsageError(`'${utf8(value)}' is not a value of '--${name}'`);
  });
}

/** Everything from the first positional on is put behind `--`, so that it is not taken for flags of ours. */
function stopAtPositional(argv: readonly string[], flags: readonly Flag[]): string[] {
  for (let i = 0; i < argv.length; i++) {
    const word = argv[i]!;
    if (word === '--') return [...argv];
    if (!word.startsWith('-')) return [...argv.slice(0, i), '--', ...argv.slice(i)];
    const known = flags.find(({ name, short }) => word === `--${name}` || word === `-${short ?? ''}`);
    i += known?.args.length ?? 0;
  }
  return [...argv];
}

export async function image(argv: readonly string[], config: Config): Promise<number> {
  const [name, ...rest] = argv;
  const end = rest.indexOf('--');
  const words = end < 0 ? rest : rest.slice(0, end);
  if (name === undefined || name === 'help' || name.startsWith('-')) {
    const { imageHelp } = await import('./help.ts');
    return await imageHelp(COMMANDS, name === 'help' ? rest[0] : undefined, name !== undefined);
  }
  const load = COMMANDS[name];
  if (load === undefined) {
    throw new UsageError(`'${utf8(`image ${name}`)}' is not a recognised command`, {
      suggestions: bestMatches(Object.keys(COMMANDS), name),
    });
  }
  const command = await load();
  const split = splitEquals(rest, command.flags);
  const args = command.stopsAtPositional === true ? stopAtPositional(split, command.flags) : split;
  const own = command.stopsAtPositional === true && args.includes('--') ? args.slice(0, args.indexOf('--')) : words;
  if (own.some((word) => word === '--help' || word === '-h')) {
    const { imageHelp } = await import('./help.ts');
    return await imageHelp(COMMANDS, name, true);
  }
  return await command.run(parseFlags(args, command.flags, config), config);
}
