// What `exportReferencesGraph = [ NAME PATH … ]` asks for, for builders that read the store themselves instead of
// files in the build directory.
import { splitStorePath } from '../../store/store-path.ts';
import type { PathInfo, StorePath, SyncStore } from '../../store/store.ts';
import { BuildError } from '../../util/errors.ts';
import type { BuiltinJob } from '../builtin-builder.ts';

/** Paths that `exportReferencesGraph` names, in its order. @throws BuildError where it is absent or malformed */
export function exportedRoots(job: BuiltinJob): StorePath[] {
  const words = (job.env.get('exportReferencesGraph') ?? '').split(/\s+/).filter((word) => word !== '');
  if (words.length % 2 !== 0) {
    throw new BuildError(`odd number of tokens in 'exportReferencesGraph': '${job.env.get('exportReferencesGraph')!}'`);
  }
  const roots: StorePath[] = [];
  for (let i = 1; i < words.length; i += 2) roots.push(splitStorePath(words[i]!, job.store.storeDir).storePath);
  return roots;
}

/** Closure of `roots` as Nix exports it: sorted by path. */
export function sortedClosure(store: SyncStore, roots: readonly StorePath[]): PathInfo[] {
  // Byte strings: the default order, by UTF-16 units, is the order of bytes.
  return store
    .closure(roots)
    .sort()
    .map((path) => {
      const info = store.pathInfo(path);
      if (info === undefined) throw new BuildError(`path '${path}' is not valid`);
      return info;
    });
}
