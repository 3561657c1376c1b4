// Picks the command and turns whatever it throws into a message and an exit status.
import { BuildError, NixError, QuitError, UsageError } from '../util/errors.ts';
import { utf8 } from '../util/bytes.ts';
import { systemErrorText } from '../store/nar-dump.ts';
import { PosTable } from '../util/positions.ts';
import { table } from '../util/table.ts';
import { Config } from './config.ts';
import { NESTED_COMMANDS, type Command } from './nested-commands.ts';
import { finishQuickAnswer } from './cache/finish-quick-answer.ts';
import { workIn } from './callers-folder.ts';
import { say } from './output.ts';

/** Commands by name; each is loaded only when it runs. */
const COMMANDS = table<() => Promise<Command>>({
  build: async () => (await import('./commands/build.ts')).build,
  instantiate: async () => (await import('./commands/instantiate.ts')).instantiate,
  eval: async () => (await import('./commands/eval.ts')).evalCommand,
  'eval-jobs': async () => (await import('./commands/eval-jobs.ts')).evalJobs,
  daemon: async () => (await import('./legacy/nix-daemon.ts')).nixDaemon,
  image: async () => (await import('./commands/image/index.ts')).image,
  doc: async () => (await import('./commands/doc.ts')).doc,
  repl: async () => (await import('./commands/repl.ts')).repl,
  log: async () => (await import('./commands/log.ts')).log,
  copy: async () => (await import('./commands/copy.ts')).copy,
  'path-info': async () => (await import('./commands/path-info.ts')).pathInfo,
  'why-depends': async () => (await import('./commands/why-depends.ts')).whyDepends,
  cache: async () => (await import('./commands/cache.ts')).cache,
  'drop-ins': async () => (await import('./commands/drop-ins.ts')).dropIns,
  'nix-instantiate': async () => (await import('./legacy/nix-instantiate.ts')).nixInstantiate,
  'nix-build': async () => (await import('./commands/build.ts')).nixBuild,
  'nix-collect-garbage': async () => (await import('./legacy/nix-collect-garbage.ts')).nixCollectGarbage,
  'nix-copy-closure': async () => (await import('./legacy/nix-copy-closure.ts')).nixCopyClosure,
  'nix-daemon': async () => (await import('./legacy/nix-daemon.ts')).nixDaemon,
  'nix-env': async () => (await import('./legacy/nix-env.ts')).nixEnv,
  'nix-hash': async () => (await import('./legacy/nix-hash.ts')).nixHash,
  'nix-prefetch-url': async () => (await import('./legacy/nix-prefetch-url.ts')).nixPrefetchUrl,
  edit: async () => (await import('./commands/edit.ts')).edit,
  fmt: async () => (await import('./commands/formatter.ts')).formatterRun,
  'print-dev-env': async () => (await import('./commands/print-dev-env.ts')).printDevEnv,
  search: async () => (await import('./commands/search.ts')).search,
  shell: async () => (await import('./commands/shell.ts')).shell,
  run: async () => (await import('./commands/shell.ts')).run,
  develop: async () => (await import('./commands/shell.ts')).developCommand,
  'nix-shell': async () => (await import('./legacy/nix-shell.ts')).nixShell,
  'nix-store': async () => (await import('./legacy/nix-store.ts')).nixStore,
  'parts-code': async () => (await import('./parts-code.ts')).partsCode,
  'repl-thread': async () => (await import('./repl/thread.ts')).replThread,
  'eval-jobs-worker': async () => (await import('./eval-jobs/worker.ts')).evalJobsWorker,
  'realise-for-evaluation': async () => (await import('./commands/realise.ts')).realiseForEvaluation,
});

/** Commands that know --watch. */
const WATCHED = ['build', 'instantiate', 'eval'];

/** @param argv the name that the program was started under, then its arguments */
export async function run(argv: readonly string[]): Promise<number> {
  const [name = 'tsnix', ...words] = argv;
  const asNix = name === 'tsnix' && words[0] === 'nix';
  const wanted = process.env['NIX_GET_COMPLETIONS'];
  if (wanted !== undefined && (name === 'nix' || name === 'tsnix')) {
    const { printCompletions } = await import('./completions.ts');
    const cursor = Number(wanted) - 1;
    const config = Config.load(process.env);
    config.nixCommand = name === 'nix' || asNix;
    return asNix
      ? await printCompletions(words.slice(1), cursor - 1, config, 'nix')
      : await printCompletions(words, cursor, config, name);
  }
  if (name === 'nix' || asNix) {
    return await runNix(name === 'nix' ? words : words.slice(1));
  }
  return await runCommand(name, words);
}

async function runNix(given: readonly string[]): Promise<number> {
  const { nixCommandLine } = await import('./nix-command.ts');
  let words = given;
  try {
    if (given[0]?.includes('/') === true) {
      const { scriptCommand } = await import('./nix-shebang.ts');
      const script = scriptCommand(given);
      if (script !== undefined) {
        ({ words } = script);
        workIn(script.folder);
      }
    }
  } catch (error) {
    return await report(error, 'nix', undefined);
  }
  const { words: rest, warning } = nixCommandLine(words);
  if (warning !== undefined) say(`warning: ${warning}`);
  return await runCommand('nix', rest);
}

/** @param name `nix`, `tsnix` or a drop-in's */
async function runCommand(name: string, rest: readonly string[]): Promise<number> {
  let config: Config | undefined;
  try {
    const legacy = COMMANDS[name] !== undefined && name.startsWith('nix-') ? name : undefined;
    const pair = legacy === undefined ? nestedName(rest) : undefined;
    const command = legacy ?? pair ?? rest[0];
    const load = command === undefined ? undefined : (COMMANDS[command] ?? NESTED_COMMANDS[command]?.load);
    const args = legacy === undefined ? rest.slice(pair === undefined ? 1 : 2) : rest;
    if (load === undefined || (asksForHelp(command, args) && command !== 'image')) {
      const { help } = await import('./help.ts');
      return legacy === undefined ? await help(rest, name) : await help([legacy, ...args]);
    }
    const execute = await load();
    if (args.includes('--watch') && name !== 'nix' && WATCHED.includes(command!)) {
      const { watch } = await import('./watch.ts');
      return await watch(
        (fresh) => execute(args, fresh),
        (error, fresh) => report(error, `${name} ${command!}`, fresh),
      );
    }
    config = Config.load(process.env);
    config.nixCommand = name === 'nix';
    if (args.includes('--debugger')) config.makeDebugHost = (await import('./repl/debugger.ts')).makeDebugHost;
    const status = await execute(args, config);
    await finishQuickAnswer(status);
    return status;
  } catch (error) {
    return await report(error, command(rest, name), config);
  }
}

/** The command as the user knows it; a drop-in goes by its own name. */
function command(rest: readonly string[], name: string): string {
  if (name !== 'tsnix' && name !== 'nix') return name;
  const pair = nestedName(rest);
  if (pair !== undefined) return `${name} ${pair}`;
  if (rest[0] === undefined || COMMANDS[rest[0]] === undefined) return name;
  return rest[0].startsWith('nix-') ? rest[0] : `${name} ${rest[0]}`;
}

/** `store ls` of `store ls …`, if there is such a command. */
function nestedName(words: readonly string[]): string | undefined {
  const name = words.slice(0, 2).join(' ');
  return NESTED_COMMANDS[name] === undefined ? undefined : name;
}

/** Not where a word is for a program that the command runs. */
function asksForHelp(command: string | undefined, args: readonly string[]): boolean {
  if (command === 'nix-shell' && args[0]?.startsWith('-') === false) return false; // perhaps a script's arguments
  const marks = command === 'shell' || command === 'develop' ? ['--', '-c', '--command'] : ['--'];
  const end = args.findIndex((arg) => marks.includes(arg));
  return (end < 0 ? args : args.slice(0, end)).some(
    (arg) => arg === '--help' || (arg === '-h' && command !== 'path-info') || arg === '--version',
  );
}

async function report(error: unknown, name: string, config: Config | undefined): Promise<number> {
  const { sayError } = await import('./say-error.ts');
  const showTrace = config?.bool('show-trace') ?? false;
  if (error instanceof QuitError) return 0;
  if (error instanceof NixError) {
    const { Session } = await import('./session.ts');
    sayError(error, { positions: error.positions ?? Session.positions ?? new PosTable(), showTrace });
    if (error instanceof UsageError) say(`Try '${name} --help' for more information.`);
    // Only the older commands tell kinds of failed builds apart.
    return config?.nixCommand === true && error instanceof BuildError ? 1 : error.exitStatus;
  }
  if (isFromOutside(error)) {
    say(`error: ${utf8(textOf(error))}`);
    return 1;
  }
  say('error: internal error of tsnix; please report it with what you ran:');
  say(utf8(error instanceof Error ? (error.stack ?? error.message) : String(error)));
  return 1;
}

/** Nix's words for what can happen to any command; else Node's. */
function textOf(error: Error & { readonly syscall?: string; readonly path?: string }): string {
  if (error.syscall === 'uv_cwd') return `cannot get cwd: ${systemErrorText(error)}`;
  if (error.syscall === 'write' && error.path === undefined) return `writing to file: ${systemErrorText(error)}`;
  return error.message;
}

/** The operating system or SQLite said no, outside of every place that expects it to. Node's `ERR_…` are our mistakes. */
export function isFromOutside(error: unknown): error is Error {
  if (!(error instanceof Error && 'code' in error && typeof error.code === 'string')) return false;
  return !error.code.startsWith('ERR_') || error.code === 'ERR_SQLITE_ERROR';
}
