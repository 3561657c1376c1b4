// Which store path a URL gave when it was downloaded last, for as long as `tarball-ttl` says; then the server is asked
// whether it has something else by now (its entity tag). The files are in the store: what was collected is downloaded again.
import { ThrowawayDatabase } from './throwaway-database.ts';

export interface Download {
  readonly storePath: string;
  /** Empty: the server gave none. */
  readonly etag: string;
  /** Newest member of what was unpacked, Unix seconds. */
  readonly lastModified?: number | undefined;
  readonly immutableUrl?: string | undefined;
}

export interface KnownDownload extends Download {
  /** So old that the server is to be asked. */
  readonly isExpired: boolean;
}

const schema = `
create table if not exists Downloads (
  key text primary key, time integer not null, storePath text not null, etag text not null, lastModified integer,
  immutableUrl text
) without rowid;
`;

/** Entries this old go when the file is next opened. Seconds. */
const oldest = 90 * 24 * 3600;

const optional = <T>(value: unknown, convert: (value: unknown) => T): T | undefined =>
  value === null || value === undefined ? undefined : convert(value);

export class DownloadCache extends ThrowawayDatabase {
  private readonly ttl: number;
  private readonly now: () => number;

  /**
   * @param ttl seconds for which the server is not asked again
   * @param now seconds, for tests
   */
  constructor(file: string, ttl: number, now: () => number = () => Math.floor(Date.now() / 1000)) {
    super(file, (db) => {
      db.exec(schema);
      db.prepare('delete from Downloads where time < ?').run(now() - oldest);
    });
    this.ttl = ttl;
    this.now = now;
  }

  find(key: string): KnownDownload | undefined {
    return this.attempt((db) => {
      const row = db.prepare('select * from Downloads where key = ?').get(key);
      if (row === undefined) return undefined;
      const age = this.now() - Number(row['time']);
      return {
        storePath: String(row['storePath']),
        etag: String(row['etag']),
        lastModified: optional(row['lastModified'], Number),
        immutableUrl: optional(row['immutableUrl'], String),
        // What was downloaded in the future, by a clock that was wrong, would hold until then.
        isExpired: this.ttl === 0 || age < 0 || age > this.ttl,
      };
    });
  }

  /** Takes the place of what was known, from now on. */
  remember(key: string, { storePath, etag, lastModified, immutableUrl }: Download): void {
    this.attempt((db) => {
      db.prepare('insert or replace into Downloads values (?, ?, ?, ?, ?, ?)').run(
        key,
        this.now(),
        storePath,
        etag,
        lastModified ?? null,
        immutableUrl ?? null,
      );
    });
  }
}
