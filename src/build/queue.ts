// Derivations that can be built now, their inputs being valid: at most max-jobs at a time, what most waits for first,
// each under the locks of its outputs, so that no two processes build the same thing.
import { staticOutputPath } from '../store/derivation.ts';
import type { Derivation } from '../store/derivation.ts';
import type { StorePath } from '../store/store.ts';
import { buildDerivation, type BuildJob } from './build-derivation.ts';
import type { BuildStore } from './build-store.ts';
import { Closures } from './closures.ts';
import { runPostBuildHook } from './hooks.ts';
import type { DerivationOptions } from './derivation-options.ts';
import type { RealiseOptions } from './realise-options.ts';
import type { Place } from './remote/remote-builders.ts';
import { BuildResources } from './resources.ts';
import type { BuildMode } from './settings.ts';
import { Slots } from './slots.ts';
import { isIntact, withPaths } from './wanted-outputs.ts';

export interface QueuedBuild {
  readonly drvPath: StorePath;
  readonly drv: Derivation;
  readonly options: DerivationOptions;
  /** Outputs of input derivations and sources. */
  readonly inputRoots: readonly StorePath[];
  readonly mode: BuildMode;
  /** How many derivations wait for it, one for the other. */
  readonly depth: number;
  /** On another machine, which has a place of its own. */
  readonly place: Place | undefined;
  /** What is known of an output by now. */
  outputPath(name: string): StorePath | undefined;
  /** Told while the locks are held: all that is known of outputs now. */
  built(outputs: ReadonlyMap<string, StorePath>): void;
  /** Told before another gets its turn. */
  failed(error: unknown): void;
}

export class BuildQueue {
  private readonly store: BuildStore;
  private readonly options: RealiseOptions;
  private readonly signal: AbortSignal;
  private readonly slots: Slots;
  /** For those that have their locks: one more than can build. */
  private readonly ahead: Slots;
  private readonly closures: Closures;
  private readonly resources: BuildResources;
  private readonly work = new Set<Promise<void>>();
  /** Builds that wait, for inputs or their turn, or go on. */
  private expected = 0;
  private running = 0;

  constructor(store: BuildStore, options: RealiseOptions, signal: AbortSignal) {
    this.store = store;
    this.options = options;
    this.signal = signal;
    this.closures = new Closures(store);
    this.resources = new BuildResources(store);
    const jobs = Math.max(1, options.settings.maxJobs);
    this.slots = new Slots(jobs);
    this.ahead = new Slots(jobs + 1);
  }

  /** Settles when nothing that builds began is still going on. All of them have ended. */
  async settled(): Promise<void> {
    await Promise.all(this.work);
    await this.resources.close();
  }

  /** Until the returned function is called, another build is to be reckoned with. */
  expect(): () => void {
    this.expected++;
    return () => this.expected--;
  }

  /**
   * Builds what is not there when its turn has come.
   * @throws BuildFailure, or the signal's reason
   */
  build(job: QueuedBuild): Promise<void> {
    if (job.place !== undefined) return this.locked(job, Promise.resolve());
    // The next ones in line take their locks while others build. Not where contents decide about paths: who waits there
    // for a lock may have a slot that its holder waits for.
    const mayPrepare = [...job.drv.outputs.values()].every(({ kind }) => kind === 'inputAddressed');
    return this.ahead.use(job.depth, async (mayStart) => {
      await mayStart;
      this.signal.throwIfAborted();
      return this.slots.use(job.depth, async (turn) => {
        if (!mayPrepare) await turn;
        this.signal.throwIfAborted();
        return this.locked(job, turn);
      });
    });
  }

  private async locked(job: QueuedBuild, turn: Promise<void>): Promise<void> {
    const { store } = this;
    const { drvPath, drv, mode } = job;
    const { observer } = this.options;
    const names = [...drv.outputs.keys()];
    // Who builds what has no path yet holds the lock of the derivation.
    const known = withPaths(names, (name) => staticOutputPath(drv.outputs.get(name)!));
    const lockFor = known.size === names.length ? [...known.values()] : [drvPath];
    let waited: (() => void) | undefined;
    const onWait = (): void => {
      waited ??= observer?.waiting?.(`waiting for lock on ${quoteAll(lockFor)}`);
    };
    const locks = await store.lockPaths(lockFor, { signal: this.signal, onWait }).finally(() => waited?.());
    try {
      const finalPaths = withPaths(names, (name) => job.outputPath(name));
      const wanted = names.filter((name) => {
        const path = finalPaths.get(name);
        if (path === undefined || mode === 'check' || !store.isValidPath(path)) return true;
        return mode === 'repair' && !isIntact(store, path);
      });
      if (wanted.length === 0) return;
      await turn;
      this.signal.throwIfAborted();
      const { place } = job;
      observer?.started?.(drvPath, mode, place?.machine.label);
      const work = this.jobOf(job, wanted, finalPaths);
      const made = await (place === undefined ? this.here(work) : this.options.remote!.build(place.machine, work));
      if (mode === 'repair') {
        this.closures.clear();
        this.resources.forgetPaths();
      }
      job.built(new Map([...finalPaths, ...made]));
      const { postBuildHook, callerEnv } = work.settings;
      if (postBuildHook !== undefined) {
        const paths = [...made.values()].sort();
        observer?.hookStarted?.(drvPath, postBuildHook);
        const onLine = (line: string): void => observer?.hookLine?.(drvPath, line);
        await runPostBuildHook(postBuildHook, drvPath, paths, callerEnv, onLine);
        observer?.hookEnded?.(drvPath);
      }
      observer?.finished?.(drvPath);
    } catch (error) {
      job.failed(error);
      throw error;
    } finally {
      // Also after a failure: who waits for the file sees that it is stale, and takes the next one.
      locks.release(true);
    }
  }

  private async here(work: BuildJob): ReturnType<typeof buildDerivation> {
    this.running++;
    try {
      return await buildDerivation(work);
    } finally {
      this.running--;
    }
  }

  private jobOf(
    { drvPath, drv, options, inputRoots, mode }: QueuedBuild,
    wanted: readonly string[],
    finalPaths: ReadonlyMap<string, StorePath>,
  ): BuildJob {
    const { observer, settings, builtins } = this.options;
    return {
      store: this.store,
      drvPath,
      drv,
      options,
      inputs: this.closures.of(inputRoots),
      wanted,
      finalPaths,
      mode,
      resources: this.resources,
      more: () => this.expected > this.running,
      settings,
      builtins,
      signal: this.signal,
      onLine: (line) => observer?.line?.(drvPath, line),
      onPhase: (phase) => observer?.phase?.(drvPath, phase),
      warn: (message) => observer?.warn?.(message),
      note: (message) => observer?.note?.(message),
      tell: (level, message) => observer?.tell?.(level, message),
      later: (work) => this.later(work),
    };
  }

  private later(work: Promise<void>): void {
    this.work.add(work);
    const done = (): unknown => this.work.delete(work);
    work.then(done, done);
  }
}

function quoteAll(paths: readonly string[]): string {
  return paths.map((path) => `'${path}'`).join(', ');
}
