// From "these outputs, please" to valid store paths: what is valid is left alone, what can be substituted is, the rest
// is built, inputs first, at most max-jobs at a time, each derivation once whoever asks for it. Two processes never
// build the same thing: whoever gets the locks of the outputs builds, the other finds them valid.
import { utf8 } from '../util/bytes.ts';
import { NixError } from '../util/errors.ts';
import { collectGarbage } from '../util/heap-room.ts';
import { isImpure, mayReachOut } from '../store/derivation.ts';
import type { Derivation } from '../store/derivation.ts';
import { signRealisation } from '../store/realisation.ts';
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
import type { BuildStore } from './build-store.ts';
import { reasonsAgainst } from './can-build.ts';
import { derivationOptions } from './derivation-options.ts';
import { BuildFailure } from './failure.ts';
import type { FailureKind } from './failure.ts';
import { Fetching } from './fetching.ts';
import { Cancelled, throwFailures, type Outcome } from './outcome.ts';
import { knownOutputs } from './run-program.ts';
import { BuildQueue } from './queue.ts';
import type { BuildTarget, RealiseOptions } from './realise-options.ts';
import { requireFeature } from './settings.ts';
import type { BuildMode } from './settings.ts';
import { isIntact, outputsOf, wantedNames, withPaths } from './wanted-outputs.ts';
import type { Wanted } from './wanted-outputs.ts';

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
    throwFailures(targets, outcomes, realiser.failures, options.skipCancelled);
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

class Realiser {
  readonly failures = new Set<FailureKind>();
  crash: { readonly error: unknown } | undefined;
  private readonly store: BuildStore;
  private readonly options: RealiseOptions;
  /** Outputs that this run learnt by building. */
  private readonly made = new Map<StorePath, ReadonlyMap<string, StorePath>>();
  /** Outputs asked for of derivations that are resolved first, and those of which others' traces gave only these. */
  private readonly wanted = new Map<StorePath, Set<string>>();
  private readonly partly = new Set<StorePath>();
  /** Fixed outputs are resolved too, which may save building them. */
  private readonly resolvesFixed: boolean;
  private readonly builds = new Map<StorePath, Promise<Outcome>>();
  private readonly stopper = new AbortController();
  private readonly signal: AbortSignal;
  private readonly fetching: Fetching;
  private readonly queue: BuildQueue;

  constructor(store: BuildStore, options: RealiseOptions) {
    this.store = store;
    this.options = options;
    this.resolvesFixed = options.settings.experimentalFeatures.has('ca-derivations');
    this.signal =
      options.signal === undefined ? this.stopper.signal : AbortSignal.any([options.signal, this.stopper.signal]);
    this.fetching = new Fetching(store, options.substituter, this.signal);
    this.queue = new BuildQueue(store, options, this.signal);
  }

  /** Resolves when nothing that was started is still running. */
  async settled(): Promise<void> {
    await Promise.all([...this.builds.values()]);
    await this.queue.settled();
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
    if (this.store.isValidPath(path) || (await this.fetching.substitute(path))) return undefined;
    return new BuildFailure('misc', `path '${path}' is required, but there is no substituter that can build it`);
  }

  /** Fetches a path anew, whatever is there. */
  private async repairPath(path: StorePath, rebuild = false): Promise<Outcome> {
    const { store } = this;
    try {
      if (await this.fetching.fetchAnew(path)) return undefined;
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
      requireFeature(this.options.settings, 'dynamic-derivations');
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

  /** @throws whatever is no build's failure */
  private async outputs(drvPath: StorePath, outputs: Wanted, how: How): Promise<Outcome> {
    const { store } = this;
    const isGiven = this.options.given?.has(drvPath) === true;
    if (!isGiven && !store.isValidPath(drvPath)) await this.fetching.substitute(drvPath);
    const drv = this.derivation(drvPath);
    const names = wantedNames(drvPath, drv, outputs);
    if (isImpure(drv)) {
      requireFeature(this.options.settings, 'impure-derivations');
      return this.build(drvPath, how);
    }
    for (const { kind } of drv.outputs.values()) {
      if (kind === 'floating' || kind === 'deferred') requireFeature(this.options.settings, 'ca-derivations');
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
        if (await this.fetching.outputs(drvPath, paths)) return undefined;
      }
      if (!complete && (await this.fetchTraced(drvPath, drv, names))) return undefined;
    }
    if (how.mode === 'repair' && complete && (await this.repairOutputs(drvPath, drv, paths))) {
      return this.repairClosure(drvPath, paths);
    }
    if (!shouldResolve(drv, this.resolvesFixed)) return this.build(drvPath, how);
    const wanted = this.wanted.get(drvPath) ?? new Set();
    for (const name of names) wanted.add(name);
    this.wanted.set(drvPath, wanted);
    const outcome = await this.build(drvPath, how);
    if (outcome !== undefined || !this.partly.has(drvPath)) return outcome;
    const found = withPaths(names, (name) => this.outputPath(drvPath, name, drv));
    if (found.size === names.length && [...found.values()].every((path) => store.isValidPath(path))) return undefined;
    // Fetched for others, who wanted less.
    this.builds.delete(drvPath);
    return this.build(drvPath, how);
  }

  /** Fetches outputs of which others' build traces tell the paths; false where some have to be built. */
  private async fetchTraced(drvPath: StorePath, drv: Derivation, names: readonly string[]): Promise<boolean> {
    const { store } = this;
    const { substituter } = this.options;
    if (substituter?.buildTrace === undefined || shouldResolve(drv, this.resolvesFixed)) return false;
    if (!derivationOptions(drv, store.storeDir).allowSubstitutes) return false;
    const known = withPaths(names, (name) => this.outputPath(drvPath, name, drv));
    const unknown = names.filter((name) => !known.has(name));
    const traced = [...(await substituter.buildTrace(drvPath, unknown)).values()];
    if (traced.length < unknown.length) return false;
    const paths = [...known.values(), ...traced.map(({ outPath }) => outPath)];
    if (!(await this.fetching.outputs(drvPath, paths))) return false;
    store.registerRealisations(traced);
    return true;
  }

  /** Fetches those outputs that are missing or damaged; false where some have to be built. */
  private async repairOutputs(drvPath: StorePath, drv: Derivation, paths: readonly StorePath[]): Promise<boolean> {
    const { store } = this;
    const damaged = paths.filter((path) => !isIntact(store, path));
    if (damaged.length === 0) return true;
    const mayFetch = this.options.substituter !== undefined && derivationOptions(drv, store.storeDir).allowSubstitutes;
    return mayFetch && (await this.fetching.outputs(drvPath, damaged, 'fetchAnew'));
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
      return (await this.fetching.fetchAnew(path))
        ? undefined
        : new BuildFailure('misc', `cannot repair path '${path}'`);
    });
    const failures = (await Promise.all(repairs)).filter((outcome) => outcome !== undefined);
    if (failures.length === 0) return undefined;
    return new BuildFailure(
      'misc',
      `some paths in the output closure of derivation '${drvPath}' could not be repaired`,
    );
  }

  private build(drvPath: StorePath, how: How): Promise<Outcome> {
    let running = this.builds.get(drvPath);
    if (running === undefined) {
      running = this.buildOnce(drvPath, how)
        .catch((error: unknown) => {
          const outcome = this.asOutcome(error);
          if (!(outcome instanceof Cancelled)) {
            this.failures.add(outcome.kind);
            this.options.observer?.failed?.(drvPath, outcome, how.isTarget);
          }
          this.stopOthers();
          return outcome;
        })
        .finally(this.queue.expect());
      this.builds.set(drvPath, running);
      // What was evaluated to get here is garbage by now, which V8 would leave until there is much more (bin/tsnix).
      if (this.builds.size === 1000) collectGarbage();
    }
    return running;
  }

  /** After a failure. */
  private stopOthers(): void {
    if (!this.options.settings.keepGoing) this.stopper.abort(new Cancelled('misc', 'another build failed'));
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
    const options = derivationOptions(drv, store.storeDir, (message) => this.options.observer?.warn?.(message));
    const reasons = reasonsAgainst(drv, options, settings);
    const place =
      how.mode === 'normal' ? await this.options.remote?.place(drv, options, reasons === '', this.signal) : undefined;
    if (place === undefined && reasons !== '') {
      throw new BuildFailure('inputRejected', `Cannot build '${drvPath}'.${reasons}`);
    }
    await this.queue
      .build({
        drvPath,
        drv,
        options,
        inputRoots,
        mode: how.mode,
        depth: how.depth,
        place,
        outputPath: (name) => this.outputPath(drvPath, name, drv),
        built: (outputs) => this.record(drvPath, drv, outputs),
        failed: (error) => {
          if (error instanceof BuildFailure) this.stopOthers();
        },
      })
      .finally(() => place?.release());
    return undefined;
  }

  /** The build trace; impure outputs are known to this run only. */
  private record(drvPath: StorePath, drv: Derivation, outputs: ReadonlyMap<string, StorePath>): void {
    if (isImpure(drv)) this.made.set(drvPath, outputs);
    else if (this.options.settings.experimentalFeatures.has('ca-derivations')) {
      const keys = this.options.settings.secretKeys();
      const made = [...outputs].map(([output, outPath]) => ({ drvPath, output, outPath, signatures: [] }));
      this.store.registerRealisations(made.map((realisation) => signRealisation(realisation, keys)));
    }
  }

  /** Builds what a derivation becomes now that the paths of its inputs are known. */
  private async buildResolved(drvPath: StorePath, drv: Derivation, how: How): Promise<Outcome> {
    const { store } = this;
    requireFeature(this.options.settings, 'ca-derivations');
    const resolved = resolveDerivation(drv, (chain) => this.chainPath(chain), store.storeDir);
    if (resolved === undefined) throw new BuildFailure('misc', `cannot resolve derivation '${drvPath}'`);
    const { path, text } = resolvedDerivationFile(resolved, store.storeDir);
    store.addTempRoot(path);
    store.addText(`${resolved.name}.drv`, text, resolved.inputSrcs);
    store.flush();
    const wanted = [...(this.wanted.get(drvPath) ?? resolved.outputs.keys())];
    if (how.mode === 'normal' && (await this.fetchTraced(path, resolved, wanted))) this.partly.add(drvPath);
    else {
      const failure = await this.outputs(path, 'all', { ...how, isTarget: false });
      if (failure instanceof Cancelled) throw failure;
      if (failure !== undefined) {
        const cause = { cause: failure };
        return new BuildFailure('dependencyFailed', `build of resolved derivation '${path}' failed`, cause);
      }
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
    const sources = await Promise.all(
      drv.inputSrcs.map(async (path) => [path, await this.fetching.substitute(path)] as const),
    );
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
