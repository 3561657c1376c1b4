// Copying content-addressed outputs: which paths they are is told by a build trace, whose entries go with them.
import type { QueriedStore } from '../store/queried-store.ts';
import type { Derivation } from '../store/derivation.ts';
import { isTrustedRealisation, type Realisation } from '../store/realisation.ts';
import type { TraceReader } from '../store/resolve-derivation.ts';
import type { TrustedKeys } from '../store/signatures.ts';
import type { PathInfo, StorePath } from '../store/store.ts';
import { StoreError } from '../util/errors.ts';

/** Derivations of one store, with what another's build trace says of their outputs; notes all that it was asked. */
export class TracedStore implements TraceReader {
  readonly storeDir: string;
  private readonly store: QueriedStore;
  private readonly trace: QueriedStore;
  private readonly entries = new Map<string, Realisation>();

  constructor(store: QueriedStore, trace: QueriedStore) {
    this.store = store;
    this.trace = trace;
    this.storeDir = store.storeDir;
  }

  /** Entries that were looked at. */
  get asked(): Realisation[] {
    return [...this.entries.values()];
  }

  isValidPath(path: StorePath): boolean {
    return this.store.isValidPath(path);
  }

  pathInfo(path: StorePath): PathInfo | undefined {
    return this.store.pathInfo(path);
  }

  readDerivation(drvPath: StorePath): Derivation {
    return this.store.readDerivation(drvPath);
  }

  realisation(drvPath: StorePath, output: string): StorePath | undefined {
    const entry = this.trace.buildTrace?.(drvPath, output);
    if (entry !== undefined) this.entries.set(`${drvPath}^${output}`, entry);
    return (
      entry?.outPath ?? (this.trace.buildTrace === undefined ? this.trace.realisation(drvPath, output) : undefined)
    );
  }
}

/** @throws StoreError where nobody that is trusted vouches for an entry */
export function requireTrust(realisations: readonly Realisation[], keys: TrustedKeys): void {
  for (const realisation of realisations) {
    if (isTrustedRealisation(realisation, keys)) continue;
    throw new StoreError(
      `cannot register realisation '${realisation.outPath}' because it lacks a signature by a trusted key`,
    );
  }
}
