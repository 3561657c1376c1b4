// What an evaluation saw of folders and files and takes to stay so. Package sets list the same folders and look for the
// same files at every stage of their bootstrap: 500 packages of github.com/auxolotl/core list 950 folders 24,000 times.
import { isInStore } from '../store/store-path.ts';
import type { Listing } from './folder.ts';
import type { FileType } from './io.ts';

export class SeenFiles {
  private readonly types = new Map<string, FileType | null>();
  private readonly listings = new Map<string, Listing>();
  /** Store paths that are whole, for the evaluation made them. */
  private readonly whole = new Set<string>();
  private readonly storeDir: string;

  constructor(storeDir: string) {
    this.storeDir = storeDir;
  }

  addStorePath(storePath: string): void {
    this.whole.add(storePath);
  }

  type(path: string): FileType | null | undefined {
    return this.types.get(path);
  }
  sawType(path: string, type: FileType | null): void {
    if (this.stays(path)) this.types.set(path, type);
  }

  listing(path: string): Listing | undefined {
    return this.listings.get(path);
  }
  sawListing(path: string, listing: Listing): void {
    if (this.stays(path)) this.listings.set(path, listing);
  }

  /** Something else may have written files. */
  forget(): void {
    this.types.clear();
    this.listings.clear();
  }

  /** Not the store's own folder, what is on the way to it, and what builds put into it meanwhile. */
  private stays(path: string): boolean {
    const { storeDir } = this;
    if (!isInStore(path, storeDir)) return !storeDir.startsWith(path);
    const end = path.indexOf('/', storeDir.length + 1);
    return this.whole.has(end < 0 ? path : path.slice(0, end));
  }
}
