// Building by a Nix daemon: it plans, fetches and builds; we say what is wanted and show what it tells.
import type { DaemonBuildResult, DaemonStore } from '../store/daemon/daemon-store.ts';
import type { StorePath } from '../store/store.ts';
import { verbosity, type ActivityLog } from '../util/activity.ts';
import { NixError, NotImplementedError } from '../util/errors.ts';
import type { BuildTarget } from './realise-options.ts';
import { BuildFailure, exitStatusOf } from './failure.ts';
import { failureKind } from './failure-numbers.ts';
import type { RealisationPlan } from './plan.ts';

/** As the protocol writes it. */
function printTarget(target: BuildTarget): string {
  if (target.kind === 'path') return target.path;
  if (target.through !== undefined && target.through.length > 0) {
    throw new NotImplementedError('outputs of dynamic derivations can not be built by a Nix daemon yet');
  }
  return `${target.drvPath}!${target.outputs === 'all' ? '*' : target.outputs.join(',')}`;
}

/** What the daemon would do. */
export function planByDaemon(store: DaemonStore, targets: readonly BuildTarget[]): RealisationPlan {
  return store.queryMissing(targets.map(printTarget));
}

export interface DaemonRealiseOptions {
  readonly mode: 'normal' | 'repair' | 'check';
  readonly log: ActivityLog;
  readonly signal?: AbortSignal;
}

/** As realise(). @throws BuildFailure, or the signal's reason */
export async function realiseByDaemon(
  store: DaemonStore,
  targets: readonly BuildTarget[],
  options: DaemonRealiseOptions,
): Promise<ReadonlyMap<string, StorePath>[]> {
  const { mode, log, signal } = options;
  let results: DaemonBuildResult[];
  try {
    results = await store.buildPaths(
      targets.map(printTarget),
      mode,
      {
        message: (text) => log.message(verbosity.error, text),
        start: (activity) => log.start(activity),
        stop: (id) => log.stop(id),
        result: (id, type, fields) => log.result(id, type, fields),
      },
      signal,
    );
  } catch (error) {
    signal?.throwIfAborted();
    if (!(error instanceof NixError)) throw error;
    throw new BuildFailure('misc', error.message, { cause: error });
  }
  const failures = results.flatMap((result) => {
    const kind = failureKind(result);
    return kind === undefined ? [] : [{ result, error: new BuildFailure(kind, result.message) }];
  });
  const [first, ...more] = failures;
  if (first !== undefined) {
    const names = [...new Set(failures.map(({ result }) => `'${result.target.replace('!', '^')}'`))];
    const parts = failures.map(({ error }) => error);
    const error =
      more.length === 0
        ? first.error
        : new BuildFailure(first.error.kind, `build of ${names.join(', ')} failed`, { parts });
    error.exitStatus = exitStatusOf(parts.map(({ kind }) => kind));
    throw error;
  }
  return targets.map((target) => {
    if (target.kind === 'path') return new Map([['out', target.path]]);
    const outputs = store.derivationOutputs(target.drvPath);
    if (target.outputs === 'all') return outputs;
    return new Map(
      target.outputs.map((name) => {
        const path = outputs.get(name);
        if (path !== undefined) return [name, path];
        throw new BuildFailure('misc', `derivation '${target.drvPath}' does not have wanted outputs '${name}'`);
      }),
    );
  });
}
