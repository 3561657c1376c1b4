// One derivation from its input closure to registered outputs. Whoever calls this holds the locks of the output paths
// and knows that the inputs are valid; goals.ts sees to both.
import { statSync, statfsSync } from 'node:fs';
import { verbosity } from '../util/activity.ts';
import { fsPath } from '../util/bytes.ts';
import { deletePath } from '../store/delete-path.ts';
import { mayReachOut, outputPathName } from '../store/derivation.ts';
import type { Derivation } from '../store/derivation.ts';
import { baseName, hashPart, makeStorePath, storePathName } from '../store/store-path.ts';
import type { StorePath } from '../store/store.ts';
import { BuildLog, LogFile } from './build-log.ts';
import type { BuildStore } from './build-store.ts';
import type { BuiltinBuilders } from './builtin-builder.ts';
import type { DerivationOptions } from './derivation-options.ts';
import { builderEnvironment } from './environment.ts';
import type { BuilderEnvironment } from './environment.ts';
import { BuildFailure } from './failure.ts';
import { acquireHostIds, releaseHostIds } from './host-ids.ts';
import { runDiffHook } from './hooks.ts';
import type { HostIds } from './host-ids.ts';
import { registerOutputs } from './register.ts';
import type { BuildResources } from './resources.ts';
import { runBuiltin } from './run-builtin.ts';
import { NoSandbox, runProgram } from './run-program.ts';
import { buildCores } from './settings.ts';
import type { BuildMode, BuildSettings } from './settings.ts';
import { openSpace, sandboxSpace } from './work-space.ts';
import type { WorkSpace } from './work-space.ts';

export interface BuildJob {
  readonly store: BuildStore;
  readonly drvPath: StorePath;
  readonly drv: Derivation;
  readonly options: DerivationOptions;
  /** The closure of outputs of input derivations and input sources; all valid. */
  readonly inputs: ReadonlySet<StorePath>;
  /** Outputs to make: those that are not valid; in mode check all. */
  readonly wanted: readonly string[];
  /** Paths of outputs, as far as they are known: not those of content-addressed ones, unless built before. */
  readonly finalPaths: ReadonlyMap<string, StorePath>;
  readonly mode: BuildMode;
  readonly resources: BuildResources;
  /** Others wait. */
  more(): boolean;
  readonly settings: BuildSettings;
  readonly builtins: BuiltinBuilders;
  readonly signal: AbortSignal;
  onLine(line: string): void;
  onPhase?(phase: string): void;
  warn(message: string): void;
  note(message: string): void;
  /** @param level from `verbosity`: who wants to know less is not told */
  tell(level: number, message: string): void;
  /** Work that may end after the build (compressing the log) and that the process must wait for. */
  later(work: Promise<void>): void;
}

/** What every step of one build knows. */
export interface BuildContext extends BuildJob {
  readonly space: WorkSpace;
  readonly log: BuildLog;
  readonly logFile: LogFile | undefined;
  readonly scratchPaths: ReadonlyMap<string, StorePath>;
  readonly ids: HostIds | undefined;
  readonly environment: BuilderEnvironment;
}

/**
 * @returns where the wanted outputs lie
 * @throws BuildFailure, or the signal's reason
 */
export async function buildDerivation(job: BuildJob): Promise<ReadonlyMap<string, StorePath>> {
  job.signal.throwIfAborted();
  const sandboxed = wantsSandbox(job);
  try {
    return await attempt(job, sandboxed);
  } catch (error) {
    if (!(error instanceof NoSandbox)) throw error;
    if (job.store.realStoreDir !== job.store.storeDir || !job.settings.sandboxFallback)
      throw error.explained(job.store);
    job.warn(`building without a sandbox: ${error.reasons.join('; ')}`);
    return await attempt(job, false);
  }
}

function wantsSandbox(job: BuildJob): boolean {
  if (job.drv.builder.startsWith('builtin:')) return true; // they touch nothing but the directory they are given
  const { settings, store, options } = job;
  if (settings.sandbox === 'true' && options.noChroot) {
    throw new BuildFailure(
      'misc',
      `derivation '${job.drvPath}' has '__noChroot' set, but that's not allowed when 'sandbox' is 'true'`,
    );
  }
  if (store.realStoreDir !== store.storeDir) return true;
  if (settings.backend === 'none' || settings.sandbox === 'false') return false;
  return settings.sandbox === 'true' || !(mayReachOut(job.drv) || options.noChroot);
}

async function attempt(job: BuildJob, sandboxed: boolean): Promise<ReadonlyMap<string, StorePath>> {
  const { store, drv, settings, finalPaths } = job;
  const builtin = drv.builder.startsWith('builtin:');
  const ids = builtin ? undefined : builderIds(store, sandboxed);
  const scratchPaths = scratchOutputs(job, sandboxed);
  let space: WorkSpace | undefined;
  let failed = true;
  let logFile: LogFile | undefined;
  const log = new BuildLog({
    tailLines: settings.logLines,
    onLine: (line) => job.onLine(line),
    onBadMessage: (problem) => job.warn(problem),
    onMessage: (level, text) => job.tell(level, text),
    ...(job.onPhase === undefined ? {} : { onPhase: (phase: string) => job.onPhase?.(phase) }),
  });
  try {
    space = sandboxed ? sandboxSpace(store, job.drvPath, ids) : openSpace(store, ids, settings.buildDir);
    const environment = builderEnvironment({
      drv,
      options: job.options,
      store,
      inputs: job.inputs,
      buildTop: sandboxed && !builtin ? settings.sandboxBuildDir : space.buildDir,
      cores: buildCores(settings),
      outputPaths: scratchPaths,
      rewrites: hashRewrites(finalPaths, scratchPaths),
      callerEnv: settings.callerEnv,
    });
    if (settings.keepLog) logFile = new LogFile(store.logDir, job.drvPath);
    const context: BuildContext = {
      ...job,
      space,
      log,
      logFile,
      scratchPaths,
      ids,
      environment,
    };
    job.tell(verbosity.chatty, `executing builder '${drv.builder}'`);
    let filtered = true;
    if (builtin) await runBuiltin(context);
    else filtered = await runProgram(context, sandboxed);
    const made = await registerOutputs({
      store,
      drvPath: job.drvPath,
      drv,
      options: job.options,
      wanted: job.wanted,
      finalPaths,
      scratchPaths,
      outputsDir: space.outputsDir,
      inputs: job.inputs,
      ...(ids === undefined ? {} : { owner: ids.uid }),
      filtered,
      reachedOut: !builtin && (!sandboxed || mayReachOut(drv)),
      mode: job.mode,
      keepFailed: settings.keepFailed,
      secretKeys: settings.secretKeys(),
      ...(settings.diffHook === undefined
        ? {}
        : { diff: (args: readonly string[]) => job.note(runDiffHook(settings.diffHook!, args, ids)) }),
    });
    failed = false;
    return made;
  } catch (error) {
    if (
      space !== undefined &&
      error instanceof BuildFailure &&
      error.kind !== 'dependencyFailed' &&
      diskIsFull(job, space)
    ) {
      error.message += '\nnote: build failure may have been caused by lack of free disk space';
    }
    throw error;
  } finally {
    if (logFile !== undefined) job.later(logFile.close(settings.compressLog));
    if (!sandboxed) removeScratch(job, scratchPaths);
    const { kept, done } = space?.remove(failed && settings.keepFailed && !builtin) ?? {};
    if (done !== undefined) job.later(done);
    if (kept !== undefined) job.note(`note: keeping build directory "${kept}"`);
    if (ids !== undefined) releaseHostIds(ids);
  }
}

/**
 * Paths that the builder writes to: the final ones, but others where they are not known, or where, without a sandbox, a
 * valid object already lies there.
 */
function scratchOutputs(job: BuildJob, sandboxed: boolean): Map<string, StorePath> {
  const scratch = new Map<string, StorePath>();
  for (const [name, { kind }] of job.drv.outputs) {
    const final = kind === 'floating' || kind === 'impure' ? undefined : job.finalPaths.get(name)!;
    const chosen =
      final === undefined
        ? unforeseenPath(job, name)
        : !sandboxed && job.store.isValidPath(final)
          ? fallbackPath(job, final)
          : final;
    scratch.set(name, chosen);
    if (!sandboxed) deletePath(job.store.realPath(chosen));
  }
  return scratch;
}

/** For an output whose path its contents decide. */
function unforeseenPath(job: BuildJob, output: string): StorePath {
  const type = `rewrite:${baseName(job.drvPath)}:name:${output}`;
  return makeStorePath(type, new Uint8Array(32), outputPathName(job.drv.name, output), job.store.storeDir);
}

/** A path that no other derivation has, of the same length. */
function fallbackPath(job: BuildJob, path: StorePath): StorePath {
  const type = `rewrite:${baseName(job.drvPath)}:${baseName(path)}`;
  return makeStorePath(type, new Uint8Array(32), storePathName(path), job.store.storeDir);
}

function hashRewrites(
  finalPaths: ReadonlyMap<string, StorePath>,
  scratchPaths: ReadonlyMap<string, StorePath>,
): Map<string, string> {
  const rewrites = new Map<string, string>();
  for (const [name, path] of finalPaths) {
    const scratch = scratchPaths.get(name)!;
    if (scratch !== path) rewrites.set(hashPart(path), hashPart(scratch));
  }
  return rewrites;
}

/** Whatever lies in the store and did not become valid. */
function removeScratch(job: BuildJob, scratchPaths: ReadonlyMap<string, StorePath>): void {
  for (const path of scratchPaths.values()) {
    if (!job.store.isValidPath(path)) deletePath(job.store.realPath(path));
  }
}

/** Ids for the builder, as root. Outside of a sandbox it must be able to write to the store directory. */
function builderIds(store: BuildStore, sandboxed: boolean): HostIds | undefined {
  if (process.getuid?.() !== 0) return undefined;
  if (sandboxed) return acquireHostIds(store.stateDir);
  const directory = statSync(fsPath(store.realStoreDir));
  if (directory.gid === 0 || (directory.mode & 0o020) === 0) return undefined;
  const ids = acquireHostIds(store.stateDir);
  return ids === undefined ? undefined : { ...ids, gid: directory.gid };
}

function diskIsFull(job: BuildJob, space: WorkSpace): boolean {
  const required = 8 * 1024 * 1024;
  for (const path of [job.store.realStoreDir, space.buildDir]) {
    try {
      const stat = statfsSync(fsPath(path));
      if (stat.bavail * stat.bsize < required) return true;
    } catch {
      // gone: nothing to say about it
    }
  }
  return false;
}
