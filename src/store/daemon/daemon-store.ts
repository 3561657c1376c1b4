// A store behind a Nix daemon: `daemon`, `unix://SOCKET`, `ssh-ng://HOST`. Evaluate here, build there. Every answer is
// the daemon's; what is remembered is only what can't change while this process runs: what is valid and rooted.
import { readFileSync } from 'node:fs';
import { fromBuffer, fsPath, toBuffer } from '../../util/bytes.ts';
import { StoreError } from '../../util/errors.ts';
import { parseStoredDerivation } from '../check-derivation.ts';
import { methodPrefix, type Derivation } from '../derivation.ts';
import { makeRootLink } from '../gc-roots.ts';
import { parseHash } from '../hash.ts';
import { dumpFlat, dumpNar } from '../nar-dump.ts';
import { ignoreNar, type NarVisitor } from '../nar-parse.ts';
import { topologicalSort } from '../references.ts';
import { isInStore, parseStorePath } from '../store-path.ts';
import type { QueriedStore } from '../queried-store.ts';
import type { AddPathOptions, PathInfo, StorePath } from '../store.ts';
import { writeBasicDerivation } from './basic-derivation.ts';
import { readBuiltOutputs, type RemoteBuildResult } from './build-result.ts';
import type { Channel } from './channel.ts';
import { FetchedObjects } from './fetched-objects.ts';
import { DaemonConnection, type DaemonObserver } from './connection.ts';
import { operation, workerVersion } from './operations.ts';

export interface DaemonStoreOptions {
  readonly uri: string;
  readonly storeDir: string;
  /** Where the store directory lies on this machine; undefined: on another one. */
  readonly realStoreDir: string | undefined;
  /** Where logs of builds lie on this machine. */
  readonly logDir?: string;
  readonly connect: () => Channel;
  /** What the daemon is told of our settings. */
  readonly settings: () => DaemonSettings;
  readonly message: (text: string) => void;
}

export interface DaemonSettings {
  readonly keepFailed: boolean;
  readonly keepGoing: boolean;
  readonly fallback: boolean;
  readonly maxJobs: number;
  readonly maxSilentTime: number;
  readonly cores: number;
  readonly substitute: boolean;
  /** Others that the user set. */
  readonly others: ReadonlyMap<string, string>;
}

export const defaultDaemonSettings = (): DaemonSettings => ({
  keepFailed: false,
  keepGoing: false,
  fallback: false,
  maxJobs: 1,
  maxSilentTime: 0,
  cores: 0,
  substitute: true,
  others: new Map(),
});

/** What will happen to reach targets. */
export interface MissingPaths {
  readonly willBuild: readonly StorePath[];
  readonly willSubstitute: readonly StorePath[];
  readonly unknown: readonly StorePath[];
  readonly downloadSize: number;
  readonly narSize: number;
}

export interface DaemonBuildResult extends RemoteBuildResult {
  /** `PATH` or `DRV!OUT,OUT`, as asked. */
  readonly target: string;
}

/** Nix's levels of verbosity. */
const levelInfo = 3;
const levelVomit = 7;

export class DaemonStore implements QueriedStore {
  readonly storeDir: string;
  readonly uri: string;
  readonly realStoreDir: string | undefined;
  readonly logDir: string | undefined;
  private readonly options: DaemonStoreOptions;
  private opened: DaemonConnection | undefined;
  private readonly valid = new Set<StorePath>();
  private readonly rooted = new Set<StorePath>();
  private readonly fetched = new FetchedObjects(this);

  constructor(options: DaemonStoreOptions) {
    this.options = options;
    this.storeDir = options.storeDir;
    this.realStoreDir = options.realStoreDir;
    this.logDir = options.logDir;
    this.uri = options.uri;
  }

  /** The connection, made at first use. @throws StoreError */
  private get connection(): DaemonConnection {
    if (this.opened === undefined) {
      let connection: DaemonConnection;
      try {
        connection = new DaemonConnection(this.options.connect());
      } catch (error) {
        if (!(error instanceof StoreError)) throw error;
        throw new StoreError(`cannot open connection to remote store '${this.uri}': ${error.message}`, {
          cause: error,
        });
      }
      connection.observer = { message: this.options.message };
      this.opened = connection;
      this.setOptions(connection);
    }
    return this.opened;
  }

  /** Connects now and not at its first use. @throws StoreError */
  open(): void {
    this.connection.channel.flush();
  }

  /** Version of Nix on the other side; empty where it does not say. */
  get daemonVersion(): string {
    return this.connection.daemonVersion;
  }

  /** What the daemon speaks, and what we do: (major << 8) | minor. */
  get protocolVersions(): { readonly store: number; readonly client: number } {
    return { store: this.connection.theirVersion, client: workerVersion };
  }

  /** Whether we may do everything there; undefined where it does not say. */
  get trustsUs(): boolean | undefined {
    return this.connection.trustsUs;
  }

  private setOptions(to: DaemonConnection): void {
    const settings = this.options.settings();
    to.number(operation.setOptions);
    to.boolean(settings.keepFailed);
    to.boolean(settings.keepGoing);
    to.boolean(settings.fallback);
    to.number(levelInfo);
    to.number(settings.maxJobs);
    to.number(settings.maxSilentTime);
    to.boolean(true); // use the build hook: the daemon's own business
    to.number(levelVomit); // logs of builds come as results, not as messages
    to.number(0);
    to.number(0);
    to.number(settings.cores);
    to.boolean(settings.substitute);
    to.number(settings.others.size);
    for (const [name, value] of settings.others) {
      to.string(name);
      to.string(value);
    }
    to.finish();
  }

  /** Sends a request and waits until its answer can be read. */
  protected ask(code: number, write: (to: DaemonConnection) => void = (): void => undefined): DaemonConnection {
    const { connection } = this;
    connection.number(code);
    write(connection);
    connection.finish();
    return connection;
  }

  protected parse(path: string): StorePath {
    return parseStorePath(path, this.storeDir);
  }

  protected readPaths(from: DaemonConnection): StorePath[] {
    return from.readStrings().map((path) => this.parse(path));
  }

  // ---- asking --------------------------------------------------------------------------------------------------

  isValidPath(path: StorePath): boolean {
    if (this.valid.has(path)) return true;
    const valid = this.ask(operation.isValidPath, (to) => to.string(path)).readBoolean();
    if (valid) this.valid.add(path);
    return valid;
  }

  pathInfo(path: StorePath): PathInfo | undefined {
    const from = this.ask(operation.queryPathInfo, (to) => to.string(path));
    if (!from.readBoolean()) return undefined;
    return this.readInfo(from, path);
  }

  private readInfo(from: DaemonConnection, path: StorePath): PathInfo {
    const deriver = from.readString();
    const narHash = parseHash(from.readString(), 'sha256').digest;
    const references = this.readPaths(from).sort();
    const registrationTime = from.readNumber();
    const narSize = from.readNumber();
    const ultimate = from.readBoolean();
    const signatures = from.readStrings();
    const ca = from.readString();
    return {
      path,
      narHash,
      narSize,
      references,
      deriver: deriver === '' ? null : this.parse(deriver),
      registrationTime,
      ultimate,
      signatures,
      ca: ca === '' ? null : ca,
    };
  }

  queryPathInfo(path: StorePath): Promise<PathInfo | undefined> {
    return Promise.resolve(this.pathInfo(path));
  }

  referrers(path: StorePath): StorePath[] {
    return this.readPaths(this.ask(operation.queryReferrers, (to) => to.string(path))).sort();
  }

  validPaths(): StorePath[] {
    return this.readPaths(this.ask(operation.queryAllValidPaths)).sort();
  }

  /** Those that are valid; with `substitute` the daemon fetches what it can first. */
  queryValidPaths(paths: readonly StorePath[], substitute: boolean): Set<StorePath> {
    const from = this.ask(operation.queryValidPaths, (to) => {
      to.strings(paths);
      if (to.minor >= 27) to.boolean(substitute);
    });
    return new Set(this.readPaths(from));
  }

  /** Those that the daemon's substituters have. */
  querySubstitutablePaths(paths: readonly StorePath[]): Set<StorePath> {
    const from = this.ask(operation.querySubstitutablePaths, (to) => to.strings(paths));
    return new Set(this.readPaths(from));
  }

  validDerivers(path: StorePath): StorePath[] {
    return this.readPaths(this.ask(operation.queryValidDerivers, (to) => to.string(path))).sort();
  }

  pathFromHashPart(hashPart: string): StorePath | undefined {
    const path = this.ask(operation.queryPathFromHashPart, (to) => to.string(hashPart)).readString();
    return path === '' ? undefined : this.parse(path);
  }

  /** Outputs whose paths are known; by name. */
  derivationOutputs(drvPath: StorePath): Map<string, StorePath> {
    const from = this.ask(operation.queryDerivationOutputMap, (to) => to.string(drvPath));
    const outputs = new Map<string, StorePath>();
    for (let count = from.readNumber(); count > 0; count--) {
      const name = from.readString();
      const path = from.readString();
      if (path !== '') outputs.set(name, this.parse(path));
    }
    return outputs;
  }

  /** From what derivations the daemon knows outputs of, also of content-addressed ones. */
  realisation(drvPath: StorePath, output: string): StorePath | undefined {
    return this.isValidPath(drvPath) ? this.derivationOutputs(drvPath).get(output) : undefined;
  }

  closure(paths: readonly StorePath[]): StorePath[] {
    return topologicalSort(
      paths,
      (path) => {
        const info = this.pathInfo(path);
        if (info === undefined) throw new StoreError(`path '${path}' is not valid`);
        return info.references;
      },
      true,
    );
  }

  /** On this machine: where it lies. Else a copy of the store path, made for this process. */
  realPath(path: string): string {
    if (this.realStoreDir !== undefined) {
      if (path === this.storeDir) return this.realStoreDir;
      return isInStore(path, this.storeDir) ? this.realStoreDir + path.slice(this.storeDir.length) : path;
    }
    return this.fetched.realPath(path);
  }

  dumpPath(path: StorePath, sink: (chunk: Uint8Array) => void): void {
    this.receiveNar(path, ignoreNar, sink);
  }

  receiveNar(path: StorePath, visitor: NarVisitor, sink: (chunk: Uint8Array) => void = (): void => undefined): void {
    const from = this.ask(operation.narFromPath, (to) => to.string(path));
    try {
      from.readArchive(visitor, sink);
    } catch (error) {
      this.disconnect(); // what follows on the line makes no sense any more
      throw error;
    }
  }

  readDerivation(drvPath: StorePath): Derivation {
    let text = '';
    if (this.realStoreDir !== undefined) {
      try {
        text = readFileSync(fsPath(this.realPath(drvPath)), 'latin1');
      } catch {
        // not readable from here: the daemon has it
      }
    }
    if (text === '') {
      const parts: Buffer[] = [];
      const contents = (chunk: Uint8Array): void => void parts.push(Buffer.from(chunk));
      this.receiveNar(drvPath, { ...ignoreNar, contents });
      text = fromBuffer(Buffer.concat(parts));
    }
    return parseStoredDerivation(drvPath, text, this.storeDir);
  }

  // ---- adding --------------------------------------------------------------------------------------------------

  addText(name: string, contents: Uint8Array | string, references: readonly StorePath[]): StorePath {
    const bytes = typeof contents === 'string' ? toBuffer(contents) : contents;
    return this.addContents(name, 'text:sha256', references, (sink) => sink(bytes));
  }

  addPath(realPath: string, options: AddPathOptions): StorePath {
    const { name, method, algorithm = 'sha256', filter, references = [] } = options;
    if (method !== 'flat') {
      const address = `fixed:${methodPrefix(method)}${algorithm}`;
      return this.addContents(name, address, references, (sink) => dumpNar(realPath, sink, filter));
    }
    return this.addContents(name, `fixed:${algorithm}`, references, (sink) => {
      dumpFlat(realPath, () => undefined, sink, options.keepExecutable);
    });
  }

  private addContents(
    name: string,
    method: string,
    references: readonly StorePath[],
    write: (sink: (chunk: Uint8Array) => void) => void,
  ): StorePath {
    const { connection } = this;
    connection.number(operation.addToStore);
    connection.string(name);
    connection.string(method);
    connection.strings([...new Set(references)].sort());
    connection.boolean(false); // repair
    try {
      connection.framed(write);
    } catch (error) {
      this.disconnect(); // in the middle of a frame
      throw error;
    }
    connection.finish();
    const path = this.parse(connection.readString());
    this.readInfo(connection, path);
    this.valid.add(path);
    this.rooted.add(path); // the daemon keeps what a connection adds until it ends
    return path;
  }

  registerValidPaths(): void {
    throw new StoreError(`operation 'registerValidPaths' is not supported by store '${this.uri}'`);
  }

  /** Adds a path from its archive. @throws DaemonError where the daemon does not trust it */
  async addNar(
    info: PathInfo,
    archive: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
    checkSignatures: boolean,
  ): Promise<void> {
    const { connection } = this;
    connection.number(operation.addToStoreNar);
    connection.pathInfo(info);
    connection.boolean(false); // repair
    connection.boolean(!checkSignatures);
    try {
      for await (const chunk of archive) connection.frameOf(chunk);
      connection.frameOf(new Uint8Array(0));
    } catch (error) {
      this.disconnect(); // in the middle of a frame
      throw error;
    }
    connection.finish();
    this.valid.add(info.path);
  }

  addSignatures(path: StorePath, signatures: readonly string[]): void {
    this.ask(operation.addSignatures, (to) => {
      to.string(path);
      to.strings(signatures);
    }).readNumber();
  }

  // ---- building ------------------------------------------------------------------------------------------------

  /** @param targets `PATH`, `DRV!OUT,OUT` or `DRV!*` */
  queryMissing(targets: readonly string[]): MissingPaths {
    const from = this.ask(operation.queryMissing, (to) => to.strings(targets));
    return {
      willBuild: this.readPaths(from),
      willSubstitute: this.readPaths(from),
      unknown: this.readPaths(from),
      downloadSize: from.readNumber(),
      narSize: from.readNumber(),
    };
  }

  ensurePath(path: StorePath): void {
    this.ask(operation.ensurePath, (to) => to.string(path)).readNumber();
    this.valid.add(path);
  }

  /**
   * Builds; what the daemon says meanwhile goes to `observer`.
   * @throws DaemonError where the daemon (before 2.6) reports failures so; the signal's reason
   */
  async buildPaths(
    targets: readonly string[],
    mode: 'normal' | 'repair' | 'check',
    observer: DaemonObserver,
    signal?: AbortSignal,
  ): Promise<DaemonBuildResult[]> {
    const { connection } = this;
    const before = connection.observer;
    connection.observer = { ...before, ...observer };
    const withResults = connection.minor >= 34;
    try {
      connection.number(withResults ? operation.buildPathsWithResults : operation.buildPaths);
      connection.strings(targets);
      connection.number(mode === 'normal' ? 0 : mode === 'repair' ? 1 : 2);
      await connection.finishLater(signal);
      if (!withResults) {
        connection.readNumber();
        return targets.map((target) => ({ target, status: 0, message: '', outputs: new Map() }));
      }
      const results: DaemonBuildResult[] = [];
      for (let count = connection.readNumber(); count > 0; count--) {
        const target = connection.readString();
        results.push({ target, ...this.readResult(connection) });
      }
      return results;
    } finally {
      connection.observer = before;
      if (signal?.aborted === true) this.disconnect();
    }
  }

  /**
   * Has a derivation built that is not there; its inputs are.
   * @throws DaemonError, the signal's reason
   */
  async buildDerivation(
    drvPath: StorePath,
    drv: Derivation,
    inputs: readonly StorePath[],
    observer: DaemonObserver,
    signal: AbortSignal,
  ): Promise<RemoteBuildResult> {
    const { connection } = this;
    connection.observer = { ...connection.observer, ...observer };
    connection.number(operation.buildDerivation);
    connection.string(drvPath);
    writeBasicDerivation(connection, drv, inputs);
    connection.number(0); // mode
    await connection.finishLater(signal);
    return this.readResult(connection);
  }

  private readResult(from: DaemonConnection): RemoteBuildResult {
    const status = from.readNumber();
    const message = from.readString();
    if (from.minor >= 29) for (let i = 0; i < 4; i++) from.readNumber(); // times built, determinism, start, stop
    if (from.minor >= 37) for (let i = 0; i < 2; i++) if (from.readNumber() === 1) from.readNumber(); // CPU times
    const outputs = from.minor >= 28 ? readBuiltOutputs(from, this.storeDir) : new Map<string, StorePath>();
    return { status, message, outputs };
  }

  // ---- roots ---------------------------------------------------------------------------------------------------

  addTempRoot(path: StorePath): void {
    if (this.rooted.has(path)) return;
    this.ask(operation.addTempRoot, (to) => to.string(path)).readNumber();
    this.rooted.add(path);
  }

  addIndirectRoot(link: string, target: StorePath): void {
    if (this.realStoreDir === undefined) {
      throw new StoreError(`store '${this.uri}' lies on another machine: there is nothing to link to`);
    }
    this.addTempRoot(target);
    // To the path as the daemon's collector knows it, wherever the store lies.
    makeRootLink(link, target, this.storeDir);
    this.ask(operation.addIndirectRoot, (to) => to.string(link)).readNumber();
  }

  /** Roots and what they protect. Who is not trusted is told `{censored}` of the others' processes. */
  findRoots(): [link: string, path: StorePath][] {
    const from = this.ask(operation.findRoots);
    const roots: [string, StorePath][] = [];
    for (let count = from.readNumber(); count > 0; count--)
      roots.push([from.readString(), this.parse(from.readString())]);
    return roots;
  }

  /** @returns whether something is wrong and was not put right */
  verify(options: { readonly checkContents: boolean; readonly repair: boolean }): boolean {
    return (
      this.ask(operation.verifyStore, (to) => {
        to.boolean(options.checkContents);
        to.boolean(options.repair);
      }).readNumber() !== 0
    );
  }

  /** Makes hard links of files that are the same. */
  optimise(): void {
    this.ask(operation.optimiseStore).readNumber();
  }

  /** Deletes, or lists, what nothing needs. */
  collectGarbage(
    action: 'live' | 'dead' | 'delete' | 'delete-specific',
    options: {
      readonly paths?: readonly StorePath[];
      readonly ignoreLiveness?: boolean;
      readonly maxFreedBytes?: number;
    },
  ): { readonly paths: string[]; readonly freedBytes: number } {
    const actions = { live: 0, dead: 1, delete: 2, 'delete-specific': 3 } as const;
    const from = this.ask(operation.collectGarbage, (to) => {
      to.number(actions[action]);
      to.strings(options.paths ?? []);
      to.boolean(options.ignoreLiveness ?? false);
      to.number(Math.min(options.maxFreedBytes ?? Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER));
      for (let i = 0; i < 3; i++) to.number(0);
    });
    const paths = from.readStrings();
    const freedBytes = from.readNumber();
    from.readNumber();
    this.valid.clear();
    return { paths, freedBytes };
  }

  flush(): void {
    // nothing waits
  }

  private disconnect(): void {
    this.opened?.channel.close();
    this.opened = undefined;
    this.rooted.clear(); // temporary roots end with their connection
  }

  close(): Promise<void> {
    this.disconnect();
    this.fetched.close();
    return Promise.resolve();
  }
}
