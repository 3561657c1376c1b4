// Help, completion, versions and "there is no such command": yargs, loaded only where it is needed, over the same flag
// tables that the quick parser reads.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Argv } from 'yargs';
import type { Flag } from './flags.ts';
import { utf8 } from '../util/bytes.ts';
import { NotImplementedError, UsageError, type NixError } from '../util/errors.ts';
import { GROUPS, NESTED_COMMANDS } from './nested-commands.ts';
import { bestMatches } from '../util/suggestions.ts';
import { print, say } from './output.ts';
import { packageRoot } from '../util/program-files.ts';
import { table } from '../util/table.ts';

interface CommandHelp {
  readonly usage: string;
  readonly describe: string;
  readonly flags: () => Promise<readonly Flag[]>;
}

const COMMANDS = table<CommandHelp>({
  build: {
    usage: 'build [file..]',
    describe: 'Build derivations and link to the results',
    flags: async () => (await import('./commands/build.ts')).FLAGS,
  },
  instantiate: {
    usage: 'instantiate [file..]',
    describe: 'Write the derivations of an expression to the store and print their paths',
    flags: async () => (await import('./commands/instantiate.ts')).FLAGS,
  },
  eval: {
    usage: 'eval [file..]',
    describe: 'Evaluate an expression and print its value',
    flags: async () => (await import('./commands/eval.ts')).FLAGS,
  },
  doc: {
    usage: 'doc [builtin..]',
    describe: 'Print the manual of builtins',
    flags: async () => (await import('./commands/doc.ts')).FLAGS,
  },
  repl: {
    usage: 'repl [file..]',
    describe: 'Evaluate expressions interactively',
    flags: async () => (await import('./commands/repl.ts')).FLAGS,
  },
  'eval-jobs': {
    usage: 'eval-jobs [file]',
    describe: 'Evaluate every derivation of a set, in several processes, to lines of JSON',
    flags: async () => (await import('./commands/eval-jobs.ts')).FLAGS,
  },
  image: {
    usage: 'image command',
    describe: 'Build, push, pull, copy, load, run, inspect and list container images',
    flags: () => Promise.resolve([]),
  },
  log: {
    usage: 'log path..',
    describe: 'Print the logs of builds',
    flags: async () => (await import('./commands/log.ts')).FLAGS,
  },
  copy: {
    usage: 'copy [path..]',
    describe: 'Copy paths between stores and binary caches',
    flags: async () => (await import('./commands/copy.ts')).FLAGS,
  },
  'path-info': {
    usage: 'path-info [path..]',
    describe: 'Print what the store knows of paths',
    flags: async () => (await import('./commands/path-info.ts')).FLAGS,
  },
  'why-depends': {
    usage: 'why-depends package dependency',
    describe: 'Show how a path comes to have another in its closure',
    flags: async () => (await import('./commands/why-depends.ts')).FLAGS,
  },
  cache: {
    usage: 'cache info|clear',
    describe: 'Show, or remove, what is kept to evaluate nothing twice',
    flags: async () => (await import('./commands/cache.ts')).FLAGS,
  },
  'drop-ins': {
    usage: 'drop-ins',
    describe: "Print the folder of commands with Nix's names, for PATH",
    flags: () => Promise.resolve([]),
  },
  'nix-instantiate': {
    usage: 'nix-instantiate [file..]',
    describe: 'The command of that name, as a drop-in',
    flags: async () => (await import('./legacy/nix-instantiate.ts')).FLAGS,
  },
  'nix-build': {
    usage: 'nix-build [file..]',
    describe: 'The command of that name, as a drop-in',
    flags: async () => (await import('./commands/build.ts')).NIX_BUILD_FLAGS,
  },
  'nix-collect-garbage': {
    usage: 'nix-collect-garbage',
    describe: 'The command of that name, as a drop-in',
    flags: async () => (await import('./legacy/nix-collect-garbage.ts')).FLAGS,
  },
  'nix-copy-closure': {
    usage: 'nix-copy-closure host path..',
    describe: 'The command of that name, as a drop-in',
    flags: async () => (await import('./legacy/nix-copy-closure.ts')).FLAGS,
  },
  'nix-daemon': {
    usage: 'nix-daemon [--stdio]',
    describe: 'The command of that name, as a drop-in',
    flags: async () => (await import('./legacy/nix-daemon.ts')).FLAGS,
  },
  'nix-env': {
    usage: 'nix-env [argument..]',
    describe: 'The command of that name, as a drop-in',
    flags: async () => (await import('./legacy/nix-env.ts')).FLAGS,
  },
  'nix-hash': {
    usage: 'nix-hash path..',
    describe: 'The command of that name, as a drop-in',
    flags: async () => (await import('./legacy/nix-hash.ts')).FLAGS,
  },
  'nix-prefetch-url': {
    usage: 'nix-prefetch-url url [hash]',
    describe: 'The command of that name, as a drop-in',
    flags: async () => (await import('./legacy/nix-prefetch-url.ts')).FLAGS,
  },
  edit: {
    usage: 'edit [installable]',
    describe: 'Open the file that a package is defined in',
    flags: async () => (await import('./commands/edit.ts')).FLAGS,
  },
  fmt: {
    usage: 'fmt [args..]',
    describe: "Run a flake's formatter: reformat your code",
    flags: async () => (await import('./commands/formatter.ts')).RUN_FLAGS,
  },
  'print-dev-env': {
    usage: 'print-dev-env [installable]',
    describe: 'Print the environment of a derivation, for bash to source',
    flags: async () => (await import('./commands/print-dev-env.ts')).FLAGS,
  },
  search: {
    usage: 'search installable regex..',
    describe: 'Search for packages',
    flags: async () => (await import('./commands/search.ts')).FLAGS,
  },
  shell: {
    usage: 'shell attr.. [-c command..]',
    describe: 'Run a shell, or a command, with packages on PATH',
    flags: async () => (await import('./commands/shell.ts')).SHELL_FLAGS,
  },
  run: {
    usage: 'run attr [-- args..]',
    describe: "Run a package's program",
    flags: async () => (await import('./commands/shell.ts')).RUN_FLAGS,
  },
  develop: {
    usage: 'develop [attr] [-c command..]',
    describe: 'Run a shell, or a command, in the environment of a derivation',
    flags: async () => (await import('./commands/shell.ts')).DEVELOP_FLAGS,
  },
  'nix-shell': {
    usage: 'nix-shell [file..]',
    describe: 'The command of that name, as a drop-in',
    flags: async () => (await import('./legacy/nix-shell.ts')).FLAGS,
  },
  'nix-store': {
    usage: 'nix-store [path..]',
    describe: 'The command of that name, as a drop-in',
    flags: async () => (await import('./legacy/nix-store.ts')).FLAGS,
  },
});

/** Names of commands and groups that a user of `program` types; drop-ins have programs of their own. */
export function commandNames(program: string): string[] {
  const own = program === 'nix' ? OWN : [];
  const names = Object.keys(COMMANDS).filter((name) => !name.startsWith('nix-') && !own.includes(name));
  return [...names, ...Object.keys(GROUPS)];
}

/** Commands that `nix` does not have. */
const OWN = ['instantiate', 'doc', 'eval-jobs', 'image', 'cache', 'drop-ins'];

/** Flags of a command of one word or two; undefined: there is no such command. */
export async function flagsOf(command: string): Promise<readonly Flag[] | undefined> {
  return await (COMMANDS[command] ?? NESTED_COMMANDS[command])?.flags();
}

export function packageVersion(): string {
  return (JSON.parse(readFileSync(join(packageRoot(), 'package.json'), 'utf8')) as { version: string }).version;
}

/**
 * Answers --help, --version, `help`, `completion`, no command, or an unknown one. Returns the exit status.
 * @param program the name that it goes by
 * @throws UsageError
 */
export async function help(words: readonly string[], program = 'tsnix'): Promise<number> {
  const argv = words[0] === 'help' ? [...words.slice(1), '--help'] : [...words];
  const completing = argv.includes('--get-yargs-completions');
  const command = completing ? undefined : argv.find((word) => !word.startsWith('-'));
  const group = command !== undefined && GROUPS[command] !== undefined ? command : undefined;
  if (command !== undefined && COMMANDS[command] === undefined && group === undefined && command !== 'completion')
    throw unknown(command, Object.keys({ ...COMMANDS, ...GROUPS }));
  const second = group === undefined ? undefined : argv.filter((word) => !word.startsWith('-'))[1];
  if (second !== undefined && NESTED_COMMANDS[`${group!} ${second}`] === undefined) {
    throw unknown(
      second,
      Object.keys(NESTED_COMMANDS).flatMap((name) => (name.startsWith(`${group!} `) ? [name.split(' ')[1]!] : [])),
    );
  }
  if (argv.includes('--version')) {
    // Scripts look at `nix-build --version` for a Nix version.
    const name = command?.startsWith('nix-') === true ? command : program;
    print(name !== 'tsnix' ? `${name} (Nix) 2.36.0 (tsnix ${packageVersion()})\n` : `tsnix ${packageVersion()}\n`);
    if (argv.some((word) => word === '--verbose' || /^-v+$/.test(word))) {
      print((await import('./what-is-used.ts')).whatIsUsed(process.env));
    }
    return 0;
  }
  const wantsHelp = argv.includes('--help') || argv.includes('-h');
  if (command === 'completion' && argv[1] !== undefined && !wantsHelp) {
    print((await import('./completion-scripts.ts')).completionScript(argv[1]));
    return 0;
  }
  const flag = argv.find((word) => word.startsWith('-'));
  if (flag !== undefined && !wantsHelp && !completing) throw new UsageError(`unrecognised flag '${utf8(flag)}'`);
  const { yargs } = await import('./yargs.ts');
  const parser = yargs(argv)
    .scriptName(program)
    .usage(
      '$0 COMMAND\n\nNix for the Node.js world: evaluate, instantiate and build Nix expressions; no root, no daemon, no /nix',
    )
    .parserConfiguration({
      'parse-numbers': false,
      'parse-positional-numbers': false,
      'dot-notation': false,
      'camel-case-expansion': false,
      'boolean-negation': false,
    })
    .version(false)
    .wrap(Math.min(110, process.stderr.columns ?? 110))
    .completion('completion', 'Print a completion script: for bash, zsh or fish if named, else one of yargs')
    .epilogue('Every Nix setting is a flag too: --timeout 5, --no-sandbox, --option NAME VALUE.')
    .exitProcess(false);
  for (const [name, entry] of Object.entries(COMMANDS)) {
    const flags = name === command || completing ? await entry.flags() : [];
    parser.command(
      entry.usage,
      entry.describe,
      (y) => {
        for (const f of flags) declare(y, f);
        return y;
      },
      () => undefined,
    );
  }
  for (const [name, describe] of Object.entries(GROUPS)) {
    const members = await Promise.all(
      Object.entries(NESTED_COMMANDS)
        .filter(([pair]) => pair.startsWith(`${name} `))
        .map(async ([pair, entry]) => {
          const word = pair.slice(name.length + 1);
          const flags = completing || (name === group && word === second) ? await entry.flags() : [];
          return { usage: `${word} ${entry.args}`.trimEnd(), describe: entry.describe, flags };
        }),
    );
    parser.command(
      name,
      describe,
      (y) => {
        for (const member of members) {
          y.command(
            member.usage,
            member.describe,
            (z) => {
              for (const f of member.flags) declare(z, f);
              return z;
            },
            () => undefined,
          );
        }
        return y;
      },
      () => undefined,
    );
  }
  if (completing || (command === 'completion' && !wantsHelp)) {
    await parser.parseAsync();
    return 0;
  }
  const text = await new Promise<string>((resolve) => {
    const asked = [command, second].filter((word) => word !== undefined);
    void parser.parseAsync([...asked, '--help'], {}, (_error, _argv, output) => {
      resolve(output);
    });
  });
  if (wantsHelp) print(`${utf8(text)}\n`);
  else say(utf8(text));
  return wantsHelp ? 0 : 1;
}

const NOT_YET: readonly string[] = ['nix-channel', 'bundle', 'upgrade-nix'];

function unknown(command: string, known: readonly string[]): NixError {
  if (NOT_YET.includes(command)) return new NotImplementedError(`tsnix has no '${command}' (yet)`);
  return new UsageError(`'${utf8(command)}' is not a recognised command`, {
    suggestions: bestMatches([...known], command),
  });
}

function declare(parser: Argv, f: Flag): void {
  parser.option(f.name, {
    describe: f.args.length === 0 ? f.describe : `${f.describe} [${f.args.join(' ')}]`,
    ...(f.short === undefined ? {} : { alias: f.short }),
    ...(f.args.length === 0 ? { type: 'boolean' as const } : { nargs: f.args.length, string: true }),
  });
  if (f.negatable === true) parser.option(`no-${f.name}`, { describe: `the contrary of --${f.name}`, type: 'boolean' });
}
