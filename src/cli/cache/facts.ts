// What an evaluation learned of the file system, fact by fact, so that another one can tell whether it would learn the
// same. Paths are physical ones without symlinks on the way. Kept as columns: there may be ten thousand.
import type { FileType } from '../../eval/io.ts';
import { isRecent, sameStamp, type FileStamp } from '../../eval/file-stamp.ts';

export const TYPES: readonly (FileType | null)[] = [null, 'regular', 'directory', 'symlink', 'unknown'];
export const TYPE_MASK = 7;
/** There is a stamp: of a file that was read, or a folder that was listed. */
export const STAMPED = 8;
/** The stamp was too young to say anything. */
export const RECENT = 16;
export const STAMP_NUMBERS = 5;

export interface FileFacts {
  readonly paths: readonly string[];
  /** Index into TYPES, and bits. */
  readonly kinds: Uint8Array;
  /** STAMP_NUMBERS for each path. */
  readonly stamps: Float64Array;
  /**
   * Hash of contents or of a listing; target of a symlink; '' where only the type was asked, or of a file inside a tree
   * that was copied, for which the stamp alone counts.
   */
  readonly details: readonly string[];
  /** For each path, the number of the fact of its folder, if that was listed; else -1. */
  readonly parents: Int32Array;
}

interface Fact {
  type: FileType | null;
  stamp: FileStamp | null;
  recent: boolean;
  detail: string;
  /** Only the stamp counts: more than the contents went into the result. */
  strict: boolean;
}

/** Collects facts. What contradicts itself says so: then the file system changed under the evaluation. */
export class FactCollector {
  private readonly facts = new Map<string, Fact>();
  contradiction: string | null = null;

  type(path: string, type: FileType | null): void {
    const known = this.facts.get(path);
    if (known === undefined) this.facts.set(path, { type, stamp: null, recent: false, detail: '', strict: false });
    else if (known.type !== type) this.contradiction ??= path;
  }

  /**
   * Contents of a file, or the listing of a folder.
   * @param hash null for a file in a tree that was copied, where the mode counts too
   * @param startMs when it was begun to be read, or before
   */
  contents(path: string, type: FileType, stamp: FileStamp, hash: string | null, startMs: number): void {
    this.type(path, type);
    const fact = this.facts.get(path)!;
    const recent = isRecent(stamp, startMs);
    if (fact.stamp === null) {
      fact.stamp = stamp;
      fact.recent = recent;
    } else if (!sameStamp(fact.stamp, stamp)) this.contradiction ??= path;
    if (hash === null) fact.strict = true;
    else if (fact.detail === '') fact.detail = hash;
    else if (fact.detail !== hash) this.contradiction ??= path;
    if (fact.strict && (fact.recent || recent)) this.contradiction ??= path;
  }

  link(path: string, target: string): void {
    this.type(path, 'symlink');
    const fact = this.facts.get(path)!;
    if (fact.detail !== '' && fact.detail !== target) this.contradiction ??= path;
    fact.detail = target;
  }

  get size(): number {
    return this.facts.size;
  }

  finish(): FileFacts {
    const paths = [...this.facts.keys()];
    const numbers = new Map(paths.map((path, i) => [path, i]));
    const n = paths.length;
    const kinds = new Uint8Array(n);
    const stamps = new Float64Array(STAMP_NUMBERS * n);
    const parents = new Int32Array(n);
    const details: string[] = [];
    let i = 0;
    for (const [path, { type, stamp, recent, detail, strict }] of this.facts) {
      kinds[i] = TYPES.indexOf(type) | (stamp === null ? 0 : STAMPED) | (recent ? RECENT : 0);
      if (stamp !== null) {
        stamps.set([stamp.size, stamp.mtimeMs, stamp.ctimeMs, stamp.ino, stamp.dev], STAMP_NUMBERS * i);
      }
      const slash = path.lastIndexOf('/');
      parents[i] = numbers.get(slash <= 0 ? '/' : path.slice(0, slash)) ?? -1;
      details.push(strict ? '' : detail);
      i++;
    }
    return { paths, kinds, stamps, details, parents };
  }
}

/** Whether some stamps were too young for what only stamps tell. */
export function hasUnsettled({ kinds, details }: FileFacts): boolean {
  return details.some((detail, i) => detail === '' && (kinds[i]! & RECENT) !== 0);
}
