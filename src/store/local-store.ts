// The store on this machine's disk, laid out and locked as Nix's, so that both may use it in turn or at once. The
// logical store directory (/nix/store) need not be the real one: `local?root=DIR` keeps it in DIR/nix/store.
// Invariant: a path is valid only once it is complete on disk, canonicalised, and in the database, in this order; a
// process killed at any time leaves at worst paths that are not valid, which the next writer or a collection removes.
import { randomBytes } from 'node:crypto';
import { lstatSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { StoreError } from '../util/errors.ts';
import { fromBuffer, fsPath } from '../util/bytes.ts';
import { AddedObjects } from './added-objects.ts';
import { canonicalise } from './canonicalise.ts';
import { checkedOutputs, parseStoredDerivation } from './check-derivation.ts';
import { contentAddressedInfo } from './content-address.ts';
import { StoreDatabase } from './database.ts';
import type { Registration } from './database.ts';
import { deletePath, tryDeletePaths } from './delete-path.ts';
import type { Derivation } from './derivation.ts';
import { computeAddPath } from './dummy-store.ts';
import { DerivationHashes } from './hash-modulo.ts';
import { makeRootLink, registerDivertedRoot, registerIndirectRoot } from './gc-roots.ts';
import { hashGitTree } from './git-hash.ts';
import { createHasher, hashBytes } from './hash.ts';
import { IncomingNar } from './incoming-nar.ts';
import { holdsPathLock, PathLocks } from './locks.ts';
import type { PathLockOptions } from './locks.ts';
import { moveObject } from './move-object.ts';
import { dumpFlat, dumpNar, hashNar, ioError, narOfText } from './nar-dump.ts';
import type { NarSink } from './nar-dump.ts';
import { narBufferSize, NarIngest } from './nar-ingest.ts';
import { Optimiser } from './optimise.ts';
import { readKnown, type PendingContents, type PendingObject } from './pending-objects.ts';
import type { Realisation } from './realisation.ts';
import { topologicalSort } from './references.ts';
import { prepareLayout, readOnlyError, writeSchemaVersion } from './store-layout.ts';
import type { StoreLayout } from './store-layout.ts';
import { isDerivationPath, isInStore, makeFixedOutputPath, makeTextPath } from './store-path.ts';
import type { QueriedStore } from './queried-store.ts';
import type { AddPathOptions, PathInfo, StorePath } from './store.ts';
import { TempRootsHandle } from './temp-roots.ts';

export interface LocalStoreOptions extends StoreLayout {
  readonly uri: string;
  /** What builds in it may ask for (parameter system-features); default: what the settings say. */
  readonly systemFeatures?: readonly string[];
  /** Nothing is made or changed; a store that is not there has no valid paths. */
  readonly readOnly?: boolean;
  /** False: `pragma synchronous = off`. */
  readonly fsyncMetadata?: boolean;
  /** Files of what is added become hard links to others that are the same. */
  readonly autoOptimise?: boolean;
  readonly warn?: (message: string) => void;
}

export class LocalStore implements QueriedStore {
  readonly storeDir: string;
  readonly realStoreDir: string;
  readonly stateDir: string;
  readonly logDir: string;
  readonly uri: string;
  readonly systemFeatures: readonly string[] | undefined;
  readonly readOnly: boolean;
  /** The database was asked, or looked for. */
  wasAsked = false;
  private readonly layout: StoreLayout;
  private readonly fsync: boolean;
  private readonly warn: (message: string) => void;
  private readonly optimiser: Optimiser | undefined;
  private openedDatabase: StoreDatabase | null | undefined;
  private openedRoots: TempRootsHandle | undefined;
  private readonly added = new AddedObjects({
    database: () => this.writable(),
    roots: () => this.roots(),
    openedRoots: () => this.openedRoots,
    real: (path) => this.real(path),
    lock: (paths, roots) => this.lockForWriting(paths, roots),
    placed: (real) => {
      this.optimiser?.optimise(real);
    },
  });
  private readonly hashes: DerivationHashes;

  constructor(options: LocalStoreOptions) {
    this.layout = options;
    this.storeDir = options.storeDir;
    this.realStoreDir = options.realStoreDir;
    this.stateDir = options.stateDir;
    this.logDir = options.logDir;
    this.uri = options.uri;
    this.systemFeatures = options.systemFeatures;
    this.readOnly = options.readOnly ?? false;
    this.fsync = options.fsyncMetadata ?? true;
    this.warn = options.warn ?? ((): void => undefined);
    if (options.autoOptimise === true) this.optimiser = new Optimiser(this.realStoreDir, { warn: this.warn });
    this.hashes = new DerivationHashes(this.storeDir, (drvPath) => this.readDerivation(drvPath));
  }

  // ---- opening -------------------------------------------------------------------------------------------------

  /** The database, opened (and made) on first use; undefined for a read-only store that is not there. */
  private database(): StoreDatabase | undefined {
    this.wasAsked = true;
    if (this.openedDatabase === undefined) this.openedDatabase = this.openDatabase() ?? null;
    return this.openedDatabase ?? undefined;
  }

  /** Opens, or makes, the store now and not at its first use. @throws StoreError */
  open(): void {
    this.database();
  }

  private openDatabase(): StoreDatabase | undefined {
    const file = `${this.stateDir}/db/db.sqlite`;
    const options = { readOnly: this.readOnly, storeDir: this.storeDir, fsync: this.fsync, warn: this.warn };
    if (this.readOnly) {
      try {
        lstatSync(fsPath(file));
      } catch {
        return undefined; // no store yet: nothing is valid
      }
      return new StoreDatabase(file, options);
    }
    const isNew = prepareLayout(this.layout);
    const database = new StoreDatabase(file, options);
    if (isNew) {
      try {
        database.createSchema();
        writeSchemaVersion(this.layout);
      } catch (error) {
        database.close();
        throw error;
      }
    }
    return database;
  }

  /** For the parts of a store that live in files of their own: queries, collection, verification. */
  get db(): StoreDatabase {
    const database = this.writable();
    return database;
  }

  private writable(): StoreDatabase {
    if (this.readOnly) throw readOnlyError(this.uri, this.realStoreDir, this.database() !== undefined);
    return this.database()!;
  }

  /** What a read-only store may be asked to add: what it has. @throws StoreError for anything else */
  private presentPath(path: StorePath): StorePath {
    if (!this.isValidPath(path)) this.writable();
    return path;
  }

  private roots(): TempRootsHandle {
    if (this.openedRoots === undefined) {
      this.writable();
      this.openedRoots = new TempRootsHandle(this.stateDir, () => {
        this.warn('waiting for the big garbage collector lock...');
      });
    }
    return this.openedRoots;
  }

  // ---- asking --------------------------------------------------------------------------------------------------

  isValidPath(path: StorePath): boolean {
    return this.added.isValid(path) || this.database()?.pathId(path) !== undefined;
  }

  pathInfo(path: StorePath): PathInfo | undefined {
    return this.added.get(path)?.info ?? this.database()?.pathInfo(path);
  }

  queryPathInfo(path: StorePath): Promise<PathInfo | undefined> {
    return Promise.resolve(this.pathInfo(path));
  }

  realPath(path: string): string {
    if (!isInStore(path, this.storeDir)) return path === this.storeDir ? this.realStoreDir : path;
    if (!this.added.isEmpty) {
      const end = path.indexOf('/', this.storeDir.length + 1);
      if (this.added.has((end < 0 ? path : path.slice(0, end)) as StorePath)) this.flush();
    }
    return this.realStoreDir + path.slice(this.storeDir.length);
  }

  private real(path: StorePath): string {
    return this.realStoreDir + path.slice(this.storeDir.length);
  }

  referrers(path: StorePath): StorePath[] {
    this.flush();
    return this.database()?.referrers(path) ?? [];
  }

  closure(paths: readonly StorePath[]): StorePath[] {
    const database = this.database();
    const graph = this.added.isEmpty ? database?.referenceGraph(paths) : undefined;
    return topologicalSort(
      paths,
      (path) => {
        const references = graph?.get(path) ?? this.added.get(path)?.info.references ?? database?.references(path);
        if (references === undefined) throw new StoreError(`path '${path}' is not valid`);
        return references;
      },
      true,
    );
  }

  referenceGraph(paths: readonly StorePath[]): Map<StorePath, StorePath[]> | undefined {
    this.flush();
    return this.database()?.referenceGraph(paths);
  }

  validPaths(): StorePath[] {
    this.flush();
    return this.database()?.validPaths() ?? [];
  }

  validDerivers(path: StorePath): StorePath[] {
    this.flush();
    return this.database()?.validDerivers(path) ?? [];
  }

  derivationOutputs(drvPath: StorePath): Map<string, StorePath> {
    this.flush();
    return this.database()?.derivationOutputs(drvPath) ?? new Map<string, StorePath>();
  }

  realisation(drvPath: StorePath, output: string): StorePath | undefined {
    return this.buildTrace(drvPath, output)?.outPath;
  }

  buildTrace(drvPath: StorePath, output: string): Realisation | undefined {
    return this.database()?.realisation(drvPath, output);
  }

  registerRealisations(realisations: readonly Realisation[]): void {
    this.writable().registerRealisations(realisations, (old) => this.isValidPath(old));
  }

  pathFromHashPart(hashPart: string): StorePath | undefined {
    this.flush();
    return this.database()?.pathFromHashPart(hashPart);
  }

  /** Adds to what a valid path has. */
  addSignatures(path: StorePath, signatures: readonly string[]): void {
    this.flush();
    const known = this.pathInfo(path)?.signatures ?? [];
    this.writable().setSignatures(path, [...new Set([...known, ...signatures])].sort());
  }

  dumpPath(path: StorePath, sink: NarSink): void {
    if (!this.isValidPath(path)) throw new StoreError(`path '${path}' is not valid`);
    dumpNar(this.realPath(path), sink);
  }

  readDerivation(drvPath: StorePath): Derivation {
    const waiting = this.added.get(drvPath);
    let text: string;
    if (waiting?.contents.kind === 'text') text = fromBuffer(waiting.contents.bytes);
    else {
      const file = this.realPath(drvPath);
      try {
        text = readFileSync(fsPath(file), 'latin1');
      } catch (error) {
        throw ioError('opening file', drvPath, error);
      }
    }
    return parseStoredDerivation(drvPath, text, this.storeDir);
  }

  // ---- adding --------------------------------------------------------------------------------------------------

  addText(
    name: string,
    contents: Uint8Array | string,
    references: readonly StorePath[],
    outputs?: ReadonlyMap<string, StorePath>,
  ): StorePath {
    // One copy for all: what is hashed, twice, and what waits to be written. The caller may use its buffer again.
    const { nar, bytes } = narOfText(contents);
    const digest = hashBytes('sha256', bytes);
    const sorted = [...new Set(references)].sort();
    const path = makeTextPath(name, digest, sorted, this.storeDir);
    if (this.readOnly) return this.presentPath(path);
    this.added.add(path, bytes.length, () => {
      const info = contentAddressedInfo(path, { hash: hashBytes('sha256', nar), size: nar.length }, sorted, {
        method: 'text',
        algorithm: 'sha256',
        digest,
      });
      return this.checkedObject(info, { kind: 'text', bytes }, outputs);
    });
    return path;
  }

  addPath(realPath: string, options: AddPathOptions): StorePath {
    const { name, method, algorithm = 'sha256', filter } = options;
    if (this.readOnly) return this.presentPath(computeAddPath(realPath, options, this.storeDir));
    const references = [...new Set(options.references ?? [])].sort();
    const { known } = options;
    if (known !== undefined && known.size <= narBufferSize) {
      const path = makeFixedOutputPath({ name, method, algorithm, hash: known.hash, references }, this.storeDir);
      const make = (): PendingObject => {
        const info = contentAddressedInfo(path, known, references, { method, algorithm, digest: known.hash });
        return this.checkedObject(info, readKnown(realPath, known));
      };
      if (this.added.addPresent(path, known.size, make)) return path;
    }
    const gitHash = method === 'git' ? hashGitTree(realPath, algorithm) : undefined;
    const hasher = method === 'flat' || algorithm !== 'sha256' ? createHasher(algorithm) : undefined;
    // Collectors are kept away from what is too large for memory only.
    let release: (() => void) | undefined;
    const temporary = this.temporaryPlace();
    const ingest = new NarIngest(() => {
      release ??= this.roots().retain();
      return temporary.make();
    });
    try {
      const update = (chunk: Uint8Array): void => hasher?.update(chunk);
      const write = (chunk: Uint8Array): void => {
        update(chunk);
        ingest.write(chunk);
      };
      if (method === 'flat') dumpFlat(realPath, (chunk) => ingest.write(chunk), update, options.keepExecutable);
      else dumpNar(realPath, write, filter);
      const object = ingest.finish();
      const archive = { hash: object.narHash, size: object.narSize };
      options.onRead?.(archive);
      const digest = gitHash ?? hasher?.digest() ?? object.narHash;
      const path = makeFixedOutputPath({ name, method, algorithm, hash: digest, references }, this.storeDir);
      const info = contentAddressedInfo(path, archive, references, { method, algorithm, digest });
      const { chunks, tempPath } = object;
      if (chunks !== undefined) {
        this.added.add(path, object.narSize, () => this.checkedObject(info, { kind: 'nar', chunks }));
      } else {
        this.addTempRoot(path);
        if (!this.isValidPath(path)) {
          this.place(info, (real) => {
            this.rename(tempPath!, real);
          });
        }
      }
      return path;
    } finally {
      ingest.abort();
      temporary.remove();
      release?.();
    }
  }

  /** @throws StoreError where a reference is not valid, or the text is no derivation and should be one */
  private checkedObject(
    info: PathInfo,
    contents: PendingContents,
    outputs?: ReadonlyMap<string, StorePath>,
  ): PendingObject {
    for (const reference of info.references) {
      if (reference !== info.path && !this.isValidPath(reference))
        throw new StoreError(`path '${reference}' is not valid`);
    }
    let known = outputs;
    if (known === undefined && isDerivationPath(info.path) && contents.kind === 'text') {
      known = checkedOutputs(info.path, fromBuffer(contents.bytes), this.storeDir, this.hashes);
    }
    return known === undefined ? { info, contents } : { info, contents, outputs: known };
  }

  /**
   * Writes what was added and not written yet, and protects what was found valid. Called by whatever looks at the disk
   * through this object; call it before another process is to see the store.
   * @throws StoreError; what was to be written is then forgotten
   */
  flush(): void {
    this.added.flush();
  }

  /** With `roots`, keeps collectors away first, by the same helper process where nobody is in the way. */
  private lockForWriting(paths: readonly StorePath[], roots?: TempRootsHandle): PathLocks {
    // A path that this process has locked is being built or unpacked by the caller itself.
    const real = paths.map((path) => this.real(path)).filter((path) => !holdsPathLock(path));
    if (roots !== undefined) {
      const locks = roots.holdAndLock(real);
      if (locks !== undefined) return locks;
    }
    return PathLocks.acquireSync(real); // without a word, as Nix does: several that evaluate the same meet often
  }

  /** Under the path's lock: removes rubbish, has `make` make the object there, registers it. */
  private place(info: PathInfo, make: (real: string) => void): void {
    this.flush();
    const database = this.writable();
    const locks = this.lockForWriting([info.path]);
    try {
      if (database.pathId(info.path) !== undefined) return;
      const real = this.real(info.path);
      deletePath(real);
      try {
        make(real);
        this.optimiser?.optimise(real);
        this.registerValidPaths([info]);
      } catch (error) {
        tryDeletePaths([real]);
        throw error;
      }
    } finally {
      locks.release(true);
    }
  }

  /**
   * Takes in an archive, whose description may come after it; collectors are kept away until close(). What the
   * description says of signatures and content address is the caller's to have checked.
   */
  incoming(): IncomingNar {
    const temporary = this.temporaryPlace();
    return new IncomingNar({
      makeTemp: temporary.make,
      removeTemp: temporary.remove,
      holdOffCollector: () => this.roots().retain(),
      isValid: (path) => {
        this.addTempRoot(path);
        return this.isValidPath(path);
      },
      place: (info, make) => {
        this.place(info, make);
      },
      rename: (from, to) => {
        this.rename(from, to);
      },
    });
  }

  /**
   * Adds an object from its archive, checked against `info`.
   * @throws HashMismatchError, CorruptNarError, StoreError
   */
  addNar(info: PathInfo, archive: Iterable<Uint8Array>): void {
    const incoming = this.incoming();
    try {
      if (incoming.isValid(info.path)) return;
      for (const chunk of archive) incoming.write(chunk);
      incoming.finish(info);
    } finally {
      incoming.close();
    }
  }

  /** A place beside the store's objects, made on demand. Collectors are kept away meanwhile by the caller. */
  private temporaryPlace(): { readonly make: () => string; readonly remove: () => void } {
    let dir: string | undefined;
    return {
      make: (): string => {
        dir = this.makeTempDir();
        return `${dir}/x`;
      },
      remove: (): void => {
        if (dir !== undefined) deletePath(dir);
      },
    };
  }

  /** An empty directory on the store's file system, whose name Nix's collector takes for rubbish. Remove it yourself. */
  makeTempDir(): string {
    this.writable();
    const dir = `${this.realStoreDir}/tmp-${String(process.pid)}-${randomBytes(6).toString('hex')}`;
    try {
      mkdirSync(fsPath(dir), 0o700);
    } catch (error) {
      throw ioError('creating directory', dir, error);
    }
    return dir;
  }

  // ---- pieces for builders -------------------------------------------------------------------------------------

  canonicalisePath(real: string): void {
    canonicalise(real);
  }

  hashPath(real: string): { readonly narHash: Uint8Array; readonly narSize: number } {
    const { hash, size } = hashNar(real);
    return { narHash: hash, narSize: size };
  }

  /** Renames a canonicalised object into its place, replacing rubbish there. The caller holds the path's lock. */
  moveIntoStore(realTmp: string, path: StorePath): void {
    this.flush();
    if (this.writable().pathId(path) !== undefined) {
      throw new StoreError(`cannot overwrite valid path '${path}'`);
    }
    const real = this.real(path);
    // Without a sandbox it was made where it stays.
    if (real !== realTmp) {
      deletePath(real);
      this.rename(realTmp, real);
    }
    this.optimiser?.optimise(real);
  }

  /** As moveIntoStore(), where a valid path may lie, which is lost or corrupted; readers see the old or the new one. */
  replaceValidPath(realTmp: string, path: StorePath): void {
    this.flush();
    const real = this.real(path);
    const aside = `${this.makeTempDir()}/old`;
    try {
      if (lstatSync(fsPath(real), { throwIfNoEntry: false }) !== undefined) this.rename(real, aside);
      this.rename(realTmp, real);
    } finally {
      deletePath(dirname(aside));
    }
    this.optimiser?.optimise(real, true);
  }

  private rename(from: string, to: string): void {
    moveObject(from, to, () => this.makeTempDir());
  }

  /** Locks paths for building, waiting for other processes and other jobs of this one. */
  lockPaths(paths: readonly StorePath[], options: PathLockOptions = {}): Promise<PathLocks> {
    this.writable();
    this.flush();
    return PathLocks.acquire(
      paths.map((path) => this.real(path)),
      options,
    );
  }

  /** As lockPaths(), undefined where someone else has one of them. */
  tryLockPaths(paths: readonly StorePath[]): PathLocks | undefined {
    this.writable();
    this.flush();
    return PathLocks.tryAcquire(paths.map((path) => this.real(path)));
  }

  registerValidPaths(infos: readonly PathInfo[]): void {
    this.flush();
    const database = this.writable();
    const byPath = new Map(infos.map((info) => [info.path, info]));
    topologicalSort([...byPath.keys()], (path) => byPath.get(path)!.references);
    const registrations = infos.map((info): Registration => {
      if (!isDerivationPath(info.path) || database.pathId(info.path) !== undefined) return { info };
      const text = readFileSync(fsPath(this.real(info.path)), 'latin1');
      return { info, outputs: checkedOutputs(info.path, text, this.storeDir, this.hashes) };
    });
    database.transaction(() => {
      database.register(registrations);
    });
  }

  // ---- roots ---------------------------------------------------------------------------------------------------

  addTempRoot(path: StorePath): void {
    this.roots().add(path);
  }

  /** Keeps collectors away until the function returned is called. For work over several turns of the event loop. */
  holdOffCollector(): () => void {
    return this.roots().retain();
  }

  /** For a collector in this process: gives back what keeps collectors away. */
  releaseCollectorLock(): void {
    this.added.forgetRegistered();
    this.openedRoots?.release();
  }

  addIndirectRoot(link: string, target: StorePath): void {
    this.flush();
    this.addTempRoot(target);
    makeRootLink(link, target, this.storeDir, this.realStoreDir);
    if (this.realStoreDir !== this.storeDir) registerDivertedRoot(this.stateDir, link, target);
    this.registerIndirectRoot(link);
  }

  /** Tells collectors of a link that exists (or will): `gcroots/auto/HASH` → link. */
  registerIndirectRoot(link: string): void {
    this.writable();
    registerIndirectRoot(this.stateDir, link);
  }

  close(): Promise<void> {
    try {
      this.added.finish();
    } finally {
      this.openedRoots?.close();
      this.openedRoots = undefined;
      this.openedDatabase?.close();
      this.openedDatabase = undefined;
    }
    return Promise.resolve();
  }
}
