// How targets ended, and the one error that is made of it.
import { BuildFailure, exitStatusOf } from './failure.ts';
import type { FailureKind } from './failure.ts';
import type { BuildTarget } from './realise-options.ts';

/** undefined: well. */
export type Outcome = BuildFailure | undefined;

/** @throws BuildFailure where a target failed, with the exit status that it is to have */
export function throwFailures(
  targets: readonly BuildTarget[],
  outcomes: readonly Outcome[],
  kinds: ReadonlySet<FailureKind>,
  skipCancelled = false,
): void {
  const failed = targets.filter((_, index) => outcomes[index] !== undefined);
  if (failed.length === 0) return;
  const own = targets.filter((_, index) => outcomes[index] !== undefined && !(outcomes[index] instanceof Cancelled));
  const named = skipCancelled && own.length > 0 ? own : failed;
  const first =
    outcomes.find((outcome) => outcome !== undefined && !(outcome instanceof Cancelled)) ??
    outcomes.find((outcome) => outcome !== undefined)!;
  const names = [...new Set(named.map(targetName))].map((name) => `'${name}'`);
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
  const through = (target.through ?? []).map((output) => `^${output}`).join('');
  return `${target.drvPath}${through}^${target.outputs === 'all' ? '*' : target.outputs.join(',')}`;
}

/** The build never happened, because another one failed and --keep-going was not given. */
export class Cancelled extends BuildFailure {}
