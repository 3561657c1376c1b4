// From "these outputs, please" to valid store paths: what is valid is left alone, what can be substituted is, the rest
// is built, inputs first, at most max-jobs at a time, each derivation once whoever asks for it. Two processes never
// build the same thing: whoever gets the locks of the outputs builds, the other finds them valid.
import { utf8 } from '../util/bytes.ts';
import { NixError } from '../util/errors.ts';
import { collectGarbage } from '../util/heap-room.ts';
import { isImpure, mayReachOut, staticOutputPath } from '../store/derivation.ts';
import type { Derivation } from '../store/derivation.ts';
import {
  inputChains,
  KnownOutputs,
  resolveDerivation,
  resolvedDerivationFile,
  shouldResolve,
} from '../store/resolve-derivation.ts';
import type { OutputChain } from '../store/resolve-derivation.ts';
import { isDerivationPath } from '../store/store-path.ts';
import type { StorePath } from '../store/store.ts';
import { buildDerivation, type BuildJob } from './build-derivation.ts';
import type { BuildStore } from './build-store.ts';
import type { BuiltinBuilders } from './builtin-builder.ts';
import { reasonsAgainst } from './can-build.ts';
import { Closures } from './closures.ts';
import { derivationOptions } from './derivation-options.ts';
import type { DerivationOptions } from './derivation-options.ts';
import { BuildFailure } from './failure.ts';
import type { FailureKind } from './failure.ts';
import { Cancelled, throwFailures, type Outcome } from './outcome.ts';
import { knownOutputs } from './run-program.ts';
import { HelperPool } from './sandbox/perl.ts';
import type { Place } from './remote/remote-builders.ts';
import type { RemoteBuilding } from './remote/remote-building.ts';
import type { BuildMode, BuildSettings } from './settings.ts';
import { Slots } from './slots.ts';
import { isIntact, outputsOf, wantedNames, withPaths } from './wanted-outputs.ts';
import type { Wanted } from './wanted-outputs.ts';

export type BuildTarget =
  | {
      readonly kind: 'derivation';
      readonly drvPath: StorePath;
      /** Dynamic derivations: the derivation meant is this output of `drvPath`, or an output of that one, and so on. */
      readonly through?: readonly string[];
      readonly outputs: readonly string[] | 'all';
    }
  | {
      readonly kind: 'path';
      readonly path: StorePath;
      /** For repair: what cannot be fetched is built by its deriver. */
      readonly rebuild?: boolean;
    };

/** What fetching a path takes. Sizes in bytes, 0 where they are not known. */
export interface SubstitutablePath {
  readonly downloadSize: number;
  readonly narSize: number;
  readonly references: readonly StorePath[];
}

/** Fetches valid paths from elsewhere. */
export interface Substituter {
  /** Of these paths and their closures, what is not valid and can be had. */
  query(paths: readonly StorePath[]): Promise<ReadonlyMap<StorePath, SubstitutablePath>>;
  /**
   * Makes a path (and its closure) valid; false where it turns out not to have it.
   * @throws StoreError where it has it and it could not be fetched
   */
  substitute(path: StorePath): Promise<boolean>;
  /** Fetches a valid path again, in place of what is there; false and exceptions as with substitute(). */
  repair(path: StorePath): Promise<boolean>;
}

/** Told what happens; the CLI shows it. Texts are byte strings. */
export interface BuildObserver {
  /** @param machine where, if not here */
  started?(drvPath: StorePath, mode: BuildMode, machine?: string): void;
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
  /** Derivations that are not in the store: a peer that has built their inputs tells them. */
  readonly given?: ReadonlyMap<StorePath, Derivation>;
  /** Other machines that build. */
  readonly remote?: RemoteBuilding;
  /** Concerns the targets. */
  readonly mode?: BuildMode;
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
    return targets.map((target) => realiser.outputsOf(target));
  } finally {
    await realiser.settled();
  }
}

/** What is asked of a derivation. */
interface How {
  readonly isTarget: boolean;
  readonly mode: BuildMode;
  /** How many derivations wait for it, one for the other: what is deepest is built first. */
  readonly depth: number;
}

/** A derivation that can be built now. */
interface LockedJob {
  readonly drvPath: StorePath;
  readonly drv: Derivation;
  readonly options: DerivationOptions;
  readonly inputRoots: readonly StorePath[];
  readonly names: readonly string[];
  readonly lockFor: readonly StorePath[];
  readonly how: How;
  /** On another machine. */
  readonly place?: Place;
}

class Realiser {
  readonly failures = new Set<FailureKind>();
  crash: { readonly error: unknown } | undefined;
  private readonly store: BuildStore;
  private readonly options: RealiseOptions;
  /** Outputs that this run learnt by building. */
  private readonly made = new Map<StorePath, ReadonlyMap<string, StorePath>>();
  /** Fixed outputs are resolved too, which may save building them. */
  private readonly resolvesFixed: boolean;
  private readonly builds = new Map<StorePath, Promise<Outcome>>();
  private readonly substitutions = new Map<StorePath, Promise<boolean>>();
  private readonly repairs = new Map<StorePath, Promise<boolean>>();
  private readonly stopper = new AbortController();
  private readonly signal: AbortSignal;
  private readonly slots: Slots;
  /** For those that have their locks: one more than can build. */
  private readonly ahead: Slots;
  private readonly helpers = new HelperPool();
  private readonly closures: Closures;
  private readonly work = new Set<Promise<void>>();

  constructor(store: BuildStore, options: RealiseOptions) {
    this.store = store;
    this.options = options;
    this.closures = new Closures(store);
    this.resolvesFixed = options.settings.experimentalFeatures.has('ca-derivations');
    this.signal =
      options.signal === undefined ? this.stopper.signal : AbortSignal.any([options.signal, this.stopper.signal]);
    const jobs = Math.max(1, options.settings.maxJobs);
    this.slots = new Slots(jobs);
    this.ahead = new Slots(jobs + 1);
  }

  /** Resolves when nothing that was started is still running. */
  async settled(): Promise<void> {
    await Promise.all([...this.builds.values()]);
    await Promise.all(this.work);
    await this.helpers.close();
  }

  async target(target: BuildTarget): Promise<Outcome> {
    const { mode = 'normal' } = this.options;
    try {
      if (target.kind === 'path') {
        return mode === 'repair' ? await this.repairPath(target.path, target.rebuild) : await this.path(target.path);
      }
      const { drvPath, outputs, through = [] } = target;
      return await this.chain({ drvPath, outputs: through }, outputs, { isTarget: true, mode, depth: 0 });
    } catch (error) {
      return this.asOutcome(error);
    }
  }

  /** Outputs of a target that was realised. */
  outputsOf(target: BuildTarget): Map<string, StorePath> {
    if (target.kind === 'path') return new Map([['out', target.path]]);
    const { drvPath, outputs, through = [] } = target;
    const at = this.chainPath({ drvPath, outputs: through })!;
    const drv = this.derivation(at);
    return withPaths(wantedNames(at, drv, outputs), (name) => this.outputPath(at, name, drv));
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
    return new BuildFailure('misc', `path '${path}' is required, but there is no substituter that can build it`);
  }

  /** Fetches a path anew, whatever is there. */
  private async repairPath(path: StorePath, rebuild = false): Promise<Outcome> {
    const { store } = this;
    try {
      if (await this.fetchAnew(path)) return undefined;
    } catch (error) {
      if (!rebuild || this.signal.aborted || !(error instanceof NixError)) throw error;
      this.options.observer?.warn?.(error.message);
    }
    if (!rebuild) {
      return new BuildFailure('misc', `path '${path}' is required, but there is no substituter that can build it`);
    }
    const deriver = store.pathInfo(path)?.deriver ?? null;
    if (deriver === null || !store.isValidPath(deriver)) {
      return new BuildFailure('misc', `cannot repair path '${path}'`);
    }
    return this.outputs(deriver, 'all', { isTarget: true, mode: 'repair', depth: 0 });
  }

  /** What is known of an output: from this run, the derivation itself or the build trace. */
  private outputPath(drvPath: StorePath, output: string, drv: Derivation): StorePath | undefined {
    return (
      this.made.get(drvPath)?.get(output) ?? new KnownOutputs(this.store, this.resolvesFixed).path(drvPath, output, drv)
    );
  }

  /** The path of an output of an output …; of the derivation itself without outputs. */
  private chainPath({ drvPath, outputs }: OutputChain): StorePath | undefined {
    let at: StorePath | undefined = drvPath;
    for (const output of outputs) {
      if (at === undefined || !this.store.isValidPath(at)) return undefined;
      at = this.outputPath(at, output, this.store.readDerivation(at));
    }
    return at;
  }

  /** Makes outputs of the derivation at the end of a chain, and that derivation itself first. */
  private async chain({ drvPath, outputs: through }: OutputChain, wanted: Wanted, how: How): Promise<Outcome> {
    for (const [i, output] of through.entries()) {
      this.requireFeature('dynamic-derivations');
      const at = this.chainPath({ drvPath, outputs: through.slice(0, i) })!;
      const failure = await this.outputs(at, [output], { isTarget: false, mode: 'normal', depth: how.depth + 1 });
      if (failure !== undefined) {
        const name = `${drvPath}^${through.slice(0, i + 1).join('^')}`;
        return new BuildFailure('dependencyFailed', `failed to obtain derivation of '${name}'`, { cause: failure });
      }
    }
    const at = this.chainPath({ drvPath, outputs: through })!;
    if (!isDerivationPath(at)) throw new BuildFailure('misc', `path '${at}' is not a valid store derivation path`);
    return this.outputs(at, wanted, how);
  }

  private derivation(drvPath: StorePath): Derivation {
    return this.options.given?.get(drvPath) ?? this.store.readDerivation(drvPath);
  }

  private requireFeature(feature: string): void {
    if (this.options.settings.experimentalFeatures.has(feature)) return;
    throw new BuildFailure(
      'misc',
      `experimental Nix feature '${feature}' is disabled; add '--extra-experimental-features ${feature}' to enable it`,
    );
  }

  /** @throws whatever is no build's failure */
  private async outputs(drvPath: StorePath, outputs: Wanted, how: How): Promise<Outcome> {
    const { store } = this;
    const isGiven = this.options.given?.has(drvPath) === true;
    if (!isGiven && !store.isValidPath(drvPath)) await this.substitute(drvPath);
    const drv = this.derivation(drvPath);
    const names = wantedNames(drvPath, drv, outputs);
    if (isImpure(drv)) {
      this.requireFeature('impure-derivations');
      return this.build(drvPath, how);
    }
    for (const { kind } of drv.outputs.values()) {
      if (kind === 'floating' || kind === 'deferred') this.requireFeature('ca-derivations');
    }
    const paths = [...withPaths(names, (name) => this.outputPath(drvPath, name, drv)).values()];
    for (const path of paths) store.addTempRoot(path);
    const complete = paths.length === names.length;
    const allValid = (): boolean => complete && paths.every((path) => store.isValidPath(path));
    if (how.mode === 'check' && !allValid()) {
      throw new BuildFailure(
        'misc',
        `some outputs of '${drvPath}' are not valid, so checking is not possible\n` +
          'Hint: --rebuild and --check error if the derivation was not previously built and cannot be substituted.\n' +
          '      Remove it to perform a fresh build, or use --repair to rewrite missing or corrupted builds in the store.',
      );
    }
    if (how.mode === 'normal') {
      if (allValid()) return undefined;
      if (
        complete &&
        this.options.substituter !== undefined &&
        derivationOptions(drv, store.storeDir).allowSubstitutes
      ) {
        if (await this.substituteOutputs(drvPath, paths)) return undefined;
      }
    }
    if (how.mode === 'repair' && complete && (await this.repairOutputs(drvPath, drv, paths))) {
      return this.repairClosure(drvPath, paths);
    }
    return this.build(drvPath, how);
  }

  /** Fetches those outputs that are missing or damaged; false where some have to be built. */
  private async repairOutputs(drvPath: StorePath, drv: Derivation, paths: readonly StorePath[]): Promise<boolean> {
    const { store } = this;
    const damaged = paths.filter((path) => !isIntact(store, path));
    if (damaged.length === 0) return true;
    const mayFetch = this.options.substituter !== undefined && derivationOptions(drv, store.storeDir).allowSubstitutes;
    return mayFetch && (await this.substituteOutputs(drvPath, damaged, (path) => this.fetchAnew(path)));
  }

  /** Repairs what the outputs refer to; they themselves are as they should be. */
  private async repairClosure(drvPath: StorePath, outputs: readonly StorePath[]): Promise<Outcome> {
    const { store } = this;
    const damaged = store.closure(outputs).filter((path) => !outputs.includes(path) && !isIntact(store, path));
    if (damaged.length === 0) return undefined;
    const known = new KnownOutputs(store, this.resolvesFixed);
    const makers = new Map<StorePath, StorePath>();
    for (const input of store.closure([drvPath]).filter(isDerivationPath)) {
      const drv = store.readDerivation(input);
      for (const name of drv.outputs.keys()) {
        const path = known.path(input, name, drv);
        if (path !== undefined) makers.set(path, input);
      }
    }
    const repairs = damaged.map(async (path): Promise<Outcome> => {
      this.options.observer?.note?.(`found corrupted or missing path '${path}' in the output closure of '${drvPath}'`);
      const maker = makers.get(path);
      if (maker !== undefined) return this.outputs(maker, 'all', { isTarget: false, mode: 'repair', depth: 0 });
      return (await this.fetchAnew(path)) ? undefined : new BuildFailure('misc', `cannot repair path '${path}'`);
    });
    const failures = (await Promise.all(repairs)).filter((outcome) => outcome !== undefined);
    if (failures.length === 0) return undefined;
    return new BuildFailure(
      'misc',
      `some paths in the output closure of derivation '${drvPath}' could not be repaired`,
    );
  }

  private async substituteOutputs(
    drvPath: StorePath,
    paths: readonly StorePath[],
    fetch = (path: StorePath): Promise<boolean> => this.substitute(path),
  ): Promise<boolean> {
    const fetched = await Promise.allSettled(paths.map(fetch));
    this.signal.throwIfAborted();
    const failed = fetched.find((outcome) => outcome.status === 'rejected');
    if (failed === undefined) return fetched.every((outcome) => outcome.status === 'fulfilled' && outcome.value);
    if (!(failed.reason instanceof NixError)) throw failed.reason;
    throw new BuildFailure(
      'misc',
      `some substitutes for the outputs of derivation '${drvPath}' failed (usually happens due to networking issues); try '--fallback' to build derivation from source `,
      { cause: failed.reason },
    );
  }

  private async substitute(path: StorePath): Promise<boolean> {
    if (this.store.isValidPath(path)) return true;
    const { substituter } = this.options;
    if (substituter === undefined) return false;
    let running = this.substitutions.get(path);
    if (running === undefined) {
      running = substituter.substitute(path);
      this.substitutions.set(path, running);
    }
    return running;
  }

  /** Also where the path is valid: what is there is damaged then. */
  private async fetchAnew(path: StorePath): Promise<boolean> {
    const { substituter } = this.options;
    if (!this.store.isValidPath(path)) return this.substitute(path);
    if (substituter === undefined) return false;
    let running = this.repairs.get(path);
    if (running === undefined) {
      running = substituter.repair(path);
      this.repairs.set(path, running);
    }
    return running;
  }

  private build(drvPath: StorePath, how: How): Promise<Outcome> {
    let running = this.builds.get(drvPath);
    if (running === undefined) {
      running = this.buildOnce(drvPath, how).catch((error: unknown) => {
        const outcome = this.asOutcome(error);
        if (!(outcome instanceof Cancelled)) {
          this.failures.add(outcome.kind);
          this.options.observer?.failed?.(drvPath, outcome, how.isTarget);
        }
        if (!this.options.settings.keepGoing) this.stopper.abort(new Cancelled('misc', 'another build failed'));
        return outcome;
      });
      this.builds.set(drvPath, running);
      // What was evaluated to get here is garbage by now, which V8 would leave until there is much more (bin/tsnix).
      if (this.builds.size === 200) collectGarbage();
    }
    return running;
  }

  private async buildOnce(drvPath: StorePath, how: How): Promise<Outcome> {
    const { store } = this;
    const { settings } = this.options;
    const drv = this.derivation(drvPath);
    store.addTempRoot(drvPath);
    // What it makes would be taken for what the derivation of this name makes.
    if (this.options.given?.has(drvPath) !== true && !isIntact(store, drvPath)) {
      throw new BuildFailure('misc', `derivation '${drvPath}' was modified; delete it and instantiate it again`);
    }
    const inputRoots = await this.inputs(drvPath, drv, {
      isTarget: false,
      mode: how.mode === 'repair' ? 'repair' : 'normal',
      depth: how.depth + 1,
    });
    if (shouldResolve(drv, this.resolvesFixed)) return this.buildResolved(drvPath, drv, how);
    const options = derivationOptions(drv, store.storeDir);
    const reasons = reasonsAgainst(drv, options, settings);
    const place =
      how.mode === 'normal' ? await this.options.remote?.place(drv, options, reasons === '', this.signal) : undefined;
    if (place === undefined && reasons !== '') {
      throw new BuildFailure('inputRejected', `Cannot build '${drvPath}'.${reasons}`);
    }
    const names = [...drv.outputs.keys()];
    // Who builds what has no path yet holds the lock of the derivation.
    const known = withPaths(names, (name) => staticOutputPath(drv.outputs.get(name)!));
    const lockFor = known.size === names.length ? [...known.values()] : [drvPath];
    const job = { drvPath, drv, options, inputRoots, names, lockFor, how };
    if (place !== undefined) return this.locked({ ...job, place }, Promise.resolve()).finally(() => place.release());
    // The next ones in line take their locks while others build. Not where contents decide about paths: who waits there
    // for a lock may have a slot that its holder waits for.
    const mayPrepare = [...drv.outputs.values()].every(({ kind }) => kind === 'inputAddressed');
    return this.ahead.use(how.depth, async (mayStart) => {
      await mayStart;
      this.signal.throwIfAborted();
      return this.slots.use(how.depth, async (turn) => {
        if (!mayPrepare) await turn;
        this.signal.throwIfAborted();
        return this.locked(job, turn);
      });
    });
  }

  /** Builds, under the locks of the outputs and when its turn has come, what is not there. */
  private async locked(job: LockedJob, turn: Promise<void>): Promise<Outcome> {
    const { store } = this;
    const { settings } = this.options;
    const { drvPath, drv, names, lockFor, how } = job;
    const onWait = (): void => this.options.observer?.waiting?.(`waiting for lock on ${quoteAll(lockFor)}`);
    const locks = await store.lockPaths(lockFor, { signal: this.signal, onWait });
    try {
      const finalPaths = withPaths(names, (name) => this.outputPath(drvPath, name, drv));
      const wanted = names.filter((name) => {
        const path = finalPaths.get(name);
        if (path === undefined || how.mode === 'check' || !store.isValidPath(path)) return true;
        return how.mode === 'repair' && !isIntact(store, path);
      });
      if (wanted.length === 0) return undefined;
      await turn;
      this.signal.throwIfAborted();
      const { place } = job;
      this.options.observer?.started?.(drvPath, how.mode, place?.machine.label);
      const build = (work: BuildJob): ReturnType<typeof buildDerivation> =>
        place === undefined ? buildDerivation(work) : this.options.remote!.build(place.machine, work);
      const made = await build({
        store,
        drvPath,
        drv,
        options: job.options,
        inputs: this.closures.of(job.inputRoots),
        wanted,
        finalPaths,
        mode: how.mode,
        helpers: this.helpers,
        settings,
        builtins: this.options.builtins,
        signal: this.signal,
        onLine: (line) => this.options.observer?.line?.(drvPath, line),
        onPhase: (phase) => this.options.observer?.phase?.(drvPath, phase),
        warn: (message) => this.options.observer?.warn?.(message),
        note: (message) => this.options.observer?.note?.(message),
        later: (work) => this.later(work),
      });
      if (how.mode === 'repair') this.closures.clear();
      this.record(drvPath, drv, new Map([...finalPaths, ...made]));
      this.options.observer?.finished?.(drvPath);
    } finally {
      // Also after a failure: who waits for the file sees that it is stale, and takes the next one.
      locks.release(true);
    }
    return undefined;
  }

  private later(work: Promise<void>): void {
    this.work.add(work);
    const done = (): unknown => this.work.delete(work);
    work.then(done, done);
  }

  /** The build trace; impure outputs are known to this run only. */
  private record(drvPath: StorePath, drv: Derivation, outputs: ReadonlyMap<string, StorePath>): void {
    if (isImpure(drv)) this.made.set(drvPath, outputs);
    else if (this.options.settings.experimentalFeatures.has('ca-derivations')) {
      this.store.registerRealisations(drvPath, outputs);
    }
  }

  /** Builds what a derivation becomes now that the paths of its inputs are known. */
  private async buildResolved(drvPath: StorePath, drv: Derivation, how: How): Promise<Outcome> {
    const { store } = this;
    this.requireFeature('ca-derivations');
    const resolved = resolveDerivation(drv, (chain) => this.chainPath(chain), store.storeDir);
    if (resolved === undefined) throw new BuildFailure('misc', `cannot resolve derivation '${drvPath}'`);
    const { path, text } = resolvedDerivationFile(resolved, store.storeDir);
    store.addTempRoot(path);
    store.addText(`${resolved.name}.drv`, text, resolved.inputSrcs);
    store.flush();
    const failure = await this.outputs(path, 'all', { ...how, isTarget: false });
    if (failure instanceof Cancelled) throw failure;
    if (failure !== undefined) {
      return new BuildFailure('dependencyFailed', `build of resolved derivation '${path}' failed`, { cause: failure });
    }
    const outputs = withPaths([...resolved.outputs.keys()], (name) => this.outputPath(path, name, resolved));
    this.made.set(drvPath, outputs);
    return undefined;
  }

  /** Makes the inputs valid. @throws BuildFailure where some can't be */
  private async inputs(drvPath: StorePath, drv: Derivation, how: How): Promise<StorePath[]> {
    const { store } = this;
    this.refuseImpureInputs(drvPath, drv);
    const chains = inputChains(drv);
    // Of each input all wanted outputs at once.
    const byInput = Map.groupBy(chains, ({ drvPath: input, outputs }) => `${input}!${outputs.slice(0, -1).join('!')}`);
    const waiting = [...byInput.values()].map((group) => {
      const outputs = group.map((chain) => chain.outputs.at(-1)!);
      return this.chain({ drvPath: group[0]!.drvPath, outputs: group[0]!.outputs.slice(0, -1) }, outputs, how);
    });
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
      const message = `Cannot build '${drvPath}'.\nReason: ${count} ${what} failed.${knownOutputs(outputsOf(store, { kind: 'derivation', drvPath, outputs: 'all' }))}`;
      throw new BuildFailure('dependencyFailed', message);
    }
    return [...drv.inputSrcs, ...chains.map((chain) => this.chainPath(chain)!)];
  }

  private refuseImpureInputs(drvPath: StorePath, drv: Derivation): void {
    if (!this.options.settings.experimentalFeatures.has('impure-derivations') || mayReachOut(drv)) return;
    for (const input of new Set([...drv.inputDrvs.keys(), ...(drv.dynamicInputs?.keys() ?? [])])) {
      if (isImpure(this.store.readDerivation(input))) {
        throw new BuildFailure('misc', `pure derivation '${drvPath}' depends on impure derivation '${input}'`);
      }
    }
  }
}

function quoteAll(paths: readonly string[]): string {
  return paths.map((path) => `'${path}'`).join(', ');
}
