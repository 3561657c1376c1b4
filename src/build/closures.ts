// Closures of the inputs of many builds, which overlap: what a path refers to is asked of the store once. It can't change
// while the path is valid, and what builds have for inputs stays valid for as long as they go on.
import { StoreError } from '../util/errors.ts';
import type { StorePath } from '../store/store.ts';
import type { BuildStore } from './build-store.ts';

export class Closures {
  private readonly store: BuildStore;
  private readonly known = new Map<StorePath, readonly StorePath[]>();

  constructor(store: BuildStore) {
    this.store = store;
  }

  /** The paths and all that they refer to. @throws StoreError where one is not valid */
  of(roots: readonly StorePath[]): Set<StorePath> {
    // A set is gone through in the order of insertion, what comes in meanwhile included.
    const closure = new Set(roots);
    for (const path of closure) for (const reference of this.references(path)) closure.add(reference);
    return closure;
  }

  /** Forgets all: outputs were replaced. */
  clear(): void {
    this.known.clear();
  }

  private references(path: StorePath): readonly StorePath[] {
    const known = this.known.get(path);
    if (known !== undefined) return known;
    // Mostly an output of this run, whose own references are known. Else everything below it at once.
    const references = this.store.pathInfo(path)?.references;
    if (references?.every((reference) => reference === path || this.known.has(reference)) === true) {
      this.known.set(path, references);
      return references;
    }
    const graph = this.store.referenceGraph([path]);
    if (graph === undefined) throw new StoreError(`path '${path}' is not valid`);
    for (const [member, itsReferences] of graph) this.known.set(member, itsReferences);
    return graph.get(path)!;
  }
}
