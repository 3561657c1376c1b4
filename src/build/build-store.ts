// What building needs of a store beside what evaluation needs: a place on this machine where outputs are moved to.
// LocalStore is one.
import type { Realisation } from '../store/realisation.ts';
import type { Derivation } from '../store/derivation.ts';
import type { IncomingNar } from '../store/incoming-nar.ts';
import type { PathLockOptions, PathLocks } from '../store/locks.ts';
import type { StorePath, SyncStore } from '../store/store.ts';

export interface BuildStore extends SyncStore {
  /** Where the store directory lies on this machine. */
  readonly realStoreDir: string;
  readonly stateDir: string;
  readonly logDir: string;
  /** What builds in it may ask for, where its URI says. */
  readonly systemFeatures: readonly string[] | undefined;
  readDerivation(drvPath: StorePath): Derivation;
  /** Paths with all that they refer to, each with its references; undefined where one is not valid. */
  referenceGraph(paths: readonly StorePath[]): ReadonlyMap<StorePath, readonly StorePath[]> | undefined;
  /** From the build trace: what an output of a resolved derivation came to be. */
  realisation(drvPath: StorePath, output: string): StorePath | undefined;
  registerRealisations(realisations: readonly Realisation[]): void;
  lockPaths(paths: readonly StorePath[], options?: PathLockOptions): Promise<PathLocks>;
  /** An empty directory on the store's file system; remove it yourself. */
  makeTempDir(): string;
  /** Keeps collectors away until the function returned is called. */
  holdOffCollector(): () => void;
  tryLockPaths(paths: readonly StorePath[]): PathLocks | undefined;
  /** Takes in an archive; close() it. */
  incoming(): IncomingNar;
  /** Renames a canonical object into its place. The caller holds the path's lock. */
  moveIntoStore(realPath: string, path: StorePath): void;
  /** The same for a path that may be valid: what lies there is replaced. */
  replaceValidPath(realPath: string, path: StorePath): void;
}
