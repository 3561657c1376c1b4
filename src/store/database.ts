// Nix's database of valid paths (schema 10) through node:sqlite. Rows, indexes and the very text of the schema are
// Nix's, so either program may have made it. Everything that writes runs in one transaction and is tried again where
// another process is in the way.
import { readFileSync } from 'node:fs';
import type { DatabaseSync, SQLInputValue, SQLOutputValue, StatementSync } from 'node:sqlite';
import { StoreError } from '../util/errors.ts';
import { fsPath } from '../util/bytes.ts';
import { parseHash, printHash } from './hash.ts';
import { ioError } from './nar-dump.ts';
import type { Realisation } from './realisation.ts';
import { baseName, isDerivationPath, parseStorePath } from './store-path.ts';
import type { PathInfo, StorePath } from './store.ts';

export const schemaVersion = 10;

/** Nix waits an hour for another process's transaction. */
const busyTimeoutMs = 60 * 60 * 1000;
/** Pages in the write-ahead log before they go to the database: enough to instantiate a system with one fsync. */
const walPages = 40000;

const busy = 5;
const protocol = 15;

/* The text of 2.8, which 2.36 migrates by itself (it drops IndexReferrer when it first writes). */
const schema = `create table if not exists ValidPaths (
    id               integer primary key autoincrement not null,
    path             text unique not null,
    hash             text not null,
    registrationTime integer not null,
    deriver          text,
    narSize          integer,
    ultimate         integer, -- null implies "false"
    sigs             text, -- space-separated
    ca               text -- if not null, an assertion that the path is content-addressed; see ValidPathInfo
);

create table if not exists Refs (
    referrer  integer not null,
    reference integer not null,
    primary key (referrer, reference),
    foreign key (referrer) references ValidPaths(id) on delete cascade,
    foreign key (reference) references ValidPaths(id) on delete restrict
);

create index if not exists IndexReferrer on Refs(referrer);
create index if not exists IndexReference on Refs(reference);

create trigger if not exists DeleteSelfRefs before delete on ValidPaths
  begin
    delete from Refs where referrer = old.id and reference = old.id;
  end;

create table if not exists DerivationOutputs (
    drv  integer not null,
    id   text not null, -- symbolic output id, usually "out"
    path text not null,
    primary key (drv, id),
    foreign key (drv) references ValidPaths(id) on delete cascade
);

create index if not exists IndexDerivationOutputs on DerivationOutputs(path);
`;

/* What derivations of unknown output paths came to be; made at its first use. 2.36's; 2.8 has other tables for it. */
const traceSchema = `create table if not exists BuildTraceV3 (
    id integer primary key autoincrement not null,
    drvPath text not null,
    outputName text not null, -- symbolic output id, usually "out"
    outputPath text not null,
    signatures text -- space-separated list
);

create index if not exists IndexBuildTraceV3 on BuildTraceV3(drvPath, outputName);
`;

type Row = Record<string, SQLOutputValue>;

export interface DatabaseOptions {
  readonly readOnly: boolean;
  readonly storeDir: string;
  /** `pragma synchronous`: normal, or off where the user takes the risk (fsync-metadata = false). */
  readonly fsync: boolean;
  readonly warn: (message: string) => void;
}

/** A path's validity to be recorded, and the outputs if it is a derivation. */
export interface Registration {
  readonly info: PathInfo;
  readonly outputs?: ReadonlyMap<string, StorePath>;
}

/** The sqlite error of `error`, if it is one. */
function sqliteCode(error: unknown): number | undefined {
  return error instanceof Error && 'errcode' in error && typeof error.errcode === 'number' ? error.errcode : undefined;
}

export class StoreDatabase {
  private readonly db: DatabaseSync;
  private readonly file: string;
  private readonly storeDir: string;
  private readonly warn: (message: string) => void;
  private readonly statements = new Map<string, StatementSync>();
  private inTransaction = false;
  private hasTrace = false;

  /** @throws StoreError where the file is no database that we can use */
  constructor(file: string, options: DatabaseOptions) {
    this.file = file;
    this.storeDir = options.storeDir;
    this.warn = options.warn;
    // Loaded here and not at the top: three milliseconds for commands without a store, and a warning in old versions.
    const { DatabaseSync: Database } = process.getBuiltinModule('node:sqlite');
    try {
      this.db = new Database(fsPath(file), {
        readOnly: options.readOnly,
        timeout: busyTimeoutMs,
        enableForeignKeyConstraints: true,
      });
    } catch (error) {
      throw this.problem(`cannot open SQLite database '${file}'`, error);
    }
    try {
      if (!options.readOnly) this.setUp(options.fsync);
    } catch (error) {
      this.db.close();
      throw error;
    }
  }

  private setUp(fsync: boolean): void {
    this.retry('opening', () => {
      this.db.exec(`pragma synchronous = ${fsync ? 'normal' : 'off'}`);
      const mode = this.db.prepare('pragma main.journal_mode').get() as Row | undefined;
      if (mode?.['journal_mode'] !== 'wal') this.db.exec('pragma main.journal_mode = wal');
      this.db.exec(`pragma wal_autocheckpoint = ${String(walPages)}`);
    });
  }

  createSchema(): void {
    this.transaction(() => {
      this.db.exec(schema);
    });
  }

  private problem(doing: string, error: unknown): Error {
    const code = sqliteCode(error);
    if (code === undefined) return error instanceof Error ? error : new StoreError(doing);
    const text = (error as Error & { errstr?: string }).errstr ?? '';
    return new StoreError(`${doing}: ${text}, ${(error as Error).message} (in '${this.file}')`, { cause: error });
  }

  private damaged(what: string): StoreError {
    return new StoreError(`the store's database is damaged: ${what} (in '${this.file}')`);
  }

  /** Runs `action`, again and again while other processes keep the database busy. */
  private retry<T>(doing: string, action: () => T): T {
    let told = false;
    for (;;) {
      try {
        return action();
      } catch (error) {
        const code = sqliteCode(error);
        if (code === undefined) {
          // Numbers that no Nix writes: 64 bits wide.
          if (error instanceof RangeError) throw this.damaged(error.message);
          throw error;
        }
        const primary = code & 0xff;
        if ((primary !== busy && primary !== protocol) || this.inTransaction) {
          throw this.problem(`${doing} the store's database`, error);
        }
        if (!told) this.warn(`SQLite database '${this.file}' is busy`);
        told = true;
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 50 + Math.random() * 100);
      }
    }
  }

  private statement(sql: string): StatementSync {
    let statement = this.statements.get(sql);
    if (statement === undefined) {
      statement = this.db.prepare(sql);
      this.statements.set(sql, statement);
    }
    return statement;
  }

  private all(sql: string, ...values: SQLInputValue[]): Row[] {
    return this.retry('reading', () => this.statement(sql).all(...values));
  }

  /** As all(), rows as arrays: for many of them. */
  private tuples(sql: string, ...values: SQLInputValue[]): SQLOutputValue[][] {
    return this.retry('reading', () => {
      const statement = this.statement(sql);
      statement.setReturnArrays(true);
      return statement.all(...values) as unknown as SQLOutputValue[][];
    });
  }

  private one(sql: string, ...values: SQLInputValue[]): Row | undefined {
    return this.retry('reading', () => this.statement(sql).get(...values));
  }

  private run(sql: string, ...values: SQLInputValue[]): number {
    return this.retry('writing', () => Number(this.statement(sql).run(...values).lastInsertRowid));
  }

  /** All of `action` or nothing of it. */
  transaction<T>(action: () => T): T {
    return this.retry('writing', () => {
      this.db.exec('begin immediate');
      this.inTransaction = true;
      try {
        const result = action();
        this.db.exec('commit');
        return result;
      } catch (error) {
        // Some errors (full disk) have rolled back already.
        if (this.db.isTransaction) this.db.exec('rollback');
        throw error;
      } finally {
        this.inTransaction = false;
      }
    });
  }

  private path(value: SQLOutputValue | undefined): StorePath {
    if (typeof value !== 'string') throw new StoreError(`bad path in the store's database '${this.file}'`);
    return parseStorePath(value, this.storeDir);
  }

  /** Row id, undefined for an invalid path. */
  pathId(path: StorePath): number | undefined {
    const row = this.one('select id from ValidPaths where path = ?', path);
    return row === undefined ? undefined : Number(row['id']);
  }

  /** Row ids of those paths that are valid: one query. */
  pathIds(paths: Iterable<StorePath>): Map<StorePath, number> {
    const ids = new Map<StorePath, number>();
    const asked = new Map(Array.from(paths, (path) => [path, path]));
    if (asked.size === 0) return ids;
    const wanted = JSON.stringify([...asked.keys()]);
    const sql = 'select path, id from ValidPaths where path in (select value from json_each(?))';
    // The caller's strings, not copies of them.
    for (const [path, id] of this.tuples(sql, wanted)) ids.set(asked.get(path as StorePath)!, Number(id));
    return ids;
  }

  pathInfo(path: StorePath): PathInfo | undefined {
    const row = this.one(
      'select id, path, hash, registrationTime, deriver, narSize, ultimate, sigs, ca from ValidPaths where path = ?',
      path,
    );
    return row === undefined ? undefined : this.infoOf(row);
  }

  private infoOf(row: Row): PathInfo {
    const path = this.path(row['path']);
    const text = (name: string): string | null => {
      const value = row[name];
      return typeof value === 'string' && value !== '' ? value : null;
    };
    let narHash: Uint8Array;
    try {
      narHash = parseHash(text('hash') ?? '').digest;
      if (narHash.length !== 32) throw new StoreError('not a sha256');
    } catch (error) {
      throw new StoreError(`invalid-path entry for '${path}': ${(error as Error).message}`, { cause: error });
    }
    const deriver = text('deriver');
    return {
      path,
      narHash,
      narSize: Number(row['narSize'] ?? 0),
      references: this.all(
        'select path from Refs join ValidPaths on reference = id where referrer = ?',
        Number(row['id']),
      )
        .map((reference) => this.path(reference['path']))
        .sort(),
      deriver: deriver === null ? null : this.path(deriver),
      registrationTime: Number(row['registrationTime']),
      ultimate: row['ultimate'] === 1,
      signatures: (text('sigs') ?? '').split(' ').filter((signature) => signature !== ''),
      ca: text('ca'),
    };
  }

  referrers(path: StorePath): StorePath[] {
    return this.all(
      'select path from Refs join ValidPaths on referrer = id where reference = (select id from ValidPaths where path = ?)',
      path,
    )
      .map((row) => this.path(row['path']))
      .sort();
  }

  /** References alone, for graphs: undefined for an invalid path. */
  references(path: StorePath): StorePath[] | undefined {
    const id = this.pathId(path);
    if (id === undefined) return undefined;
    return this.all('select path from Refs join ValidPaths on reference = id where referrer = ?', id)
      .map((row) => this.path(row['path']))
      .sort();
  }

  /**
   * The closure of valid paths: each with what it refers to, sorted. Two queries, however many paths: asking for each
   * costs more than all the rest.
   * @returns undefined where one of `paths` is not valid
   */
  referenceGraph(paths: readonly StorePath[]): Map<StorePath, StorePath[]> | undefined {
    const ids = paths.map((path) => this.pathId(path));
    if (ids.includes(undefined)) return undefined;
    const reachable = `with recursive reachable(id) as (
      select value from json_each(?) union select reference from Refs join reachable on referrer = reachable.id)`;
    const start = JSON.stringify(ids);
    const byId = new Map<SQLOutputValue, StorePath>();
    const graph = new Map<StorePath, StorePath[]>();
    const named = `${reachable} select v.id, v.path from reachable join ValidPaths v on v.id = reachable.id`;
    for (const [id, text] of this.tuples(named, start)) {
      const path = this.path(text);
      byId.set(id!, path);
      graph.set(path, []);
    }
    const edges = `${reachable} select referrer, reference from Refs join reachable on referrer = reachable.id`;
    for (const [referrer, reference] of this.tuples(edges, start)) {
      const path = byId.get(reference!);
      const references = graph.get(byId.get(referrer!) ?? ('' as StorePath));
      if (path === undefined || references === undefined) throw this.damaged('a reference to a path that is not there');
      references.push(path);
    }
    for (const references of graph.values()) references.sort();
    return graph;
  }

  validPaths(): StorePath[] {
    return this.all('select path from ValidPaths order by path').map((row) => this.path(row['path']));
  }

  /** Valid derivations one of whose outputs is `path`. */
  validDerivers(path: StorePath): StorePath[] {
    return this.all('select v.path from DerivationOutputs d join ValidPaths v on d.drv = v.id where d.path = ?', path)
      .map((row) => this.path(row['path']))
      .sort();
  }

  /** Outputs of a valid derivation that are known without building; by name. */
  derivationOutputs(drvPath: StorePath): Map<string, StorePath> {
    const rows = this.all(
      'select d.id, d.path from DerivationOutputs d join ValidPaths v on d.drv = v.id where v.path = ? order by d.id',
      drvPath,
    );
    return new Map(rows.map((row) => [String(row['id']), this.path(row['path'])]));
  }

  /** The valid path with this hash part. */
  pathFromHashPart(hashPart: string): StorePath | undefined {
    const prefix = `${this.storeDir}/${hashPart}-`;
    const row = this.one('select path from ValidPaths where path >= ? limit 1', prefix);
    const path = row?.['path'];
    return typeof path === 'string' && path.startsWith(prefix) ? this.path(path) : undefined;
  }

  /**
   * Records validity; inside transaction() only.
   * @param known ids of valid paths
   * @returns ids of what is registered, and of what it refers to
   * @throws StoreError where a reference is not valid
   */
  register(
    registrations: readonly Registration[],
    known: ReadonlyMap<StorePath, number> = new Map(),
  ): Map<StorePath, number> {
    const unknown = new Set<StorePath>();
    for (const { info } of registrations) {
      unknown.add(info.path);
      for (const reference of info.references) if (!known.has(reference)) unknown.add(reference);
    }
    const ids = this.pathIds(unknown);
    for (const { info, outputs } of registrations) {
      const { path } = info;
      const hash = printHash({ algorithm: 'sha256', digest: info.narHash }, 'base16');
      const narSize = info.narSize === 0 ? null : info.narSize;
      const ultimate = info.ultimate ? 1 : null;
      const signatures = info.signatures.length === 0 ? null : info.signatures.join(' ');
      if (ids.has(path)) {
        this.run(
          'update ValidPaths set narSize = ?, hash = ?, ultimate = ?, sigs = ?, ca = ? where path = ?',
          narSize,
          hash,
          ultimate,
          signatures,
          info.ca,
          path,
        );
        continue;
      }
      const time = info.registrationTime === 0 ? Math.floor(Date.now() / 1000) : info.registrationTime;
      const id = this.run(
        'insert into ValidPaths (path, hash, registrationTime, deriver, narSize, ultimate, sigs, ca) values (?, ?, ?, ?, ?, ?, ?, ?)',
        path,
        hash,
        time,
        info.deriver,
        narSize,
        ultimate,
        signatures,
        info.ca,
      );
      ids.set(path, id);
      if (outputs !== undefined && isDerivationPath(path)) {
        for (const [name, output] of outputs) {
          this.run('insert or replace into DerivationOutputs (drv, id, path) values (?, ?, ?)', id, name, output);
        }
      }
    }
    for (const { info } of registrations) {
      if (info.references.length === 0) continue;
      const references = info.references.map((reference) => {
        const id = ids.get(reference) ?? known.get(reference);
        if (id === undefined) throw new StoreError(`path '${reference}' is not valid`);
        return id;
      });
      this.run(
        'insert or replace into Refs (referrer, reference) select ?, value from json_each(?)',
        ids.get(info.path)!,
        JSON.stringify(references),
      );
    }
    return ids;
  }

  /** What an output of a resolved derivation came to be, valid or not. */
  realisation(drvPath: StorePath, output: string): Realisation | undefined {
    this.hasTrace ||=
      this.one("select 1 from sqlite_master where type = 'table' and name = 'BuildTraceV3'") !== undefined;
    if (!this.hasTrace) return undefined;
    const row = this.one(
      'select outputPath, signatures from BuildTraceV3 where drvPath = ? and outputName = ?',
      baseName(drvPath),
      output,
    );
    if (row === undefined) return undefined;
    const signatures = String(row['signatures'] ?? '')
      .split(' ')
      .filter((signature) => signature !== '');
    return { drvPath, output, outPath: this.path(row['outputPath']), signatures };
  }

  /** Records what outputs of resolved derivations came to be; `false` of `keep` says that an older record is void. */
  registerRealisations(realisations: readonly Realisation[], keep: (old: StorePath) => boolean): void {
    this.transaction(() => {
      if (!this.hasTrace) this.db.exec(traceSchema);
      this.hasTrace = true;
      for (const { drvPath, output, outPath, signatures } of realisations) {
        const old = this.realisation(drvPath, output);
        if (old !== undefined && old.outPath !== outPath && keep(old.outPath)) {
          throw new StoreError(
            `Trying to register a realisation of '${baseName(drvPath)}^${output}', but we already have another one locally.\nLocal:  ${old.outPath}\nRemote: ${outPath}`,
          );
        }
        const kept = old?.outPath === outPath ? old.signatures : [];
        if (kept.length > 0 && signatures.every((signature) => kept.includes(signature))) continue;
        this.run('delete from BuildTraceV3 where drvPath = ? and outputName = ?', baseName(drvPath), output);
        this.run(
          'insert into BuildTraceV3 (drvPath, outputName, outputPath, signatures) values (?, ?, ?, ?)',
          baseName(drvPath),
          output,
          outPath,
          [...new Set([...kept, ...signatures])].sort().join(' '),
        );
      }
    });
  }

  /** Forgets a path; the caller has seen to it that nothing refers to it. */
  invalidate(path: StorePath): void {
    this.run('delete from ValidPaths where path = ?', path);
  }

  setSignatures(path: StorePath, signatures: readonly string[]): void {
    this.run('update ValidPaths set sigs = ? where path = ?', signatures.join(' '), path);
  }

  /** What SQLite itself has to say about the file: [] when it is sound. */
  integrityProblems(): string[] {
    return this.all('pragma integrity_check')
      .map((row) => String(row['integrity_check']))
      .filter((line) => line !== 'ok');
  }

  /** For who is about to delete what is not in it: rows may be lost without any error. @throws StoreError */
  requireSound(): void {
    const problem = String(this.one('pragma quick_check(1)')?.['quick_check']);
    if (problem !== 'ok') throw this.damaged(problem);
  }

  close(): void {
    this.statements.clear();
    if (this.db.isOpen) this.db.close();
  }
}

/** The version in the file `schema`, 0 for a store without database. @throws StoreError where it says nothing */
export function readSchemaVersion(file: string): number {
  let text: string;
  try {
    text = readFileSync(fsPath(file), 'latin1');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 0;
    throw ioError('opening file', file, error);
  }
  const match = /^\s*(\d{1,9})\s*$/.exec(text);
  if (match === null) throw new StoreError(`'${file}' is corrupt`);
  return Number(match[1]);
}
