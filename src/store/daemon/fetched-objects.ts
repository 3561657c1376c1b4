// Objects of a store on another machine, copied here for this process: what reads files of the store wants them on a
// disk.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fromUtf8, utf8 } from '../../util/bytes.ts';
import type { NarVisitor } from '../nar-parse.ts';
import { NarRestorer } from '../nar-restore.ts';
import { isInStore, parseStorePath } from '../store-path.ts';
import type { StorePath } from '../store.ts';

export interface FetchedFrom {
  readonly storeDir: string;
  isValidPath(path: StorePath): boolean;
  /** Has the visitor see a path's archive. */
  receiveNar(path: StorePath, visitor: NarVisitor): void;
}

export class FetchedObjects {
  private readonly store: FetchedFrom;
  private dir: string | undefined;
  private readonly fetched = new Map<StorePath, string>();

  constructor(store: FetchedFrom) {
    this.store = store;
  }

  /** Where a path in the store lies here, once it was fetched; other paths are what they are. @throws StoreError */
  realPath(path: string): string {
    const { storeDir } = this.store;
    if (!isInStore(path, storeDir)) return path;
    const end = path.indexOf('/', storeDir.length + 1);
    const storePath = parseStorePath(end < 0 ? path : path.slice(0, end), storeDir);
    return this.copyHere(storePath) + (end < 0 ? '' : path.slice(end));
  }

  private copyHere(path: StorePath): string {
    let copy = this.fetched.get(path);
    if (copy !== undefined) return copy;
    if (this.dir === undefined) {
      const dir = mkdtempSync(join(tmpdir(), 'tsnix-remote-'));
      this.dir = utf8(dir);
      process.on('exit', () => rmSync(dir, { recursive: true, force: true }));
    }
    copy = this.dir + path.slice(this.store.storeDir.length);
    if (!this.store.isValidPath(path)) return copy; // nothing is there, as in a store
    const restorer = new NarRestorer(copy);
    try {
      this.store.receiveNar(path, restorer);
    } finally {
      restorer.close();
    }
    this.fetched.set(path, copy);
    return copy;
  }

  close(): void {
    if (this.dir !== undefined) rmSync(fromUtf8(this.dir), { recursive: true, force: true });
    this.dir = undefined;
    this.fetched.clear();
  }
}
