// `tsnix build` and `nix-build`: expressions → store paths and links to them.
import { realpathSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import type { BuildTarget } from '../../build/realise-options.ts';
import type { BuildSettings } from '../../build/settings.ts';
import { outputsOf } from '../../build/wanted-outputs.ts';
import { ContextBuilder, derivationChain, parseContextElement } from '../../eval/context.ts';
import { ContextString, PathValue } from '../../eval/value.ts';
import { findAlongAttrPath } from '../../eval/attr-path.ts';
import { intern } from '../../util/symbols.ts';
import { DaemonStore } from '../../store/daemon/daemon-store.ts';
import { followLinksToStorePath } from '../../store/follow-links.ts';
import { LocalStore } from '../../store/local-store.ts';
import { createGeneration, switchLink, withProfileLock } from '../../store/profiles.ts';
import { isDerivationPath, tryParseStorePath } from '../../store/store-path.ts';
import type { StorePath, SyncStore } from '../../store/store.ts';
import { compareBytes, fromUtf8, utf8 } from '../../util/bytes.ts';
import { makeDirs } from '../../util/make-dirs.ts';
import { EvalError, NixError, StoreError, UsageError } from '../../util/errors.ts';
import { isThere } from '../cache/looks.ts';
import { noteRoot, noteStorePath, refuseQuickAnswer } from '../cache/quick-answer.ts';
import { cachedEvaluation } from '../cached-evaluation.ts';
import type { Config } from '../config.ts';
import { DerivationFinder, drvPathOf, storePathOf } from '../derivations.ts';
import { FLAKE_FLAGS, preferPure } from '../flake-installable.ts';
import {
  BUILD_FLAGS,
  COMMON_FLAGS,
  EVAL_FLAGS,
  flag,
  parseFlags,
  WATCH_FLAG,
  type Flag,
  type ParsedFlags,
} from '../flags.ts';
import { print, say } from '../output.ts';
import { asBuildStore, asDerivationStore, realiseTargets } from '../realise-targets.ts';
import { Session } from '../session.ts';
import { STDIN_FLAG, wordsOfStdin } from '../installables.ts';
import { splitOutputs, type WantedOutputs } from '../installable-outputs.ts';
import { expressionSource, outputsWanted, sourcesOf, type Source } from './sources.ts';

export const FLAGS: readonly Flag[] = [
  flag('expr', 'build what EXPR evaluates to instead of a file', { short: 'E', args: ['EXPR'] }),
  flag('file', 'build from FILE', { short: 'f', args: ['FILE'] }),
  flag('out-link', 'name of the link to the result (default: result)', { short: 'o', args: ['LINK'], negatable: true }),
  flag('no-link', 'make no link'),
  flag('profile', 'make what is built the next version of the profile PATH', { args: ['PATH'] }),
  flag('print-out-paths', 'print the output paths (the default, but for `nix build`)'),
  flag('json', 'print JSON: .drv path, output paths, and where they lie on this machine'),
  STDIN_FLAG,
  WATCH_FLAG,
  ...EVAL_FLAGS,
  ...FLAKE_FLAGS,
  ...BUILD_FLAGS,
  ...COMMON_FLAGS,
];

/** nix-build's: the arguments of -E are positional, logs are shown. */
export const NIX_BUILD_FLAGS: readonly Flag[] = [
  flag('expr', 'the arguments are expressions', { short: 'E' }),
  flag('out-link', 'name of the link to the result (default: result)', {
    short: 'o',
    args: ['LINK'],
    aliases: ['add-root'],
    negatable: true,
  }),
  flag('no-link', 'make no link'),
  flag('drv-link', 'does nothing', { args: ['LINK'] }),
  flag('no-build-output', 'show no build logs', { short: 'Q' }),
  flag('indirect', 'does nothing'),
  ...EVAL_FLAGS,
  ...BUILD_FLAGS,
  ...COMMON_FLAGS,
];

export interface Wanted {
  readonly target: BuildTarget;
  /** Part of links' names; '' for `out`. */
  readonly suffix: string;
  readonly attrPath: string;
}

export async function build(argv: readonly string[], config: Config): Promise<number> {
  const flags = parseFlags(argv, FLAGS, config);
  preferPure(flags, config);
  return await run(flags, config, {
    expressions: false,
    flakes: true,
    logs: flags.has('print-build-logs'),
    plainLogs: false,
  });
}

export async function nixBuild(argv: readonly string[], config: Config): Promise<number> {
  const flags = parseFlags(argv, NIX_BUILD_FLAGS, config);
  return await run(flags, config, {
    expressions: flags.has('expr'),
    flakes: false,
    logs: !flags.has('no-build-output') && !flags.has('quiet'),
    plainLogs: true,
  });
}

interface Mode {
  /** Arguments are expressions. */
  readonly expressions: boolean;
  /** Arguments may be flakes. */
  readonly flakes: boolean;
  readonly logs: boolean;
  readonly plainLogs: boolean;
}

async function run(flags: ParsedFlags, config: Config, mode: Mode): Promise<number> {
  const session = new Session({ config, flags, readOnly: false, writes: true, logs: mode.logs, keepsResults: true });
  try {
    const wanted = wantedOf(session, mode);
    session.flush();
    const outputs = await realiseTargets(
      wanted.map(({ target }) => target),
      {
        config,
        store: session.store,
        logs: mode.logs,
        plainLogs: mode.plainLogs,
        announce: true,
        quiet: flags.has('quiet'),
        dryRun: flags.has('dry-run'),
        check: flags.has('check'),
        repair: flags.has('repair'),
        substitute: session.usesEmbeddedPackages ? 'named' : 'any',
        shell: () => sandboxShell(session, mode.logs),
        planned: ({ willBuild, willSubstitute, unknown }) => {
          if (willBuild.length + willSubstitute.length + unknown.length > 0) refuseQuickAnswer('not all was there');
        },
      },
    );
    if (outputs === null || flags.has('check') || flags.has('repair')) refuseQuickAnswer('more is done');
    for (const { target } of wanted) noteStorePath(target.kind === 'path' ? target.path : target.drvPath);
    for (const paths of outputs ?? []) for (const path of paths.values()) noteStorePath(path);
    if (outputs === null) {
      if (flags.has('json')) print(`${JSON.stringify(wanted.map((w) => describe(session, w, undefined)))}\n`);
      return 0;
    }
    if (flags.has('json')) print(`${JSON.stringify(wanted.map((w, i) => describe(session, w, outputs[i])))}\n`);
    link(session, flags, wanted, outputs);
    const profile = flags.get('profile');
    if (profile !== undefined) updateProfile(session, utf8(resolve(profile)), outputs);
    if (config.nixCommand ? flags.has('print-out-paths') : !flags.has('json'))
      for (const paths of outputs) for (const path of paths.values()) print(`${path}\n`);
    return 0;
  } finally {
    await session.close();
  }
}

/** @throws UsageError where there is not one path */
function updateProfile(session: Session, profile: string, outputs: readonly ReadonlyMap<string, StorePath>[]): void {
  const { store } = session;
  refuseQuickAnswer('a profile is changed');
  const paths = outputs.flatMap((map) => [...map.values()]);
  if (store.realStoreDir === undefined) throw new StoreError("'--profile' is not supported for this Nix store");
  if (paths.length !== 1) {
    throw new UsageError(
      `'--profile' requires that the arguments produce a single store path, but there are ${paths.length}`,
    );
  }
  withProfileLock(profile, say, () => switchLink(profile, createGeneration(store, profile, paths[0]!)));
}

/** What the command line asks for: derivations that it names itself, then those of expressions. @throws EvalError, UsageError */
export function wantedOf(
  session: Session,
  { expressions, flakes }: { readonly expressions: boolean; readonly flakes: boolean },
): Wanted[] {
  const { flags } = session;
  const words = [...flags.positionals, ...wordsOfStdin(flags)];
  if (words.length === 0 && flags.has('stdin')) return [];
  const sources = expressions
    ? words.map((text) => expressionSource(session, text))
    : sourcesOf(session, flakes, words);
  if (sources.some((source) => source.embedded) && !flags.has('attr')) {
    throw new UsageError(
      "there is no ./default.nix; name a FILE, or an attribute of the embedded package set with '-A' (such as '-A images.bash')",
    );
  }
  const wanted: Wanted[] = [];
  const others: Source[] = [];
  for (const source of sources) {
    const direct = directTarget(session, source.label);
    if (direct === undefined) others.push(source);
    else wanted.push(direct);
  }
  if (others.length === 0) return wanted;
  const evaluate = (emit: (found: Wanted) => void): void => {
    for (const source of others) evaluateSource(session, source, emit);
  };
  cachedEvaluation<Wanted>(session, {
    purpose: expressions ? 'build expressions' : 'build',
    evaluate,
    present: (found) => wanted.push(found),
    describe: ({ target, attrPath, suffix }) => [
      [`${utf8(attrPath)}${suffix}` || 'result', target.kind === 'path' ? target.path : target.drvPath],
    ],
  });
  return wanted;
}

function evaluateSource(session: Session, source: Source, emit: (found: Wanted) => void): void {
  const { evaluator: ev } = session;
  const calls = session.calls();
  const root = source.load();
  for (const attrPath of source.attrPaths) {
    const { slot } = findAlongAttrPath(ev, utf8(attrPath), root, calls);
    const value = ev.force(slot);
    if (value instanceof PathValue) {
      const path = session.storePathHolding(ev.copyPathToStore(value.path, new ContextBuilder()));
      emit({ target: { kind: 'path', path }, suffix: '', attrPath });
      continue;
    }
    if (session.config.nixCommand && (typeof value === 'string' || value instanceof ContextString)) {
      requireSingleContext(value);
    }
    const plain = storePathOf(ev, value);
    if (plain !== null && !isSetWithType(session, slot)) {
      for (const { drvPath, output } of plain.needs) {
        const suffix = output === 'out' ? '' : `-${output}`;
        emit({ target: derivationTarget(session, drvPath, [output]), suffix, attrPath });
      }
      if (plain.needs.length === 0) {
        emit({ target: { kind: 'path', path: session.storePathHolding(plain.path) }, suffix: '', attrPath });
      }
      continue;
    }
    const finder = new DerivationFinder(ev, calls);
    finder.collect(slot, utf8(attrPath));
    const found: Wanted[] = [];
    for (const drv of finder.found) {
      const drvPath = drvPathOf(ev, drv.attrs);
      if (drv.outputName === '') throw new EvalError(`derivation '${drvPath}' lacks an 'outputName' attribute`);
      const suffix = drv.outputName === 'out' ? '' : `-${drv.outputName}`;
      const outputs = outputsWanted(session, source, drv);
      found.push({ target: derivationTarget(session, drvPath, outputs), suffix, attrPath: drv.attrPath });
    }
    for (const one of session.config.nixCommand ? byDerivation(found) : found) emit(one);
  }
}

/** By `nix` those of one derivation are one: that keeps the elements of `.all` together. */
function byDerivation(found: readonly Wanted[]): Wanted[] {
  const merged = new Map<string, Wanted>();
  for (const one of found) {
    const { target } = one;
    if (target.kind === 'path') continue;
    const before = merged.get(target.drvPath)?.target;
    const old = before?.kind === 'derivation' ? before.outputs : [];
    const outputs =
      old === 'all' || target.outputs === 'all' ? 'all' : [...new Set([...old, ...target.outputs])].sort();
    merged.set(target.drvPath, { ...(merged.get(target.drvPath) ?? one), target: { ...target, outputs } });
  }
  return [...merged].sort(([a], [b]) => compareBytes(a, b)).map(([, one]) => one);
}

/** By `nix` a string means the one store path that it is. @throws EvalError */
function requireSingleContext(value: string | ContextString): void {
  const [text, entries] = typeof value === 'string' ? [value, 0] : [value.text, value.context.length];
  if (entries !== 1) {
    throw new EvalError(
      `string '${text}' has ${entries} entries in its context. It should only have exactly one entry`,
    );
  }
  if (typeof value !== 'string' && parseContextElement(value.context[0]!).kind === 'drvDeep') {
    throw new EvalError(
      `string '${text}' has a context which refers to a complete source and binary closure. This is not supported at this time`,
    );
  }
}

const sType = intern('type');

function isSetWithType(session: Session, slot: Parameters<Session['evaluator']['force']>[0]): boolean {
  const value = session.evaluator.force(slot);
  return typeof value === 'object' && value !== null && 'has' in value && value.has(sType);
}

/** What `nix` is given a path of, or a link to one: a store path, or outputs of a derivation. */
function storePathTarget(session: Session, label: string): Wanted | undefined {
  const { base, outputs } = splitOutputs(label);
  if (!base.includes('/')) return undefined;
  let path: StorePath;
  refuseQuickAnswer('links were followed');
  try {
    path = followLinksToStorePath(session.store, utf8(base), utf8(process.cwd()));
  } catch (error) {
    if (error instanceof StoreError) return undefined;
    throw error;
  }
  const target: BuildTarget =
    outputs === undefined ? { kind: 'path', path } : { kind: 'derivation', drvPath: path, outputs };
  return { target, suffix: '', attrPath: '' };
}

/** `/nix/store/….drv` on the command line: that derivation; another valid store path: itself. */
export function directTarget(session: Session, label: string): Wanted | undefined {
  if (session.config.nixCommand) {
    return ['expr', 'file'].some((name) => session.flags.has(name)) ? undefined : storePathTarget(session, label);
  }
  const bang = label.indexOf('!');
  const base = bang < 0 ? label : label.slice(0, bang);
  const path = tryParseStorePath(utf8(base), session.store.storeDir);
  if (path === undefined || !isDerivationPath(path) || isThere(join(base, 'default.nix'))) return undefined;
  const { env, outputs } = asDerivationStore(session.store).readDerivation(path);
  const output = bang < 0 ? (env.get('outputName') ?? 'out') : utf8(label.slice(bang + 1));
  if (output.includes(',')) {
    throw new StoreError(`building more than one derivation output is not supported, in '${utf8(label)}'`);
  }
  if (!outputs.has(output)) throw new StoreError(`derivation '${path}' does not have output '${output}'`);
  return {
    target: { kind: 'derivation', drvPath: path, outputs: [output] },
    suffix: output === 'out' ? '' : `-${output}`,
    attrPath: '',
  };
}

function derivationTarget(session: Session, encoded: string, outputs: WantedOutputs): BuildTarget {
  const { drvPath, outputs: through } = derivationChain(encoded);
  return { kind: 'derivation', drvPath: session.asStorePath(drvPath), through, outputs };
}

/** `result`, `result-2` for further derivations (by `nix`: `result-1`), `-OUTPUT` for outputs that are not `out`. */
export function link(
  session: Session,
  flags: ParsedFlags,
  wanted: readonly Wanted[],
  outputs: readonly ReadonlyMap<string, StorePath>[],
): void {
  if (flags.isOff('out-link') || flags.has('no-link')) return;
  const { store } = session;
  // What lies on another machine can't be linked to.
  if (!(store instanceof LocalStore || (store instanceof DaemonStore && store.realStoreDir !== undefined))) return;
  const name = resolve(flags.get('out-link') ?? 'result');
  makeDirs(utf8(dirname(name)));
  const base = utf8(join(realpathSync(dirname(name)), name.slice(name.lastIndexOf('/') + 1)));
  const numbers = new Map<string, number>();
  const byNix = session.config.nixCommand;
  wanted.forEach(({ target }, i) => {
    const key = target.kind === 'path' ? target.path : target.drvPath;
    if (!numbers.has(key)) numbers.set(key, numbers.size);
    const number = byNix ? i : numbers.get(key)!;
    const numbered = number === 0 ? base : `${base}-${byNix ? number : number + 1}`;
    for (const [output, path] of outputs[i]!) {
      const root = output === 'out' ? numbered : `${numbered}-${output}`;
      store.addIndirectRoot(root, path);
      noteRoot(root, path);
    }
  });
}

/** Outputs whose paths are known without building. */
function knownOutputsOf(store: SyncStore, target: BuildTarget): ReadonlyMap<string, StorePath> {
  if (!(store instanceof DaemonStore)) return outputsOf(asBuildStore(store), target);
  if (target.kind === 'path') return new Map([['out', target.path]]);
  const all = store.derivationOutputs(target.drvPath);
  return new Map([...all].filter(([name]) => target.outputs === 'all' || target.outputs.includes(name)));
}

function describe(session: Session, wanted: Wanted, outputs: ReadonlyMap<string, StorePath> | undefined): unknown {
  const { target } = wanted;
  if (session.config.nixCommand && target.kind === 'path') return target.path;
  const known = outputs ?? knownOutputsOf(session.store, target);
  const text = (map: (path: StorePath) => string): Record<string, string> =>
    Object.fromEntries([...known].map(([name, path]) => [name, fromUtf8(map(path))]));
  return {
    ...(target.kind === 'derivation' ? { drvPath: target.drvPath } : {}),
    ...(wanted.attrPath === '' || session.config.nixCommand ? {} : { attrPath: fromUtf8(wanted.attrPath) }),
    outputs: text((path) => path),
    ...(outputs === undefined || session.config.nixCommand
      ? {}
      : { realPaths: text((path) => session.store.realPath(path)) }),
  };
}

/**
 * The store path shown as /bin/sh in sandboxes (Nix: a busybox): the embedded set's shell, built without one. None, with
 * a warning, where the host has no shell to take.
 */
export async function sandboxShell(session: Session, logs: boolean): Promise<BuildSettings['shell']> {
  // A store that lies elsewhere is always built for in a sandbox.
  const diverted = session.store.realPath(session.store.storeDir) !== session.store.storeDir;
  if (session.config.string('sandbox') === 'false' && !diverted) return undefined;
  try {
    const { evaluator: ev } = session;
    const { slot } = findAlongAttrPath(ev, 'sandboxShell', session.embeddedPackageSet(), { args: session.autoArgs() });
    const shell = storePathOf(ev, ev.force(slot));
    if (shell === null) return undefined;
    session.flush();
    const closure: StorePath[] = [];
    const outputs = await realiseTargets(
      shell.needs.map(({ drvPath, output }) => derivationTarget(session, drvPath, [output])),
      {
        config: session.config,
        store: session.store,
        logs,
        quiet: true,
        hidden: true,
        announce: false,
        dryRun: false,
        check: false,
        substitute: 'none',
        shell: () => Promise.resolve(undefined),
      },
    );
    for (const paths of outputs ?? []) closure.push(...paths.values());
    return { path: shell.path, closure: session.store.closure(closure) };
  } catch (error) {
    if (!(error instanceof NixError)) throw error;
    say(`warning: builds see no /bin/sh: ${error.message}`);
    return undefined;
  }
}
