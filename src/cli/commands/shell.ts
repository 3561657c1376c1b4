// `tsnix shell`, `tsnix run`, `tsnix develop`: packages on PATH, a package's program, a derivation's environment.
// Attributes are of FILE (-f) or EXPR (-E), else of the package set: --pkgs, <nixpkgs>, or the embedded one.
import { findAlongAttrPath } from '../../eval/attr-path.ts';
import { Attrs } from '../../eval/attrs.ts';
import type { Slot } from '../../eval/value.ts';
import { fromUtf8, utf8 } from '../../util/bytes.ts';
import { EvalError, UsageError } from '../../util/errors.ts';
import { intern } from '../../util/symbols.ts';
import type { Config } from '../config.ts';
import { DerivationFinder, drvPathOf, type FoundDerivation } from '../derivations.ts';
import { BUILD_FLAGS, COMMON_FLAGS, EVAL_FLAGS, flag, parseFlags, type Flag, type ParsedFlags } from '../flags.ts';
import { Session } from '../session.ts';
import { develop, realiseFor } from '../shell/develop.ts';
import { runInStore } from '../shell/run-in-store.ts';
import { shellQuote } from '../shell/words.ts';

const SOURCE_FLAGS: readonly Flag[] = [
  flag('file', 'take attributes of FILE', { short: 'f', args: ['FILE'] }),
  flag('expr', 'take attributes of EXPR', { short: 'E', args: ['EXPR'] }),
  ...EVAL_FLAGS,
  ...BUILD_FLAGS,
  ...COMMON_FLAGS,
];

export const SHELL_FLAGS: readonly Flag[] = [
  flag('command', 'run COMMAND with all arguments that follow', { short: 'c', args: ['COMMAND…'] }),
  flag('ignore-env', 'keep nothing of the environment but what --keep-env-var names', {
    short: 'i',
    aliases: ['ignore-environment'],
  }),
  flag('keep-env-var', 'keep this variable', { aliases: ['keep'], args: ['NAME'] }),
  ...SOURCE_FLAGS,
];

export const RUN_FLAGS = SOURCE_FLAGS;

interface Parsed {
  readonly flags: ParsedFlags;
  /** What follows --command, or `--`. */
  readonly command: readonly string[] | undefined;
}

/** Everything from `-c` (or, for run, from `--`) on belongs to the command that is run. */
function parse(argv: readonly string[], config: Config, table: readonly Flag[], marks: readonly string[]): Parsed {
  const at = argv.findIndex((word) => marks.includes(word));
  if (at < 0) return { flags: parseFlags(argv, table, config), command: undefined };
  const command = argv.slice(at + 1);
  if (command.length === 0 && marks.includes('-c')) {
    throw new UsageError(`flag '${argv[at]!}' requires at least one argument`);
  }
  return { flags: parseFlags(argv.slice(0, at), table, config), command };
}

const commandMarks = ['-c', '--command'];

/** `tsnix shell ATTR… [-c COMMAND ARG…]` */
export async function shell(argv: readonly string[], config: Config): Promise<number> {
  const { flags, command } = parse(argv, config, SHELL_FLAGS, commandMarks);
  return withSession(flags, config, async (session) => {
    const found = selected(session);
    const paths = await outputsOf(session, found);
    const env = callerEnvironment(flags);
    const bins = paths.map((path) => `${path}/bin`);
    const old = flags.has('ignore-env') ? [] : [process.env['PATH'] ?? ''];
    env['PATH'] = [...bins, ...old].filter((entry) => entry !== '').join(':');
    const [program, ...args] = command ?? [process.env['SHELL'] ?? 'bash'];
    return runInStore(session.store, { argv0: program!, program: onPath(session, program!, env['PATH']), args, env });
  });
}

/** `tsnix run ATTR [-- ARG…]`: the program that the package is named after, or its meta.mainProgram. */
export async function run(argv: readonly string[], config: Config): Promise<number> {
  const { flags, command = [] } = parse(argv, config, RUN_FLAGS, ['--']);
  return withSession(flags, config, async (session) => {
    const [wanted, ...args] = flags.positionals;
    const found = selected(session, wanted === undefined ? [''] : [wanted]);
    if (found.length !== 1) throw new UsageError('a single derivation is wanted');
    const [path] = await outputsOf(session, found);
    const program = `${path!}/bin/${mainProgram(session, found[0]!)}`;
    return runInStore(session.store, { argv0: program, program, args: [...args, ...command], env: process.env });
  });
}

/** `tsnix develop [ATTR] [-c COMMAND ARG…]` */
export async function developCommand(argv: readonly string[], config: Config): Promise<number> {
  const { flags, command } = parse(argv, config, SHELL_FLAGS, commandMarks);
  return withSession(flags, config, async (session) => {
    const found = selected(session, flags.positionals.length === 0 ? [''] : flags.positionals);
    if (found.length !== 1) throw new UsageError('a single derivation is wanted');
    return develop(session, drvPathOf(session.evaluator, found[0]!.attrs), {
      pure: flags.has('ignore-env'),
      keep: flags.list('keep-env-var'),
      exclude: [],
      command: command === undefined ? '' : `${command.map(shellQuote).join(' ')}\nexit`,
      interactive: command === undefined && process.stdin.isTTY,
      name: 'nix-develop',
    });
  });
}

async function withSession(
  flags: ParsedFlags,
  config: Config,
  body: (session: Session) => Promise<number>,
): Promise<number> {
  const session = new Session({ config, flags, readOnly: false, writes: true, logs: flags.has('print-build-logs') });
  try {
    return await body(session);
  } finally {
    await session.close();
  }
}

/** The derivations that attribute paths mean. */
function selected(session: Session, words = session.flags.positionals): FoundDerivation[] {
  const { evaluator: ev, flags } = session;
  const attrPaths = flags.has('attr') ? flags.list('attr') : words;
  if (attrPaths.length === 0) throw new UsageError('name an attribute, such as: tsnix shell jq');
  const root: Slot = flags.has('expr')
    ? session.evalExpression(flags.get('expr')!)
    : flags.has('file')
      ? session.evalFileArgument(flags.get('file')!)
      : session.packageSet();
  const calls = session.calls();
  const finder = new DerivationFinder(ev, calls);
  for (const attrPath of attrPaths) {
    const { slot } = findAlongAttrPath(ev, utf8(attrPath), root, calls);
    finder.collect(slot, utf8(attrPath));
  }
  return finder.found;
}

/** Realises the outputs that a package puts on PATH: `bin` where there is one, else the one that it stands for. */
async function outputsOf(session: Session, found: readonly FoundDerivation[]): Promise<string[]> {
  const made = await realiseFor(
    session,
    found.map(({ attrs, outputName }) => ({
      kind: 'derivation',
      drvPath: session.asStorePath(drvPathOf(session.evaluator, attrs)),
      outputs: [attrs.has(intern('bin')) ? 'bin' : outputName],
    })),
  );
  return (made ?? []).flatMap((outputs) => [...outputs.values()].map(fromUtf8));
}

function mainProgram(session: Session, { attrs, name }: FoundDerivation): string {
  const { evaluator: ev } = session;
  const textOf = (set: Attrs, key: string): string | undefined => {
    const slot = set.get(intern(key));
    const value = slot === undefined ? undefined : ev.force(slot);
    return typeof value === 'string' ? fromUtf8(value) : undefined;
  };
  const metaSlot = attrs.get(intern('meta'));
  const meta = metaSlot === undefined ? undefined : ev.force(metaSlot);
  const main = meta instanceof Attrs ? textOf(meta, 'mainProgram') : undefined;
  // hello-2.12 → hello, as builtins.parseDrvName cuts it.
  return main ?? textOf(attrs, 'pname') ?? fromUtf8(name).replace(/-(?![a-zA-Z]).*$/, '');
}

function callerEnvironment(flags: ParsedFlags): Record<string, string | undefined> {
  if (!flags.has('ignore-env')) return { ...process.env };
  return Object.fromEntries(flags.list('keep-env-var').map((name) => [name, process.env[name]]));
}

/** A name is looked for here, for the program that shows the store has the old PATH. @throws EvalError */
function onPath(session: Session, program: string, path: string): string {
  if (program.includes('/')) return program;
  for (const dir of path.split(':')) {
    const file = `${dir}/${program}`;
    if (dir !== '' && session.fileExists(file)) return file;
  }
  throw new EvalError(`unable to execute '${utf8(program)}': No such file or directory`);
}
