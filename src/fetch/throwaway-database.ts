// A file of what can be found out again: where it can't be opened, is busy or damaged, it knows nothing.
import { closeSync, openSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { utf8 } from '../util/bytes.ts';
import { makeDirs } from '../util/make-dirs.ts';

export abstract class ThrowawayDatabase {
  private readonly file: string;
  private readonly prepare: (db: DatabaseSync) => void;
  private opened: DatabaseSync | null | undefined;

  /** @param prepare makes its tables where they are not there yet, and drops what is old */
  constructor(file: string, prepare: (db: DatabaseSync) => void) {
    this.file = file;
    this.prepare = prepare;
  }

  private open(): DatabaseSync {
    const { DatabaseSync: Database } = process.getBuiltinModule('node:sqlite');
    // For its owner alone: URLs may hold passwords.
    closeSync(openSync(this.file, 'a', 0o600));
    const db = new Database(this.file, { timeout: 1000, enableForeignKeyConstraints: true });
    db.exec('pragma synchronous = off; pragma main.journal_mode = truncate');
    this.prepare(db);
    return db;
  }

  private get db(): DatabaseSync | undefined {
    if (this.opened !== undefined) return this.opened ?? undefined;
    try {
      makeDirs(utf8(dirname(this.file)));
      try {
        this.opened = this.open();
      } catch (error) {
        // Damaged: it may be thrown away. Busy or not writable: left to the others.
        if (!/malformed|not a database/.test((error as Error).message)) throw error;
        rmSync(this.file, { force: true });
        this.opened = this.open();
      }
    } catch {
      this.opened = null;
    }
    return this.opened ?? undefined;
  }

  /** What fails here only costs time. */
  protected attempt<T>(action: (db: DatabaseSync) => T): T | undefined {
    const { db } = this;
    if (db === undefined) return undefined;
    try {
      return action(db);
    } catch {
      return undefined;
    }
  }

  close(): void {
    if (this.opened?.isOpen === true) this.opened.close();
    this.opened = null;
  }
}
