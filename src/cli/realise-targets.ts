// Building for a command: plan, say what will be done, build with progress and Ctrl-C.
import type { BuiltinBuilder } from '../build/builtin-builder.ts';
import { realise } from '../build/goals.ts';
import type { BuildTarget } from '../build/realise-options.ts';
import type { BuildStore } from '../build/build-store.ts';
import { planRealisation, type RealisationPlan } from '../build/plan.ts';
import type { RemoteBuilding } from '../build/remote/remote-building.ts';
import { BuildFailure } from '../build/failure.ts';
import type { BuildSettings } from '../build/settings.ts';
import type { Derivation } from '../store/derivation.ts';
import { LocalStore } from '../store/local-store.ts';
import { DaemonStore } from '../store/daemon/daemon-store.ts';
import { planByDaemon, realiseByDaemon } from '../build/daemon-build.ts';
import { storePathName } from '../store/store-path.ts';
import type { StorePath, SyncStore } from '../store/store.ts';
import { activityType, startActivity, verbosity } from '../util/activity.ts';
import { compareBytes, utf8 } from '../util/bytes.ts';
import { StoreError } from '../util/errors.ts';
import { PosTable } from '../util/positions.ts';
import { renderSize } from '../util/render-size.ts';
import { buildSettings } from './build-settings.ts';
import type { Config } from './config.ts';
import { Interrupted } from './interrupted.ts';
import { BuildActivities } from './log/build-activities.ts';
import { showActivities } from './log/formats.ts';
import { say } from './output.ts';
import { sayError } from './say-error.ts';
import { makeSubstituter } from './substituters.ts';

export interface RealiseTargetsOptions {
  readonly config: Config;
  readonly store: SyncStore;
  readonly logs: boolean;
  /** Only what builders print is shown. */
  readonly quiet: boolean;
  /** Nothing of it is the user's business. */
  readonly hidden?: boolean;
  readonly dryRun: boolean;
  /** Say first what is to be built. */
  readonly announce: boolean;
  /** End like an interrupted command when the process that started this one ends. */
  readonly dieWithParent?: boolean;
  /** Logs without the names of their derivations, as nix-build shows them. */
  readonly plainLogs?: boolean;
  readonly check: boolean;
  readonly repair?: boolean;
  /** `named`: not from the caches that nobody named (the targets come from the embedded package set). */
  readonly substitute?: 'any' | 'named' | 'none';
  /** Told what will be done, before it is. */
  readonly planned?: (plan: RealisationPlan) => void;
  /** Derivations that are not in the store: a peer has told them. */
  readonly given?: ReadonlyMap<StorePath, Derivation>;
  /** The program shown as /bin/sh in sandboxes; asked for only where something is to be built. */
  readonly shell: () => Promise<BuildSettings['shell']>;
}

/** Of all builders in TypeScript. Most programs need none, and loading them takes longer than a small build. */
async function builtinBuilder(name: string): Promise<BuiltinBuilder | undefined> {
  const { builtinBuilders } = await import('../build/builtin/index.ts');
  return builtinBuilders.get(name) ?? (await import('../docker/builders.ts')).dockerBuilders.get(name);
}

/** A store that can build. @throws StoreError */
export function asBuildStore(store: SyncStore): BuildStore {
  if (store instanceof LocalStore) return store;
  throw new StoreError(`store '${store.uri}' can't build`);
}

/** A store that keeps derivations. @throws StoreError */
export function asDerivationStore(store: SyncStore): LocalStore | DaemonStore {
  if (store instanceof LocalStore || store instanceof DaemonStore) return store;
  throw new StoreError(`store '${store.uri}' keeps no derivations`);
}

/**
 * Makes targets valid, saying what happens.
 * @returns output paths of each target; null for a dry run
 * @throws BuildFailure
 */
export async function realiseTargets(
  targets: readonly BuildTarget[],
  options: RealiseTargetsOptions,
): Promise<ReadonlyMap<string, StorePath>[] | null> {
  const { config } = options;
  const daemon = options.store instanceof DaemonStore ? options.store : undefined;
  const local = daemon === undefined ? asBuildStore(options.store) : undefined;
  const abort = new AbortController();
  const stop = (signal: NodeJS.Signals): void => {
    abort.abort(new Interrupted(signal));
  };
  const signals: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP'];
  for (const signal of signals) process.on(signal, stop);
  const parent = process.ppid;
  const watch =
    options.dieWithParent === true ? setInterval(() => process.ppid === parent || stop('SIGTERM'), 200) : undefined;
  const shown = showActivities({
    config,
    logs: options.logs,
    plain: options.plainLogs ?? false,
    quiet: options.quiet,
    hidden: options.hidden ?? false,
  });
  const { log } = shown;
  const sayFailure = (error: BuildFailure): void => sayError(error, { positions: new PosTable(), showTrace: false });
  // A daemon tells all of it by itself.
  const activities =
    local === undefined
      ? undefined
      : new BuildActivities({ log, verbosity: shown.verbosity, destination: local.uri, sayFailure });
  const substituter =
    options.substitute === 'none' || local === undefined
      ? undefined
      : makeSubstituter({
          config,
          store: local,
          signal: abort.signal,
          embedded: options.substitute === 'named',
          observer: activities!,
        });
  try {
    const querying = startActivity(log, activityType.unknown, {
      level: verbosity.debug,
      text: 'querying info about missing paths',
    });
    const plan =
      local === undefined
        ? planByDaemon(daemon!, targets)
        : await planRealisation(local, targets, substituter, options.given);
    log.stop(querying);
    options.planned?.(plan);
    // As in Nix, on a terminal the bar tells how much there is to do; our own command lists it all the same.
    const tellsPlan = options.dryRun || !config.nixCommand || shown.verbosity >= verbosity.info;
    if (config.bool('print-missing') && options.announce && !options.quiet && tellsPlan) sayPlan(plan);
    if (options.dryRun) return null;
    activities?.planned(plan);
    const mode = options.check ? 'check' : options.repair === true ? 'repair' : 'normal';
    if (local === undefined) {
      return await realiseByDaemon(daemon!, targets, { mode, log, signal: abort.signal });
    }
    const shell =
      plan.willBuild.length > 0 || options.check || options.repair === true ? await options.shell() : undefined;
    const remote = await remoteBuildingOf(config, local.storeDir);
    return await realise(local, targets, {
      settings: {
        ...buildSettings(config, shell),
        logCommand: logCommand(config, options.plainLogs ?? false),
        ...(shown.showsLogs ? { logLines: 0 } : {}),
        ...(local.systemFeatures === undefined ? {} : { systemFeatures: local.systemFeatures }),
      },
      builtins: builtinBuilder,
      skipCancelled: config.nixCommand,
      observer: activities!,
      signal: abort.signal,
      mode,
      ...(remote === undefined ? {} : { remote }),
      ...(options.given === undefined ? {} : { given: options.given }),
      ...(substituter === undefined ? {} : { substituter }),
    });
  } catch (error) {
    if (error instanceof BuildFailure) for (const part of error.parts) sayFailure(part);
    throw error;
  } finally {
    await substituter?.close();
    activities?.end();
    shown.end();
    clearInterval(watch);
    for (const signal of signals) process.removeListener(signal, stop);
  }
}

/** Shows a log: what an error points to. */
function logCommand(config: Config, legacy: boolean): string {
  if (config.nixCommand) return 'nix log';
  if (legacy) return config.experimentalFeatures.has('nix-command') ? 'nix log' : 'nix-store -l';
  return config.flagged('store') ? `tsnix log --store '${utf8(config.string('store'))}'` : 'tsnix log';
}

/** undefined where the settings name no other machine. @throws StoreError */
async function remoteBuildingOf(config: Config, storeDir: string): Promise<RemoteBuilding | undefined> {
  const { buildMachines, remoteBuilding } = await import('./remote-building.ts');
  const machines = buildMachines(config);
  return machines.length === 0 ? undefined : remoteBuilding(config, machines, storeDir);
}

function sayPlan(plan: RealisationPlan): void {
  const list = (one: string, many: string, paths: readonly StorePath[]): void => {
    if (paths.length === 0) return;
    say(paths.length === 1 ? one : many);
    for (const path of paths) say(`  ${path}`);
  };
  const n = plan.willBuild.length;
  list('this derivation will be built:', `these ${n} derivations will be built:`, plan.willBuild);
  const sizes = `(${renderSize(plan.downloadSize)} download, ${renderSize(plan.narSize)} unpacked)`;
  list(
    `this path will be fetched ${sizes}:`,
    `these ${plan.willSubstitute.length} paths will be fetched ${sizes}:`,
    plan.willSubstitute.toSorted((a, b) => compareBytes(storePathName(a), storePathName(b)) || compareBytes(a, b)),
  );
  list("don't know how to build these paths:", "don't know how to build these paths:", plan.unknown);
}
