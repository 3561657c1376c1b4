// `tsnix shell`, `tsnix run`, `tsnix develop`: packages on PATH, a package's program, a derivation's environment.
// Attributes are of FILE (-f) or EXPR (-E), of a flake, else of the package set: --pkgs, <nixpkgs>, or the embedded one.
import { existsSync, lstatSync, readFileSync, readlinkSync } from 'node:fs';
import { dirname } from 'node:path';
import type { BuildTarget } from '../../build/realise-options.ts';
import { findAlongAttrPath } from '../../eval/attr-path.ts';
import { Attrs } from '../../eval/attrs.ts';
import { ContextBuilder, parseContextElement } from '../../eval/context.ts';
import type { Slot } from '../../eval/value.ts';
import { followLinksToStore } from '../../store/follow-links.ts';
import { LocalStore } from '../../store/local-store.ts';
import { isInStore } from '../../store/store-path.ts';
import { fromUtf8, fsPath, utf8 } from '../../util/bytes.ts';
import { EvalError, UsageError } from '../../util/errors.ts';
import { intern } from '../../util/symbols.ts';
import type { Config } from '../config.ts';
import { DerivationFinder, drvPathOf, type FoundDerivation } from '../derivations.ts';
import {
  FLAKE_FLAGS,
  flakeAttributes,
  isFlakeArgument,
  preferPure,
  type FlakeAttributes,
} from '../flake-installable.ts';
import { BUILD_FLAGS, COMMON_FLAGS, EVAL_FLAGS, flag, parseFlags, type Flag, type ParsedFlags } from '../flags.ts';
import { derivationOf } from '../installables.ts';
import { Session } from '../session.ts';
import { develop, realiseFor } from '../shell/develop.ts';
import { runInStore } from '../shell/run-in-store.ts';
import { shellQuote } from '../shell/words.ts';
import { directTarget, wantedOf } from './build.ts';
import { sourcesOf } from './sources.ts';

/** `-k` and `--check` are something else here. */
const BUILDING_FLAGS = BUILD_FLAGS.filter(({ name }) => name !== 'keep-going' && name !== 'check');

export const SOURCE_FLAGS: readonly Flag[] = [
  flag('file', 'take attributes of FILE', { short: 'f', args: ['FILE'] }),
  flag('expr', 'take attributes of EXPR', { short: 'E', args: ['EXPR'] }),
  ...EVAL_FLAGS,
  ...FLAKE_FLAGS,
  ...BUILDING_FLAGS,
  flag('keep-going', 'go on with other builds after a failure'),
  ...COMMON_FLAGS,
];

export const SHELL_FLAGS: readonly Flag[] = [
  flag('command', 'run COMMAND with all arguments that follow', { short: 'c', args: ['COMMAND…'] }),
  flag('ignore-env', 'keep nothing of the environment but what --keep-env-var names', {
    short: 'i',
    aliases: ['ignore-environment'],
  }),
  flag('keep-env-var', 'keep this variable', { short: 'k', aliases: ['keep'], args: ['NAME'] }),
  flag('set-env-var', 'set a variable', { short: 's', args: ['NAME', 'VALUE'] }),
  flag('unset-env-var', 'remove a variable', { short: 'u', aliases: ['unset'], args: ['NAME'] }),
  ...SOURCE_FLAGS,
];

const PHASES: Readonly<Record<string, string>> = {
  unpack: 'unpack',
  configure: 'configure',
  build: 'build',
  check: 'check',
  install: 'install',
  installcheck: 'installCheck',
};

export const DEVELOP_FLAGS: readonly Flag[] = [
  flag('phase', 'run a phase of stdenv, such as build', { args: ['NAME'] }),
  ...Object.entries(PHASES).map(([name, phase]) => flag(name, `run the phase ${phase}`)),
  ...SHELL_FLAGS,
];

export const RUN_FLAGS = SOURCE_FLAGS;

interface Parsed {
  readonly flags: ParsedFlags;
  /** What follows --command. */
  readonly command: readonly string[] | undefined;
}

/** Everything from `-c` on belongs to the command that is run. */
function parse(argv: readonly string[], config: Config, table: readonly Flag[]): Parsed {
  const at = argv.findIndex((word) => word === '-c' || word === '--command');
  if (at < 0) return { flags: parseFlags(argv, table, config), command: undefined };
  const command = argv.slice(at + 1);
  if (command.length === 0) {
    throw new UsageError(`flag '${argv[at]!}' requires at least one argument`);
  }
  return { flags: parseFlags(argv.slice(0, at), table, config), command };
}

/** `tsnix shell ATTR… [-c COMMAND ARG…]` */
export async function shell(argv: readonly string[], config: Config): Promise<number> {
  const { flags, command } = parse(argv, config, SHELL_FLAGS);
  return withSession(flags, config, async (session) => {
    const paths = config.nixCommand ? await installablePaths(session) : await outputsOf(session, selected(session));
    const env = callerEnvironment(flags);
    const bins = withPropagated(session, paths).map((path) => binOf(session, path));
    const old = flags.has('ignore-env') ? [] : [process.env['PATH'] ?? ''];
    env['PATH'] = [...bins, ...old].filter((entry) => entry !== '').join(':');
    const [program, ...args] = command ?? [process.env['SHELL'] ?? 'bash'];
    return runInStore(session.store, { argv0: program!, program: onPath(session, program!, env['PATH']), args, env });
  });
}

/** `tsnix run ATTR [-- ARG…]`: the program that the package is named after, or its meta.mainProgram. */
export async function run(argv: readonly string[], config: Config): Promise<number> {
  const flags = parseFlags(argv, RUN_FLAGS, config);
  return withSession(flags, config, async (session) => {
    const [wanted, ...args] = flags.positionals;
    const program = await programOf(session, wanted, flakeAttributes(config.system, 'app'));
    return runInStore(session.store, { argv0: program, program, args, env: process.env });
  });
}

/** The program of an app or a package, realised. @throws EvalError, StoreError */
export async function programOf(
  session: Session,
  wanted: string | undefined,
  attributes: FlakeAttributes,
): Promise<string> {
  const words = [wanted ?? ''];
  const app = appOf(session, selections(session, words, attributes));
  return app === undefined ? packageProgram(session, words, attributes) : appProgram(session, app);
}

/** `tsnix develop [ATTR] [-c COMMAND ARG…]` */
export async function developCommand(argv: readonly string[], config: Config): Promise<number> {
  const { flags, command: given } = parse(argv, config, DEVELOP_FLAGS);
  const phase = flags.get('phase') ?? PHASES[Object.keys(PHASES).find((name) => flags.has(name)) ?? ''];
  if (phase !== undefined && given !== undefined) {
    throw new UsageError("you cannot use both '--command' and '--phase'");
  }
  const command = given === undefined ? phaseCommand(phase) : `${given.map(shellQuote).join(' ')}\nexit`;
  return withSession(flags, config, async (session) => {
    const words = flags.positionals.length === 0 ? [''] : flags.positionals;
    applyVariables(process.env, flags);
    return develop(session, derivationToDevelop(session, words), {
      pure: flags.has('ignore-env'),
      keep: [...flags.list('keep-env-var'), ...flags.all('set-env-var').map(([name]) => name!)],
      exclude: [],
      command,
      // What is no terminal has commands for it.
      interactive: command === '',
      name: 'nix-develop',
    });
  });
}

export async function withSession(
  flags: ParsedFlags,
  config: Config,
  body: (session: Session) => Promise<number>,
): Promise<number> {
  preferPure(flags, config);
  const session = new Session({ config, flags, readOnly: false, writes: true, logs: flags.has('print-build-logs') });
  try {
    return await body(session);
  } finally {
    await session.close();
  }
}

interface Selection {
  readonly attrPath: string;
  /** Where a flake has it. */
  readonly output: string | undefined;
  readonly slot: Slot;
}

/** The derivations that the words mean. */
function selected(
  session: Session,
  words: readonly string[] = session.flags.positionals,
  attributes?: FlakeAttributes,
): FoundDerivation[] {
  const finder = new DerivationFinder(session.evaluator, session.calls());
  for (const { attrPath, slot } of selections(session, words, attributes)) finder.collect(slot, utf8(attrPath));
  return finder.found;
}

/** What attribute paths, or flakes, mean. */
function selections(session: Session, words: readonly string[], attributes?: FlakeAttributes): Selection[] {
  const { evaluator: ev, flags, config } = session;
  const named = words.filter((word) => word !== '');
  const hasSource = flags.has('file') || flags.has('expr') || flags.has('attr');
  const flakes = named.length === 0 ? !existsSync('default.nix') && isFlakeArgument('.', config) : true;
  if (config.nixCommand || (!hasSource && flakes && named.every((word) => isFlakeArgument(word, config)))) {
    const sources = sourcesOf(session, true, named, attributes);
    return sources.flatMap((source) => {
      const root = source.load();
      return source.attrPaths.map((attrPath) => ({
        attrPath: attrPath === '' ? source.label : attrPath,
        output: source.foundAt?.(),
        slot: findAlongAttrPath(ev, utf8(attrPath), root, session.calls()).slot,
      }));
    });
  }
  const attrPaths = flags.has('attr') ? flags.list('attr') : words;
  if (attrPaths.length === 0) throw new UsageError('name an attribute, such as: tsnix shell jq');
  const root: Slot = flags.has('expr')
    ? session.evalExpression(flags.get('expr')!)
    : flags.has('file')
      ? session.evalFileArgument(flags.get('file')!)
      : session.packageSet();
  return attrPaths.map((attrPath) => ({
    attrPath,
    output: undefined,
    slot: findAlongAttrPath(ev, utf8(attrPath), root, session.calls()).slot,
  }));
}

/** Outputs that `nix shell` is asked for: of derivations, and paths in the store. */
async function installablePaths(session: Session): Promise<string[]> {
  const wanted = wantedOf(session, { expressions: false, flakes: true });
  const made = await realiseFor(
    session,
    wanted.map(({ target }) => target),
  );
  return (made ?? []).flatMap((outputs) => [...outputs.values()].map(fromUtf8));
}

/** Packages with what they want beside them on PATH. */
function withPropagated(session: Session, paths: readonly string[]): string[] {
  const all = new Set(paths);
  for (const path of all) {
    const file = fsPath(session.store.realPath(utf8(`${path}/nix-support/propagated-user-env-packages`)));
    if (!existsSync(file)) continue;
    for (const word of readFileSync(file, 'utf8').split(/\s+/)) if (word !== '') all.add(word);
  }
  return [...all];
}

/** The programs of a package, which may be a link to another one. @throws EvalError, StoreError */
function binOf(session: Session, path: string): string {
  const bin = `${path}/bin`;
  const real = session.store.realPath(utf8(path));
  if (!lstatSync(fsPath(real)).isSymbolicLink()) return bin;
  const target = readlinkSync(fsPath(real), { encoding: 'latin1' });
  return fromUtf8(`${followLinksToStore(session.store, target, dirname(real))}/bin`);
}

/** The set of an app, where a flake has one under the name. @throws EvalError */
function appOf(session: Session, found: readonly Selection[]): Attrs | undefined {
  const { evaluator: ev } = session;
  if (found.length !== 1) throw new UsageError('a single derivation is wanted');
  const value = ev.force(found[0]!.slot);
  const type = value instanceof Attrs ? value.get(intern('type')) : undefined;
  const isApp = value instanceof Attrs && type !== undefined && ev.force(type) === 'app';
  const { output } = found[0]!;
  if (output !== undefined) {
    const shouldBe = /^(?:apps|defaultApp)\./.test(output);
    if (shouldBe !== isApp) {
      throw new EvalError(`attribute '${output}' should have type '${shouldBe ? 'app' : 'derivation'}'`);
    }
  }
  return isApp ? value : undefined;
}

/** Realises what an app's program needs. @throws EvalError */
async function appProgram(session: Session, app: Attrs): Promise<string> {
  const { evaluator: ev } = session;
  const slot = app.get(intern('program'));
  if (slot === undefined) throw new EvalError("attribute 'program' missing");
  const context = new ContextBuilder();
  const program = ev.coerceToString(slot, 0, context, "while evaluating the 'program' attribute of an app");
  const targets = (context.get() ?? []).map((element): BuildTarget => {
    const parsed = parseContextElement(element);
    if (parsed.kind === 'opaque') return { kind: 'path', path: session.asStorePath(parsed.path) };
    if (parsed.kind === 'drvDeep')
      return { kind: 'derivation', drvPath: session.asStorePath(parsed.drvPath), outputs: 'all' };
    return { kind: 'derivation', drvPath: session.asStorePath(parsed.drvPath), outputs: [parsed.output] };
  });
  await realiseFor(session, targets);
  if (!isInStore(program, session.store.storeDir))
    throw new EvalError(`app program '${program}' is not in the Nix store`);
  return fromUtf8(program);
}

async function packageProgram(
  session: Session,
  words: readonly string[],
  attributes: FlakeAttributes,
): Promise<string> {
  const found = selected(session, words, attributes);
  if (found.length !== 1) throw new UsageError('a single derivation is wanted');
  const [path] = await outputsOf(session, found);
  return `${path!}/bin/${mainProgram(session, found[0]!)}`;
}

/** The derivation whose environment is wanted: a path in the store, or what evaluation gives. */
export function derivationToDevelop(session: Session, words: readonly string[]): string {
  const { config, store } = session;
  const direct = config.nixCommand && words[0] !== '' ? directTarget(session, words[0]!) : undefined;
  if (direct !== undefined && store instanceof LocalStore) return derivationOf(store, direct.target);
  const found = selected(session, words, flakeAttributes(config.system, 'devShell'));
  if (found.length !== 1) throw new UsageError('a single derivation is wanted');
  return drvPathOf(session.evaluator, found[0]!.attrs);
}

/** Shell text that runs a phase as stdenv would; empty without one. */
function phaseCommand(phase: string | undefined): string {
  if (phase === undefined) return '';
  const name = shellQuote(`${phase}Phase`);
  // stdenv finds out in an earlier phase whether there is a Makefile.
  return `foundMakefile=1\nif declare -f runPhase >/dev/null; then runPhase ${name}; else runHook ${name}; fi\nexit`;
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
  const env = flags.has('ignore-env')
    ? Object.fromEntries(flags.list('keep-env-var').map((name) => [name, process.env[name]]))
    : { ...process.env };
  applyVariables(env, flags);
  return env;
}

/** --set-env-var and --unset-env-var. @throws UsageError */
function applyVariables(env: Record<string, string | undefined>, flags: ParsedFlags): void {
  if (flags.has('ignore-env') && flags.has('unset-env-var')) {
    throw new UsageError('--unset-env-var does not make sense with --ignore-env');
  }
  if (!flags.has('ignore-env') && flags.has('keep-env-var')) {
    throw new UsageError('--keep-env-var does not make sense without --ignore-env');
  }
  const unset = flags.list('unset-env-var');
  const set = new Set<string>();
  for (const [name, value] of flags.all('set-env-var') as [string, string][]) {
    if (unset.includes(name)) {
      throw new UsageError(
        flags.isBefore('set-env-var', 'unset-env-var')
          ? `Cannot unset environment variable '${utf8(name)}' that is set with '--set-env-var'`
          : `Cannot set environment variable '${utf8(name)}' that is unset with '--unset-env-var'`,
      );
    }
    if (set.has(name)) {
      const what = `Duplicate definition of environment variable '${utf8(name)}'`;
      throw new UsageError(`${what} with '--set-env-var' is ambiguous`);
    }
    set.add(name);
    env[name] = value;
  }
  for (const name of unset) Reflect.deleteProperty(env, name);
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
