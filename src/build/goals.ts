// From "these outputs, please" to valid store paths: what is valid is left alone, what can be substituted is, the rest
// is built, inputs first, at most max-jobs at a time, each derivation once whoever asks for it. Two processes never
// build the same thing: whoever gets the locks of the outputs builds, the other finds them valid.
import { utf8 } from '../util/bytes.ts';
import { NixError } from '../util/errors.ts';
import { staticOutputPath } from '../store/derivation.ts';
import type { Derivation } from '../store/derivation.ts';
import type { StorePath } from '../store/store.ts';
import { buildDerivation } from './build-derivation.ts';
import type { BuildStore } from './build-store.ts';
import type { BuiltinBuilders } from './builtin-builder.ts';
import { derivationOptions } from './derivation-options.ts';
import type { DerivationOptions } from './derivation-options.ts';
import { BuildFailure, exitStatusOf } from './failure.ts';
import type { FailureKind } from './failure.ts';
import { knownOutputs } from './run-program.ts';
import type { BuildSettings } from './settings.ts';

export type BuildTarget =
  | { readonly kind: 'derivation'; readonly drvPath: StorePath; readonly outputs: readonly string[] | 'all' }
  | { readonly kind: 'path'; readonly path: StorePath };

/** Fetches valid paths from elsewhere. */
export interface Substituter {
  /** The paths of these that it has. */
  query(paths: readonly StorePath[]): Promise<ReadonlySet<StorePath>>;
  /** Makes a path (and its closure) valid; false where it turns out not to have it. */
  substitute(path: StorePath, signal: AbortSignal): Promise<boolean>;
}

/** Told what happens; the CLI shows it. Texts are byte strings. */
export interface BuildObserver {
  started?(drvPath: StorePath, mode: 'normal' | 'check'): void;
  line?(drvPath: StorePath, line: string): void;
  phase?(drvPath: StorePath, phase: string): void;
  finished?(drvPath: StorePath): void;
  /** A derivation whose build (not that of a dependency) failed. realise() throws the error of a target itself. */
  failed?(drvPath: StorePath, error: BuildFailure, isTarget: boolean): void;
  /** Another process is at it. */
  waiting?(message: string): void;
  warn?(message: string): void;
  /** Something that the user asked to be told. */
  note?(message: string): void;
}

export interface RealiseOptions {
  readonly settings: BuildSettings;
  readonly builtins: BuiltinBuilders;
  readonly observer?: BuildObserver;
  readonly substituter?: Substituter;
  readonly signal?: AbortSignal;
  /** check: rebuilds the targets, which must be valid, and compares. */
  readonly mode?: 'normal' | 'check';
}

/**
 * Makes every target valid.
 * @returns outputs of each target, in the order of the targets; `out` for paths
 * @throws BuildFailure (of the target, or of all together) whose exitStatus is the command's, or the signal's reason
 */
export async function realise(
  store: BuildStore,
  targets: readonly BuildTarget[],
  options: RealiseOptions,
): Promise<ReadonlyMap<string, StorePath>[]> {
  const realiser = new Realiser(store, options);
  try {
    const outcomes = await Promise.all(targets.map((target) => realiser.target(target)));
    options.signal?.throwIfAborted();

    if (realiser.crash !== undefined) throw realiser.crash.error;
    throwFailures(targets, outcomes, realiser.failures);
    return targets.map((target) => outputsOf(store, target));
  } finally {
    await realiser.settled();
  }
}

/** undefined: well. */
type Outcome = BuildFailure | undefined;

function throwFailures(
  targets: readonly BuildTarget[],
  outcomes: readonly Outcome[],
  kinds: ReadonlySet<FailureKind>,
): void {
  const failed = targets.filter((_, index) => outcomes[index] !== undefined);
  if (failed.length === 0) return;
  const first =
    outcomes.find((outcome) => outcome !== undefined && !(outcome instanceof Cancelled)) ??
    outcomes.find((outcome) => outcome !== undefined)!;
  const names = [...new Set(failed.map(targetName))].map((name) => `'${name}'`);
  const error =
    names.length === 1
      ? first
      : new BuildFailure(first.kind, `build of ${names.join(', ')} failed`, {
          parts: [...new Set(outcomes)].filter((o): o is BuildFailure => o !== undefined && !(o instanceof Cancelled)),
        });
  error.exitStatus = exitStatusOf(kinds);
  throw error;
}

function targetName(target: BuildTarget): string {
  if (target.kind === 'path') return target.path;
  return `${target.drvPath}^${target.outputs === 'all' ? '*' : target.outputs.join(',')}`;
}

/** Outputs of a target whose paths are known, by name. @throws BuildFailure for an output that does not exist */
export function outputsOf(store: BuildStore, target: BuildTarget): Map<string, StorePath> {
  if (target.kind === 'path') return new Map([['out', target.path]]);
  const drv = store.readDerivation(target.drvPath);
  return wantedPaths(target.drvPath, drv, target.outputs);
}

function wantedPaths(drvPath: StorePath, drv: Derivation, outputs: readonly string[] | 'all'): Map<string, StorePath> {
  const paths = new Map<string, StorePath>();
  for (const name of outputs === 'all' ? drv.outputs.keys() : outputs) {
    const output = drv.outputs.get(name);
    if (output === undefined) {
      throw new BuildFailure('misc', `derivation '${drvPath}' does not have wanted outputs '${name}'`);
    }
    const path = staticOutputPath(output);
    if (path === undefined) {
      throw new BuildFailure(
        'inputRejected',
        `output '${name}' of derivation '${drvPath}' is content-addressed: its path is not known before it is built, which is not implemented`,
      );
    }
    paths.set(name, path);
  }
  return paths;
}

/** The build never happened, because another one failed and --keep-going was not given. */
class Cancelled extends BuildFailure {}

class Realiser {
  readonly failures = new Set<FailureKind>();
  crash: { readonly error: unknown } | undefined;
  private readonly store: BuildStore;
  private readonly options: RealiseOptions;
  private readonly builds = new Map<StorePath, Promise<Outcome>>();
  private readonly substitutions = new Map<StorePath, Promise<boolean>>();
  private readonly stopper = new AbortController();
  private readonly signal: AbortSignal;
  private readonly slots: Slots;
  private readonly work: Promise<void>[] = [];

  constructor(store: BuildStore, options: RealiseOptions) {
    this.store = store;
    this.options = options;
    this.signal =
      options.signal === undefined ? this.stopper.signal : AbortSignal.any([options.signal, this.stopper.signal]);
    this.slots = new Slots(Math.max(1, options.settings.maxJobs));
  }

  /** Resolves when nothing that was started is still running. */
  async settled(): Promise<void> {
    await Promise.all([...this.builds.values()]);
    await Promise.all(this.work);
  }

  async target(target: BuildTarget): Promise<Outcome> {
    const { mode } = this.options;
    try {
      if (target.kind === 'path') return await this.path(target.path);
      if (mode !== 'check') return await this.outputs(target.drvPath, target.outputs, true);
      const missing = [...outputsOf(this.store, target).values()].some((path) => !this.store.isValidPath(path));
      if (missing) {
        throw new BuildFailure(
          'misc',
          `some outputs of '${target.drvPath}' are not valid, so checking is not possible\n` +
            'Hint: --rebuild and --check error if the derivation was not previously built and cannot be substituted.\n' +
            '      Remove it to perform a fresh build, or use --repair to rewrite missing or corrupted builds in the store.',
        );
      }
      return await this.build(target.drvPath, true);
    } catch (error) {
      return this.asOutcome(error);
    }
  }

  private asOutcome(error: unknown): BuildFailure {
    if (error instanceof BuildFailure) return error;
    if (this.signal.aborted) return new Cancelled('misc', 'interrupted by the user');
    if (error instanceof NixError) return new BuildFailure('misc', error.message, { cause: error });
    const { code, message } = error as NodeJS.ErrnoException;
    if (code !== undefined) return new BuildFailure('misc', utf8(message), { cause: error });
    // Not a failed build but a mistake of ours: stop all, and let realise() throw it.
    this.crash ??= { error };
    this.stopper.abort(new Cancelled('misc', 'another build failed'));
    return new Cancelled('misc', utf8(message));
  }

  private async path(path: StorePath): Promise<Outcome> {
    if (this.store.isValidPath(path) || (await this.substitute(path))) return undefined;
    return new BuildFailure('misc', `path '${path}' does not exist and cannot be created`);
  }

  /** @throws whatever is no build's failure */
  private async outputs(drvPath: StorePath, outputs: readonly string[] | 'all', isTarget: boolean): Promise<Outcome> {
    const drv = this.store.readDerivation(drvPath);
    const paths = [...wantedPaths(drvPath, drv, outputs).values()];
    for (const path of paths) this.store.addTempRoot(path);
    if (paths.every((path) => this.store.isValidPath(path))) return undefined;
    if (this.options.substituter !== undefined && derivationOptions(drv, this.store.storeDir).allowSubstitutes) {
      const fetched = await Promise.all(paths.map((path) => this.substitute(path)));
      if (fetched.every(Boolean)) return undefined;
    }
    return this.build(drvPath, isTarget);
  }

  private async substitute(path: StorePath): Promise<boolean> {
    if (this.store.isValidPath(path)) return true;
    const { substituter } = this.options;
    if (substituter === undefined) return false;
    let running = this.substitutions.get(path);
    if (running === undefined) {
      running = substituter.substitute(path, this.signal);
      this.substitutions.set(path, running);
    }
    return running;
  }

  private build(drvPath: StorePath, isTarget: boolean): Promise<Outcome> {
    let running = this.builds.get(drvPath);
    if (running === undefined) {
      running = this.buildOnce(drvPath, isTarget).catch((error: unknown) => {
        const outcome = this.asOutcome(error);
        if (!(outcome instanceof Cancelled)) {
          this.failures.add(outcome.kind);
          this.options.observer?.failed?.(drvPath, outcome, isTarget);
        }
        if (!this.options.settings.keepGoing) this.stopper.abort(new Cancelled('misc', 'another build failed'));
        return outcome;
      });
      this.builds.set(drvPath, running);
    }
    return running;
  }

  private async buildOnce(drvPath: StorePath, isTarget: boolean): Promise<Outcome> {
    const { store } = this;
    const { settings } = this.options;
    const drv = store.readDerivation(drvPath);
    const options = derivationOptions(drv, store.storeDir);
    store.addTempRoot(drvPath);
    const inputRoots = await this.inputs(drvPath, drv);
    checkCanBuild(drvPath, drv, options, settings);
    const all = wantedPaths(drvPath, drv, 'all');
    return this.slots.use(this.signal, async () => {
      const mode = isTarget ? (this.options.mode ?? 'normal') : 'normal';
      const locks = await store.lockPaths([...all.values()], {
        signal: this.signal,
        onWait: () => this.options.observer?.waiting?.(`waiting for lock on ${quoteAll([...all.values()])}`),
      });
      try {
        const wanted = [...all]
          .filter(([, path]) => mode === 'check' || !store.isValidPath(path))
          .map(([name]) => name);
        if (wanted.length > 0) {
          this.options.observer?.started?.(drvPath, mode);
          await buildDerivation({
            store,
            drvPath,
            drv,
            options,
            inputRoots,
            wanted,
            mode,
            settings,
            builtins: this.options.builtins,
            signal: this.signal,
            onLine: (line) => this.options.observer?.line?.(drvPath, line),
            onPhase: (phase) => this.options.observer?.phase?.(drvPath, phase),
            warn: (message) => this.options.observer?.warn?.(message),
            note: (message) => this.options.observer?.note?.(message),
            later: (work) => this.work.push(work),
          });
          this.options.observer?.finished?.(drvPath);
        }
      } finally {
        // Also after a failure: who waits for the file sees that it is stale, and takes the next one.
        locks.release(true);
      }
      return undefined;
    });
  }

  /** Makes the inputs valid. @throws BuildFailure where some can't be */
  private async inputs(drvPath: StorePath, drv: Derivation): Promise<StorePath[]> {
    const { store } = this;
    const waiting = [...drv.inputDrvs].map(([input, outputs]) => this.outputs(input, outputs, false));
    const failures = (await Promise.all(waiting)).filter((outcome) => outcome !== undefined);
    const sources = await Promise.all(drv.inputSrcs.map(async (path) => [path, await this.substitute(path)] as const));
    for (const [path, valid] of sources) {
      if (valid) continue;
      throw new BuildFailure(
        'misc',
        this.options.substituter === undefined
          ? `dependency '${path}' of '${drvPath}' does not exist, and substitution is disabled`
          : `some dependencies of '${drvPath}' are missing: '${path}'`,
      );
    }
    if (failures.every((failure) => failure instanceof Cancelled) && failures.length > 0) throw failures[0]!;
    const count = failures.filter((failure) => !(failure instanceof Cancelled)).length;
    if (count > 0) {
      const what = count === 1 ? 'dependency' : 'dependencies';
      const message = `Cannot build '${drvPath}'.\nReason: ${count} ${what} failed.${knownOutputs(wantedPaths(drvPath, drv, 'all'))}`;
      throw new BuildFailure('dependencyFailed', message);
    }
    const roots: StorePath[] = [...drv.inputSrcs];
    for (const [input, outputs] of drv.inputDrvs) {
      roots.push(...wantedPaths(input, store.readDerivation(input), outputs).values());
    }
    return roots;
  }
}

function quoteAll(paths: readonly string[]): string {
  return paths.map((path) => `'${path}'`).join(', ');
}

/** @throws BuildFailure where this machine is not what the derivation asks for */
function checkCanBuild(drvPath: StorePath, drv: Derivation, options: DerivationOptions, settings: BuildSettings): void {
  const builtin = drv.builder.startsWith('builtin:');
  let reasons = '';
  if (settings.maxJobs === 0 && !builtin) {
    reasons +=
      "\nReason: local builds are disabled (max-jobs = 0)\nHint: set 'max-jobs' to a non-zero value to enable local " +
      "builds, or configure remote builders via 'builders'";
  }
  const systems = [settings.system, ...settings.extraPlatforms];
  if (!builtin && drv.system !== 'builtin' && !systems.includes(drv.system)) {
    reasons += `\nReason: platform mismatch\nRequired system: '${drv.system}'\nCurrent system: '${settings.system}'`;
  }
  const features = [...options.requiredSystemFeatures].sort();
  if (!features.every((feature) => settings.systemFeatures.includes(feature))) {
    const available = [...settings.systemFeatures].sort();
    reasons += `\nReason: missing system features\nRequired features: {${features.join(', ')}}\nAvailable features: {${available.join(', ')}}`;
  }
  if (reasons !== '') throw new BuildFailure('inputRejected', `Cannot build '${drvPath}'.${reasons}`);
}

/** At most so many builds at a time, first come first served. */
class Slots {
  private free: number;
  private readonly queue: (() => void)[] = [];
  constructor(count: number) {
    this.free = count;
  }
  async use<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    if (this.free > 0) this.free--;
    else await new Promise<void>((resolve) => this.queue.push(resolve));
    try {
      signal.throwIfAborted();
      return await work();
    } finally {
      const next = this.queue.shift();
      if (next === undefined) this.free++;
      else next();
    }
  }
}
