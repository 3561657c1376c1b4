// What a process that evaluates the same again and again (--watch) knows of files: listings and code, each for as long as
// the stamp says that it is still true. The rules are those of packs: a stamp that was too young when it was taken says
// nothing.
import { isRecent, sameStamp, type FileStamp } from '../../eval/file-stamp.ts';
import type { Listing } from '../../eval/folder.ts';
import { hashOfListing } from './listing.ts';
import type { PackRecord } from './pack-file.ts';

export interface KnownListing {
  readonly listing: Listing;
  readonly hash: string;
}

interface StampedListing extends KnownListing {
  readonly stamp: FileStamp;
}

export class WarmFiles {
  private readonly listings = new Map<string, StampedListing>();
  private readonly units = new Map<string, PackRecord>();
  private unitsOf = '';

  /** Whether something was evaluated with it. */
  get isUsed(): boolean {
    return this.listings.size + this.units.size > 0;
  }

  /**
   * What a folder has.
   * @param stamp of now
   * @param list asked where that is not known
   */
  listing(path: string, stamp: FileStamp, list: () => Listing): KnownListing {
    const known = this.listings.get(path);
    if (known !== undefined && sameStamp(known.stamp, stamp)) return known;
    const startMs = Date.now();
    const listing = list();
    const fresh = { listing, hash: hashOfListing(listing), stamp };
    if (isRecent(stamp, startMs)) this.listings.delete(path);
    else this.listings.set(path, fresh);
    return fresh;
  }

  /** Code by path, of the pack of this identity. */
  unitsIn(pack: string): Map<string, PackRecord> {
    if (this.unitsOf !== pack) this.units.clear();
    this.unitsOf = pack;
    return this.units;
  }
}
