// What commands that look at a store need of it, wherever it lies: on this machine, behind a daemon or ssh, in a binary
// cache. A store that can't answer one of these says so.
import type { QueryStore } from './query.ts';
import type { Realisation } from './realisation.ts';
import type { TraceReader } from './resolve-derivation.ts';
import type { StorePath, SyncStore } from './store.ts';

export interface QueriedStore extends SyncStore, QueryStore, TraceReader {
  /** Where the store directory lies on this machine; undefined: on another one. */
  readonly realStoreDir: string | undefined;
  validPaths(): StorePath[];
  /** What its build trace says of an output of a resolved derivation, where it has one. */
  buildTrace?(drvPath: StorePath, output: string): Realisation | undefined;
  pathFromHashPart(hashPart: string): StorePath | undefined;
  addSignatures(path: StorePath, signatures: readonly string[]): void;
}
