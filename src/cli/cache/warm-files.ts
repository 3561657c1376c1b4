// What a process that evaluates the same again and again (--watch) knows of files: listings, code and copies, each for as
// long as stamps say that it is still true. The rules are those of packs: a stamp that was too young when it was taken says
// nothing.
import { isRecent, sameStamp, type FileStamp } from '../../eval/file-stamp.ts';
import type { Listing } from '../../eval/folder.ts';
import type { FileType } from '../../eval/io.ts';
import { Program } from '../../eval/program.ts';
import type { NarHash } from '../../store/nar-dump.ts';
import { hashOfListing } from './listing.ts';
import type { PackRecord } from './pack-file.ts';
import { isUnchanged } from './stamped.ts';

export interface KnownListing {
  readonly listing: Listing;
  readonly hash: string;
}

interface StampedListing extends KnownListing {
  readonly stamp: FileStamp;
}

/** Something in a tree that was copied. */
export interface TreeFact {
  readonly path: string;
  readonly type: FileType;
  readonly stamp: FileStamp;
  /** Hash of a folder's listing, target of a symlink; null for a file. */
  readonly detail: string | null;
}

export interface KnownTree {
  readonly archive: NarHash;
  readonly facts: readonly TreeFact[];
}

export class WarmFiles {
  private readonly trees = new Map<string, KnownTree>();
  private readonly listings = new Map<string, StampedListing>();
  private readonly units = new Map<string, PackRecord>();
  private unitsOf = '';
  private program: Program | undefined;
  private isLent = false;

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

  /** A tree that was copied whole, if it is what it was. */
  tree(path: string): KnownTree | undefined {
    const known = this.trees.get(path);
    return known?.facts.every(({ path, stamp }) => isUnchanged(path, stamp)) === true ? known : undefined;
  }

  /** @param facts all of the tree, from the root on, looked at after it was read, which began at `startMs` */
  keepTree(path: string, archive: NarHash | undefined, facts: readonly TreeFact[], startMs: number): void {
    const settled = !facts.some(({ stamp }) => isRecent(stamp, startMs));
    if (archive !== undefined && settled) this.trees.set(path, { archive, facts });
    else this.trees.delete(path);
  }

  /** Code that was loaded; for one evaluator until the round is over. */
  lendProgram(): Program | undefined {
    if (this.isLent) return undefined;
    this.isLent = true;
    return (this.program = this.program?.handOn() ?? new Program(true));
  }

  /** No evaluator is used any more. @param failed whether one may have stopped anywhere */
  endRound(failed: boolean): void {
    this.isLent = false;
    if (failed) this.program = undefined;
  }

  /** Code by path, of the pack of this identity. */
  unitsIn(pack: string): Map<string, PackRecord> {
    if (this.unitsOf !== pack) this.units.clear();
    this.unitsOf = pack;
    return this.units;
  }
}
