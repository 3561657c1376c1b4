// Which outputs of a derivation are meant, and where they lie as far as that is known.
import { NixError } from '../util/errors.ts';
import type { Derivation } from '../store/derivation.ts';
import { equalDigests } from '../store/hash.ts';
import { hashNar } from '../store/nar.ts';
import { KnownOutputs } from '../store/resolve-derivation.ts';
import type { StorePath } from '../store/store.ts';
import type { BuildStore } from './build-store.ts';
import { BuildFailure } from './failure.ts';
import type { BuildTarget } from './realise-options.ts';

export type Wanted = readonly string[] | 'all';

/** Outputs of a target whose paths are known, by name. @throws BuildFailure for an output that does not exist */
export function outputsOf(store: BuildStore, target: BuildTarget): Map<string, StorePath> {
  if (target.kind === 'path') return new Map([['out', target.path]]);
  const known = new KnownOutputs(store);
  const { drvPath, through = [] } = target;
  const at = through.length === 0 ? drvPath : known.chain({ drvPath, outputs: through });
  if (at === undefined || !store.isValidPath(at)) return new Map();
  const drv = store.readDerivation(at);
  return withPaths(wantedNames(at, drv, target.outputs), (name) => known.path(at, name, drv));
}

export function withPaths(
  names: readonly string[],
  pathOf: (name: string) => StorePath | undefined,
): Map<string, StorePath> {
  const paths = new Map<string, StorePath>();
  for (const name of names) {
    const path = pathOf(name);
    if (path !== undefined) paths.set(name, path);
  }
  return paths;
}

/** @throws BuildFailure for an output that does not exist */
export function wantedNames(drvPath: StorePath, drv: Derivation, outputs: Wanted): string[] {
  if (outputs === 'all') return [...drv.outputs.keys()];
  for (const name of outputs) {
    if (!drv.outputs.has(name)) {
      throw new BuildFailure('misc', `derivation '${drvPath}' does not have wanted outputs '${name}'`);
    }
  }
  return [...outputs];
}

/** Is what lies at a valid path what was registered? */
export function isIntact(store: BuildStore, path: StorePath): boolean {
  const info = store.pathInfo(path);
  if (info === undefined) return false;
  try {
    return equalDigests(hashNar(store.realPath(path)).hash, info.narHash);
  } catch (error) {
    if (error instanceof NixError) return false;
    throw error;
  }
}
