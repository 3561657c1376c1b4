// Where the evaluator keeps what copies of files and folders hash to, so that what has not changed need not be read
// again: an interface, for the evaluator knows no cache.
import type { NarHash } from '../store/nar-dump.ts';

export interface TreeHashes {
  /** The hash of the NAR of what lies at a real path, where nothing in it has changed since that was kept. */
  find(path: string): NarHash | undefined;
  /**
   * Takes the hash of what was just read.
   * @param startMs when it was begun to be read, or before
   */
  keep(path: string, hash: NarHash, startMs: number): void;
}
