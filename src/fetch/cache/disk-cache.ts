// What remote binary caches said, remembered for the next run: their nix-cache-info, narinfos, and that a path is not
// there. A file of our own (docs/decisions/0010-binary-caches.md); without it, or where it is damaged, caches are asked
// again: nothing here is trusted more than the cache itself, signatures are checked each time. What was written in the
// future (the clock was wrong then, or is now) is not known: else it would hold until the clock gets there.
import { ThrowawayDatabase } from '../throwaway-database.ts';

export interface DiskCacheTimes {
  /** Seconds that answers hold. */
  readonly positive: number;
  readonly negative: number;
  readonly meta: number;
}

const schema = `
create table if not exists Caches (id integer primary key, url text unique not null, time integer not null, info text not null);
create table if not exists NarInfos (
  cache integer not null references Caches(id) on delete cascade, hashPart text not null, time integer not null,
  text text, -- null: it has not got the path
  primary key (cache, hashPart)
) without rowid;
create table if not exists Unreachable (url text primary key, until integer not null);
`;

/** Entries this old go when the file is next opened for writing. Seconds. */
const oldest = 30 * 24 * 3600;
/** Nobody is left alone for longer. Seconds. */
const longestUnreachable = 3600;

export class NarInfoDiskCache extends ThrowawayDatabase {
  private readonly times: DiskCacheTimes;
  private readonly now: () => number;
  private readonly pending: { cache: number; hashPart: string; text: string | null }[] = [];

  /** @param now seconds, for tests */
  constructor(file: string, times: DiskCacheTimes, now: () => number = () => Math.floor(Date.now() / 1000)) {
    super(file, (db) => {
      db.exec(schema);
      db.prepare('delete from NarInfos where time < ? or time > ?').run(now() - oldest, now());
    });
    this.times = times;
    this.now = now;
  }

  /** A cache's id here and its nix-cache-info, where that is young enough. */
  cache(url: string): { readonly id: number; readonly info: string } | undefined {
    return this.attempt((db) => {
      const row = db
        .prepare('select id, info from Caches where url = ? and time > ? and time <= ?')
        .get(url, this.now() - this.times.meta, this.now());
      return row === undefined ? undefined : { id: Number(row['id']), info: String(row['info']) };
    });
  }

  /** @returns the cache's id */
  rememberCache(url: string, info: string): number | undefined {
    return this.attempt((db) => {
      db.prepare(
        'insert into Caches (url, time, info) values (?1, ?2, ?3) on conflict (url) do update set time = ?2, info = ?3',
      ).run(url, this.now(), info);
      return Number(db.prepare('select id from Caches where url = ?').get(url)!['id']);
    });
  }

  /** The text of a narinfo, null where the cache has not got it, undefined where that is not known (any more). */
  narInfo(cache: number, hashPart: string): string | null | undefined {
    return this.attempt((db) => {
      const row = db.prepare('select time, text from NarInfos where cache = ? and hashPart = ?').get(cache, hashPart);
      if (row === undefined) return undefined;
      const text = row['text'];
      const age = this.now() - Number(row['time']);
      if (age < 0) return undefined;
      if (typeof text === 'string') return age < this.times.positive ? text : undefined;
      return age < this.times.negative ? null : undefined;
    });
  }

  /** Written in bulk, by flush(). */
  rememberNarInfo(cache: number, hashPart: string, text: string | null): void {
    this.pending.push({ cache, hashPart, text });
    if (this.pending.length >= 1000) this.flush();
  }

  /** A narinfo turned out to be of no use: the archive it names is gone. */
  forgetNarInfo(cache: number, hashPart: string): void {
    this.flush();
    this.attempt((db) => db.prepare('delete from NarInfos where cache = ? and hashPart = ?').run(cache, hashPart));
  }

  isUnreachable(url: string): boolean {
    const row = this.attempt((db) =>
      db
        .prepare('select 1 from Unreachable where url = ? and until > ? and until <= ?')
        .get(url, this.now(), this.now() + longestUnreachable),
    );
    return row !== undefined;
  }

  rememberUnreachable(url: string, seconds: number): void {
    this.attempt((db) => {
      db.prepare('insert or replace into Unreachable (url, until) values (?, ?)').run(url, this.now() + seconds);
    });
  }

  flush(): void {
    const rows = this.pending.splice(0);
    if (rows.length === 0) return;
    this.attempt((db) => {
      db.exec('begin immediate');
      const insert = db.prepare('insert or replace into NarInfos (cache, hashPart, time, text) values (?, ?, ?, ?)');
      for (const { cache, hashPart, text } of rows) insert.run(cache, hashPart, this.now(), text);
      db.exec('commit');
    });
  }

  override close(): void {
    this.flush();
    super.close();
  }
}
