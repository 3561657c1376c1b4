// The code of every file that was evaluated before: one pack a project, below the cache folder. A file's code is used
// where its stamp (size, times, inode) is the one that was kept; where the stamp differs, or was too young to be trusted,
// where its contents hash the same. Whatever is wrong with a pack, it is as if it were not there.
import { existsSync, lstatSync, readdirSync, unlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { CodeCache, CodeSlot } from '../../eval/code-cache.ts';
import { isRecent, sameStamp, type FileStamp } from '../../eval/file-stamp.ts';
import { hashHex } from '../../store/hash.ts';
import { checksumText } from '../../util/checksum.ts';
import { fsPath } from '../../util/bytes.ts';
import { withLockFile } from './lock-file.ts';
import { isOwnFolder } from './own-files.ts';
import {
  encodeRecord,
  PackFile,
  replacePack,
  type PackContents,
  type PackEntry,
  type PackRecord,
} from './pack-file.ts';

/** What a pack asks of the evaluator's door to the world. */
export interface PackIo {
  readFile(path: string): string;
  /** Undefined where there is no such regular file, it may not be read, or it is none of the file system's. */
  stampFile(path: string): FileStamp | undefined;
  /** A file was used without being read. */
  sawFile?(path: string, stamp: FileStamp, hash: string): void;
}

export interface PackOptions {
  /** Folder of packs. */
  readonly dir: string;
  /** Of this program: code that another one made is never run. */
  readonly build: string;
  readonly io: PackIo;
  readonly nowMs?: () => number;
  /** What this process had of a pack before, by path; the pack itself is then read only for more. */
  readonly known?: (identity: string) => Map<string, PackRecord>;
  /** Bytes. */
  readonly maxPackSize?: number;
  readonly maxTotalSize?: number;
}

const DAY_MS = 86_400_000;
/** Days after which it is written down that an entry is still used. */
const REMEMBER_USE = 3;

export class Pack implements CodeCache {
  private readonly options: Required<Omit<PackOptions, 'known'>>;
  /** Null: there can be none. Undefined: nothing was asked for yet. */
  private file: string | null | undefined;
  private variant = '';
  private identity = '';
  /** Undefined until something is wanted of it. */
  private contents: PackContents | undefined;
  private pack: PackFile | undefined;
  private readonly knownOf: PackOptions['known'];
  private known: Map<string, PackRecord> | undefined;
  private readonly used = new Set<PackEntry>();
  private readonly fresh = new Map<string, Buffer>();
  readonly counts = { hits: 0, misses: 0 };

  constructor({ known, ...options }: PackOptions) {
    this.knownOf = known;
    this.options = { nowMs: () => Date.now(), maxPackSize: 64 << 20, maxTotalSize: 256 << 20, ...options };
  }

  look(path: string, variant: string): CodeSlot | null {
    if (this.file === undefined) this.open(path, variant);
    if (this.file === null || variant !== this.variant) return null;
    const { io } = this.options;
    const stamp = quietly(() => io.stampFile(path));
    if (stamp === undefined) return null;
    const record = this.find(path);
    if (record !== undefined) {
      const trusted = !record.recent && sameStamp(record.stamp, stamp);
      if (trusted || (record.stamp.size === stamp.size && hashHex('sha256', io.readFile(path)) === record.hash)) {
        this.counts.hits++;
        io.sawFile?.(path, stamp, record.hash);
        const recent = isRecent(stamp, this.options.nowMs());
        if (!trusted && !recent) this.add(path, { ...record, stamp, recent });
        return { unit: record.unit, source: rereader(io, path, record.hash), keep: () => undefined };
      }
    }
    this.counts.misses++;
    const keep = (unit: Uint8Array, source: string): void => {
      const hash = hashHex('sha256', source);
      const recent = isRecent(stamp, this.options.nowMs());
      this.add(path, { stamp, recent, hash, unit });
    };
    return { unit: null, source: () => io.readFile(path), keep };
  }

  /** What was kept under a name that is no path of a file of code; nothing before such a file was looked for. */
  getRecord(name: string): PackRecord | undefined {
    return typeof this.file === 'string' ? this.find(name) : undefined;
  }

  keepRecord(name: string, record: PackRecord): void {
    if (typeof this.file === 'string') this.add(name, record);
  }

  private open(path: string, variant: string): void {
    const { dir, build } = this.options;
    this.file = null;
    if (!isOwnFolder(dir, true)) return;
    this.variant = variant;
    this.identity = JSON.stringify([build, projectOf(path), variant]);
    this.file = join(dir, `${checksumText(this.identity)}.pack`);
    this.known = this.knownOf?.(this.identity);
  }

  /** What is kept for a path, whatever it says of now. */
  private find(path: string): PackRecord | undefined {
    const known = this.known?.get(path);
    if (known !== undefined) return known;
    const { entries } = (this.contents ??= this.readContents());
    const entry = entries.get(path);
    if (entry === undefined) return undefined;
    const record = quietly(() => this.pack?.read(entry));
    if (record === undefined) entries.delete(path);
    else {
      this.used.add(entry);
      this.known?.set(path, record);
    }
    return record;
  }

  private readContents(): PackContents {
    this.pack = PackFile.open(this.file!, this.identity, false);
    return quietly(() => this.pack?.contents()) ?? { entries: new Map(), end: 0 };
  }

  private add(path: string, record: PackRecord): void {
    this.fresh.set(path, encodeRecord(record));
    this.known?.set(path, record);
  }

  /** Writes what is new. Never throws: a cache that can't be written only costs time. */
  flush(): void {
    const { file, used } = this;
    if (typeof file !== 'string') return;
    const day = Math.floor(this.options.nowMs() / DAY_MS);
    const stale = [...used].some((entry) => entry.day < day - REMEMBER_USE);
    if (this.fresh.size === 0 && !stale) return;
    quietly(() => withLockFile(`${file}.lock`, () => this.write(file, day)));
    this.fresh.clear();
  }

  private write(file: string, day: number): void {
    const { options, fresh } = this;
    // Another process may have added to it, or replaced it, since.
    const pack = PackFile.open(file, this.identity, true);
    try {
      const contents = quietly(() => pack?.contents());
      if (pack !== undefined && contents !== undefined) {
        // If another process has written the pack anew meanwhile, some other entry looks used: no harm.
        const used = new Set(Array.from(this.used, (entry) => entry.offset));
        for (const entry of contents.entries.values()) if (used.has(entry.offset)) entry.day = day;
        const added = sum(fresh.values());
        const garbage =
          contents.end - sum([...contents.entries].map(([path, entry]) => (fresh.has(path) ? { length: 0 } : entry)));
        if (contents.end + added <= options.maxPackSize && garbage < (contents.end + added) / 2 + (1 << 20)) {
          pack.append(contents, fresh, day);
          return;
        }
      }
      replacePack(file, this.identity, this.kept(pack, contents, day));
    } finally {
      pack?.close();
    }
    this.limitTotal(file);
  }

  /** What a new pack is to hold: all, or what was used last as far as there is room. */
  private kept(
    pack: PackFile | undefined,
    contents: PackContents | undefined,
    day: number,
  ): [string, Buffer, number][] {
    const kept: [string, Buffer, number][] = [];
    let room = (this.options.maxPackSize * 3) / 4;
    const take = (path: string, record: Buffer, lastDay: number): void => {
      room -= record.length;
      if (room >= 0) kept.push([path, record, lastDay]);
    };
    for (const [path, record] of this.fresh) take(path, record, day);
    const old = [...(contents?.entries ?? [])].filter(([path]) => !this.fresh.has(path));
    for (const [path, entry] of old.sort(([, a], [, b]) => b.day - a.day)) {
      if (room < entry.length) break;
      const record = pack?.readRaw(entry);
      if (record !== undefined) take(path, record, entry.day);
    }
    return kept;
  }

  /** Drops the packs that were written longest ago where all together are too large. */
  private limitTotal(mine: string): void {
    const packs = readdirSync(this.options.dir)
      .map((name) => join(this.options.dir, name))
      .map((file) => ({ file, stat: lstatSync(file, { throwIfNoEntry: false }) }))
      .sort((a, b) => (b.stat?.mtimeMs ?? 0) - (a.stat?.mtimeMs ?? 0));
    let room = this.options.maxTotalSize;
    for (const { file, stat } of packs) {
      room -= stat?.size ?? 0;
      if (room < 0 && file !== mine) unlinkSync(file);
    }
  }

  close(): void {
    this.flush();
    this.pack?.close();
    this.pack = undefined;
    this.file = null;
  }
}

const sum = (parts: Iterable<{ readonly length: number }>): number => {
  let total = 0;
  for (const { length } of parts) total += length;
  return total;
};

function quietly<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch {
    return undefined; // whatever the disk says: there is no cache
  }
}

function rereader(io: PackIo, path: string, hash: string): () => string {
  let source: string | undefined;
  return () => {
    if (source !== undefined) return source;
    const text = io.readFile(path);
    if (hashHex('sha256', text) !== hash) throw new Error(`${path} has changed`);
    return (source = text);
  };
}

/** The checkout, store object or folder that a file belongs to. */
function projectOf(path: string): string {
  const store = /^(?:\/[^/]+)*?\/[0-9a-z]{32}-[^/]+/.exec(path);
  if (store !== null) return store[0];
  const folder = dirname(path);
  for (let dir = folder; dir !== '/'; dir = dirname(dir)) if (existsSync(fsPath(`${dir}/.git`))) return dir;
  return folder;
}
