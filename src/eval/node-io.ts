// EvalIo over the real machine: node:fs, the environment, a store. Paths below the logical store directory may lie
// elsewhere on disk (chroot stores): only this file knows. Symlinks are therefore followed here, step by step, never
// by the kernel.
import { spawnSync } from 'node:child_process';
import { lstatSync, readdirSync, readFileSync, readlinkSync, statSync, type Stats } from 'node:fs';
import type { HttpSettings } from '../fetch/http-settings.ts';
import { hashString } from '../store/hash.ts';
import { hashFile, hashNar } from '../store/nar.ts';
import { systemErrorText, type NarHash } from '../store/nar-dump.ts';
import { isContentAddressed } from '../store/signatures.ts';
import { defaultStoreDir, isInStore, makeFixedOutputPath, makeTextPath } from '../store/store-path.ts';
import type { StorePath, SyncStore } from '../store/store.ts';
import { fromBuffer, fromUtf8, fsPath, utf8 } from '../util/bytes.ts';
import { BuildError, EvalError, RestrictedError, StoreError } from '../util/errors.ts';
import { Fetcher, type Downloads } from './fetcher.ts';
import { followSymlinks } from './follow-symlinks.ts';
import { fileTypeOf, listFolder, type Listing } from './folder.ts';
import { internalFiles, isInternalPath } from './internal-files.ts';
import type { FileStamp } from './file-stamp.ts';
import { derivationChain } from './context.ts';
import type {
  AddPathOptions,
  EvalIo,
  FetchedFile,
  FileType,
  GitRequest,
  GitTree,
  MercurialRequest,
  MercurialTree,
  RealisedOutput,
  UrlRequest,
  WantedOutputs,
} from './io.ts';
import type { HostTool, HostToolRequest } from '../util/host-tool.ts';
import { canonicalPath } from './search-path.ts';
import { SeenFiles } from './seen-files.ts';
import type { TreeHashes } from './tree-hashes.ts';

export interface NodeEvalIoOptions {
  /** Absent: store paths are only computed. */
  readonly store?: SyncStore;
  /** Only without a store; default /nix/store. */
  readonly storeDir?: string;
  readonly system: string;
  /** Nothing is written to the store: paths are computed, derivations and texts kept in memory. */
  readonly readOnly?: boolean;
  /** Makes valid: called with `DRV^OUT,OUT` and PATH arguments, prints paths. Absent: import from derivation is an error. */
  readonly realiseCommand?: readonly string[];
  /** Whether that may fetch paths: then ensurePath() asks it. */
  readonly substitutes?: () => boolean;
  readonly log: (line: string) => void;
  /** Unix seconds; default: now. */
  readonly currentTime?: number;
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Pure or restricted mode: only these paths, what lies below them, and store paths that evaluation made. */
  readonly restrict?: { readonly pure: boolean; readonly allowed: readonly string[] };
  readonly hostTool?: (request: HostToolRequest) => HostTool | null;
  /** Files may change between what is evaluated (in a repl): they are looked at each time. */
  readonly filesChange?: boolean;
  /** Of copies that were made before. */
  readonly treeHashes?: () => TreeHashes | undefined;
  /** For downloads. */
  readonly http?: () => HttpSettings;
  /** Absent: what has no hash is downloaded by each evaluation. */
  readonly downloads?: () => Downloads;
}

function errnoCode(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? '';
}

/** Things that are not there, as opposed to things that can't be looked at. */
function isAbsent(error: unknown): boolean {
  const code = errnoCode(error);
  return code === 'ENOENT' || code === 'ENOTDIR' || code === 'EACCES' || code === 'ENAMETOOLONG';
}

export class NodeEvalIo implements EvalIo {
  readonly storeDir: string;
  readonly system: string;
  readonly hostTool?: (request: HostToolRequest) => HostTool | null;
  private readonly options: NodeEvalIoOptions;
  private readonly time: number;
  private readonly store: SyncStore | null;
  private readonly readOnly: boolean;
  /** Text objects of this evaluation, and in read-only mode its derivations. */
  private readonly texts = new Map<string, { readonly contents: string; readonly references: readonly string[] }>();
  private readonly derivations = new Map<string, string>();
  /**
   * Store path → what it is a whole copy of. Read in place of the copy, which may not be written yet (the store
   * collects writes) or never will be (read-only mode).
   */
  private readonly sources = new Map<string, string>();
  /** Store paths that read-only mode fetched: valid for it, though not in its store. */
  private readonly fetched = new Set<string>();
  private readonly fetcher: Fetcher;
  /** Copies of paths without filter, by name, method and path. */
  private readonly copies = new Map<string, string>();
  /** Directories with no symlink on the way. Evaluation takes the file system as unchanging. */
  private readonly realDirs = new Set<string>(['/']);
  /** Null where files may change. */
  protected seen: SeenFiles | null;
  private readonly allowed: Set<string> | null;
  private env: Map<string, string | undefined> | null = null;

  constructor(options: NodeEvalIoOptions) {
    this.options = options;
    this.store = options.store ?? null;
    this.storeDir = options.store?.storeDir ?? options.storeDir ?? defaultStoreDir;
    this.readOnly = options.readOnly === true || this.store === null;
    this.system = options.system;
    this.time = options.currentTime ?? Math.floor(Date.now() / 1000);
    this.allowed = options.restrict === undefined ? null : new Set(options.restrict.allowed);
    if (options.hostTool !== undefined) this.hostTool = options.hostTool;
    this.fetcher = new Fetcher({
      storeDir: this.storeDir,
      store: this.readOnly ? null : this.store,
      http: options.http,
      downloads: options.downloads,
      onTemporary: (storePath, path) => {
        this.sources.set(storePath, path);
        this.fetched.add(storePath);
      },
    });
    this.seen = options.filesChange === true ? null : new SeenFiles(this.storeDir);
  }

  get currentTime(): number {
    return this.time;
  }

  protected get restricted(): boolean {
    return this.allowed !== null;
  }

  /** Text objects and derivations of this evaluation need no disk. */
  protected isComputed(path: string): boolean {
    return this.texts.has(path) || this.derivations.has(path);
  }

  /** Where a canonical path lies on this machine. */
  protected physical(path: string): string {
    if (!isInStore(path, this.storeDir)) return path;
    const end = path.indexOf('/', this.storeDir.length + 1);
    const source = this.sources.get(end < 0 ? path : path.slice(0, end));
    if (source !== undefined) return end < 0 ? source : source + path.slice(end);
    return this.store === null ? path : this.store.realPath(path);
  }

  protected lstat(path: string): Stats | null {
    try {
      return lstatSync(fsPath(this.physical(path)));
    } catch (error) {
      if (isAbsent(error)) return null;
      throw new EvalError(`getting status of '${path}': ${systemErrorText(error)}`);
    }
  }

  checkAccess(path: string): void {
    if (this.mayRead(path)) return;
    const mode = this.options.restrict!.pure
      ? "in pure evaluation mode (use '--impure' to override)"
      : 'in restricted mode';
    throw new RestrictedError(`access to absolute path '${path}' is forbidden ${mode}`);
  }

  /** Below an allowed path, or on the way to one. */
  private mayRead(path: string): boolean {
    if (this.allowed === null || isInternalPath(path)) return true;
    for (let up = path; ; up = up.slice(0, up.lastIndexOf('/'))) {
      if (this.allowed.has(up === '' ? '/' : up)) return true;
      if (up === '' || up === '/') break;
    }
    const below = path === '/' ? '/' : `${path}/`;
    for (const allowed of this.allowed) if (allowed.startsWith(below)) return true;
    return false;
  }

  private allow(storePath: string): string {
    this.allowed?.add(storePath);
    this.seen?.addStorePath(storePath);
    return storePath;
  }

  readFile(path: string): string {
    const internal = internalFiles.get(path);
    if (internal !== undefined) return internal;
    this.checkAccess(path);
    const text = this.texts.get(path)?.contents ?? this.derivations.get(path);
    if (text !== undefined) return text;
    const real = this.realPath(path);
    if (real !== path) this.checkAccess(real);
    // Before it is opened: devices may have no end, and pipes no other one.
    const type = this.fileType(real);
    if (type !== null && type !== 'regular') throw new EvalError(`file '${path}' is not a regular file`);
    try {
      return readFileSync(fsPath(this.physical(real)), 'latin1');
    } catch (error) {
      if (isAbsent(error) && errnoCode(error) !== 'EACCES') throw new EvalError(`path '${path}' does not exist`);
      throw new EvalError(`opening '${path}': ${systemErrorText(error)}`);
    }
  }

  /** For caches: what identifies the contents of a regular file; undefined where reading it would fail, or is no matter
   * of the file system. */
  stampFile(path: string): FileStamp | undefined {
    if (isInternalPath(path) || !this.mayRead(path) || this.isComputed(path)) {
      return undefined;
    }
    const real = this.realPath(path);
    if (real !== path && !this.mayRead(real)) return undefined;
    const stat = statSync(fsPath(this.physical(real)), { throwIfNoEntry: false });
    return stat?.isFile() === true ? stat : undefined;
  }

  readDir(path: string): Listing {
    this.checkAccess(path);
    const known = this.seen?.listing(path);
    if (known !== undefined) return known;
    let listing: Listing;
    try {
      listing = this.listFolder(this.physical(path));
    } catch (error) {
      if (errnoCode(error) === 'ENOENT') throw new EvalError(`path '${path}' does not exist`);
      if (errnoCode(error) === 'ENOTDIR') throw new EvalError(`'${path}' is not a directory`);
      throw new EvalError(`opening directory '${path}': ${systemErrorText(error)}`);
    }
    if (this.allowed !== null) {
      listing = listing.filter(([name]) => this.mayRead(path === '/' ? `/${name}` : `${path}/${name}`));
    }
    this.seen?.sawListing(path, listing);
    return listing;
  }

  /** @throws node:fs's errors */
  protected listFolder(physical: string): Listing {
    return listFolder(physical);
  }

  fileType(path: string): FileType | null {
    if (isInternalPath(path)) return internalFiles.has(path) ? 'regular' : path.includes('/', 1) ? null : 'directory';
    if (!this.mayRead(path)) return null;
    if (this.isComputed(path)) return 'regular';
    const known = this.seen?.type(path);
    if (known !== undefined) return known;
    const stat = this.lstat(path);
    const type = stat === null ? null : fileTypeOf(stat);
    this.seen?.sawType(path, type);
    return type;
  }

  readLink(path: string): string {
    this.checkAccess(path);
    try {
      return readlinkSync(fsPath(this.physical(path)), 'latin1');
    } catch (error) {
      if (errnoCode(error) === 'EINVAL') throw new EvalError(`file '${path}' is not a symlink`);
      throw new EvalError(`reading symbolic link '${path}': ${systemErrorText(error)}`);
    }
  }

  realPath(path: string): string {
    if (isInternalPath(path) || this.realDirs.has(path)) return path;
    const slash = path.lastIndexOf('/');
    if (!this.realDirs.has(slash <= 0 ? '/' : path.slice(0, slash))) return this.walk(path);
    // The parent is a real directory: only the last component may be a symlink.
    const type = this.fileType(path);
    if (type === 'symlink') return this.walk(path);
    if (type === 'directory') this.realDirs.add(path);
    return path;
  }

  private walk(path: string): string {
    return followSymlinks(path, (at) => {
      if (this.realDirs.has(at)) return undefined;
      const type = this.fileType(at);
      if (type === 'symlink') return this.readLink(at);
      if (type === 'directory') this.realDirs.add(at);
      return undefined;
    });
  }

  absolutePath(path: string): string {
    return canonicalPath(`${utf8(process.cwd())}/${path}`);
  }

  getEnv(name: string): string | undefined {
    // process.env asks the C library each time.
    this.env ??= new Map(Object.entries(this.options.env ?? process.env));
    const value = this.env.get(fromUtf8(name));
    return value === undefined ? undefined : utf8(value);
  }

  addText(name: string, contents: string, references: readonly string[]): string {
    const refs = references as readonly StorePath[];
    const path = this.readOnly
      ? makeTextPath(name, hashString('sha256', contents), refs, this.storeDir)
      : this.store!.addText(name, contents, refs);
    this.texts.set(path, { contents, references });
    return this.allow(path);
  }

  addPath(path: string, options: AddPathOptions): string {
    const { name, method, filter, sha256, references = [] } = options;
    const key = filter === undefined && references.length === 0 ? `${name}\0${method}\0${path}` : null;
    let added = key === null ? undefined : this.copies.get(key);
    const refs = references as readonly StorePath[];
    const expected =
      sha256 === undefined
        ? undefined
        : makeFixedOutputPath({ name, method, algorithm: 'sha256', hash: sha256, references: refs }, this.storeDir);
    if (expected !== undefined && this.store?.isValidPath(expected) === true) return this.allow(expected);
    this.checkAccess(path);
    added ??= this.copy(path, options, refs, filter);
    if (expected !== undefined && added !== expected) {
      throw new EvalError(`store path mismatch in (possibly filtered) path added from '${path}'`);
    }
    if (key !== null) {
      this.copies.set(key, added);
      if (!this.sources.has(added)) this.sources.set(added, this.physical(path));
    }
    return this.allow(added);
  }

  protected treeHashes(): TreeHashes | undefined {
    return this.options.treeHashes?.();
  }

  private copy(
    path: string,
    { name, method }: AddPathOptions,
    references: readonly StorePath[],
    filter: AddPathOptions['filter'],
  ): StorePath {
    const internal = internalFiles.get(path);
    if (internal !== undefined) throw new StoreError(`path '${path}' is inside tsnix and cannot be copied`);
    const physical = this.physical(path);
    const trees = filter === undefined && method === 'nar' ? this.treeHashes() : undefined;
    const known = trees?.find(physical);
    const startMs = Date.now();
    const keep = (archive: NarHash): void => trees?.keep(physical, archive, startMs);
    if (known === undefined && this.lstat(path) === null) throw new EvalError(`path '${path}' does not exist`);
    // The filter sees logical paths.
    const accepts =
      filter === undefined || physical === path
        ? filter
        : (entry: string, type: FileType): boolean => filter(path + entry.slice(physical.length), type);
    if (!this.readOnly) {
      return this.store!.addPath(physical, {
        name,
        method,
        references,
        known,
        ...(accepts === undefined ? {} : { filter: accepts }),
        ...(known === undefined ? { onRead: keep } : {}),
      });
    }
    if (method === 'flat' && this.lstat(path)?.isFile() !== true) {
      throw new StoreError(`path '${path}' is not a regular file`);
    }
    const read = (): NarHash =>
      method === 'flat' ? hashFile(physical, 'sha256') : hashNar(physical, 'sha256', accepts);
    const archive = known ?? read();
    if (known === undefined) keep(archive);
    return makeFixedOutputPath({ name, method, algorithm: 'sha256', hash: archive.hash, references }, this.storeDir);
  }

  addDerivation(
    name: string,
    aterm: string,
    references: readonly string[],
    outputs: ReadonlyMap<string, string> | undefined,
  ): string {
    const refs = references as readonly StorePath[];
    if (!this.readOnly) {
      const paths = outputs as ReadonlyMap<string, StorePath> | undefined;
      return this.allow(this.store!.addText(`${name}.drv`, aterm, refs, paths));
    }
    const path = makeTextPath(`${name}.drv`, hashString('sha256', aterm), refs, this.storeDir);
    this.texts.set(path, { contents: aterm, references });
    return this.allow(path);
  }

  hasDerivation(drvPath: string): boolean {
    return this.readOnly ? this.texts.has(drvPath) : this.store!.isValidPath(drvPath as StorePath);
  }

  readDerivation(drvPath: string): string {
    const known = this.texts.get(drvPath)?.contents ?? this.derivations.get(drvPath);
    if (known !== undefined) return known;
    this.ensurePath(drvPath);
    const text = readFileSync(fsPath(this.physical(drvPath)), 'latin1');
    this.derivations.set(drvPath, text);
    return text;
  }

  /** Nix quirk: what read-only mode only computed is not valid, so evaluation can't read it back. */
  isValidPath(storePath: string): boolean {
    if (this.fetched.has(storePath)) return true;
    if (this.store === null) return this.texts.has(storePath);
    return this.store.isValidPath(storePath as StorePath);
  }

  ensurePath(storePath: string): void {
    if (this.isValidPath(storePath)) return;
    if (!this.readOnly && this.store !== null && this.options.substitutes?.() === true) this.makeValid([storePath]);
    else throw new StoreError(`path '${storePath}' is not valid`);
  }

  references(storePath: string): readonly string[] {
    const known = this.texts.get(storePath);
    if (known !== undefined) return [...new Set(known.references)].sort();
    return this.store?.pathInfo(storePath as StorePath)?.references ?? [];
  }

  closure(storePath: string): readonly string[] {
    const seen = new Set<string>([storePath]);
    for (const path of seen) {
      if (!this.texts.has(path)) this.ensurePath(path);
      for (const reference of this.references(path)) seen.add(reference);
    }
    return [...seen];
  }

  realise(wanted: readonly WantedOutputs[]): RealisedOutput[] {
    const chains = wanted.map(({ drvPath }) => derivationChain(drvPath));
    for (const { drvPath } of chains) this.ensurePath(drvPath);
    // Targets and their outputs in our order.
    const paths = this.makeValid(
      wanted.map(({ outputs }, i) => [chains[i]!.drvPath, ...chains[i]!.outputs, outputs.join(',')].join('^')),
    );
    const made = wanted.flatMap(({ drvPath, outputs }) =>
      outputs.map((output) => ({ drvPath, output, path: paths.shift()! })),
    );
    // What was built may refer to anything of its closure.
    if (this.allowed !== null) {
      for (const { path } of made) for (const reachable of this.closure(path)) this.allow(reachable);
    }
    return made;
  }

  /** Builds or fetches, by another process. @returns its lines: paths @throws BuildError, EvalError */
  private makeValid(targets: readonly string[], options: readonly string[] = []): string[] {
    const [program, ...args] = this.options.realiseCommand ?? [];
    if (program === undefined || this.store === null) {
      throw new EvalError('cannot build derivations during evaluation: there is no store to build in');
    }
    this.store.flush(); // the other process must see what was instantiated
    const result = spawnSync(program, [...args, ...options, ...targets], {
      stdio: ['ignore', 'pipe', 'inherit', 'pipe'],
      maxBuffer: Infinity,
    });
    if (result.error !== undefined) throw new BuildError(`cannot start '${program}': ${result.error.message}`);
    if (result.status !== 0) {
      // Its last word: the message of what went wrong.
      const message = fromBuffer((result.output as (Buffer | null)[])[3] ?? Buffer.alloc(0));
      const error = new BuildError(
        message === '' ? `build of ${targets.map((target) => `'${target}'`).join(', ')} failed` : message,
      );
      error.exitStatus = result.status ?? 1;
      throw error;
    }
    return fromBuffer(result.stdout).split('\n');
  }

  fetchClosure(fromStore: string, fromPath: string, rewrite: boolean): string {
    const from = ['--option', 'substitute', 'true', '--option', 'substituters', fromUtf8(fromStore)];
    const [path = ''] = this.makeValid([fromPath], [...from, ...(rewrite ? ['--content-address'] : [])]);
    return path;
  }

  isContentAddressed(storePath: string): boolean {
    const info = this.store?.pathInfo(storePath as StorePath);
    return info !== undefined && isContentAddressed(info, this.storeDir);
  }

  exec(command: readonly string[]): string {
    this.store?.flush();
    this.seen?.forget();
    const [program, ...args] = command.map((word) => fromUtf8(this.physical(word)));
    const result = spawnSync(program!, args, { stdio: ['ignore', 'pipe', 'inherit'], maxBuffer: 2 ** 31 - 1 });
    if (result.error !== undefined) {
      throw new EvalError(`executing '${command[0]!}': ${systemErrorText(result.error)}`);
    }
    if (result.status === 0) return fromBuffer(result.stdout);
    const how =
      result.signal === null ? `failed with exit code ${result.status!}` : `failed due to signal ${result.signal}`;
    throw new EvalError(`program '${command[0]!}' ${how}`);
  }

  fetchUrl(request: UrlRequest): FetchedFile {
    const { name, unpack, asTree, sha256 } = request;
    if (sha256 !== undefined) {
      const method = unpack || asTree === true ? 'nar' : 'flat';
      const path = makeFixedOutputPath({ name, method, algorithm: 'sha256', hash: sha256 }, this.storeDir);
      if (this.isValidPath(path)) return { storePath: this.allow(path) };
    }
    return this.allowFetched(this.fetcher.url(request));
  }
  fetchGit(request: GitRequest): GitTree {
    return this.allowFetched(this.fetcher.git(request));
  }
  fetchMercurial(request: MercurialRequest): MercurialTree {
    return this.allowFetched(this.fetcher.mercurial(request));
  }

  private allowFetched<T extends { readonly storePath: string }>(fetched: T): T {
    this.allow(fetched.storePath);
    return fetched;
  }

  fetchPath(path: string): FetchedFile {
    const lastModified = this.lastModified(path);
    const storePath = this.copy(path, { name: 'source', method: 'nar' }, [], undefined);
    if (!this.sources.has(storePath)) this.sources.set(storePath, this.physical(path));
    if (this.readOnly) this.fetched.add(storePath);
    return { storePath: this.allow(storePath), lastModified };
  }

  allowPath(storePath: string): void {
    this.allow(storePath);
  }

  readRegistry(path: string): string | null {
    try {
      return readFileSync(fsPath(path), 'latin1');
    } catch (error) {
      if (isAbsent(error)) return null;
      throw new EvalError(`opening '${path}': ${systemErrorText(error)}`);
    }
  }

  narHash(path: string): Uint8Array {
    const known = isInStore(path, this.storeDir) ? this.store?.pathInfo(path as StorePath)?.narHash : undefined;
    if (known !== undefined) return known;
    return hashNar(this.physical(path)).hash;
  }

  lastModified(path: string): number {
    let newest = 0;
    const todo = [this.physical(path)];
    while (todo.length > 0) {
      const at = todo.pop()!;
      const stat = lstatSync(fsPath(at));
      newest = Math.max(newest, Math.floor(stat.mtimeMs / 1000));
      if (stat.isDirectory()) for (const name of readdirSync(fsPath(at), 'latin1')) todo.push(`${at}/${name}`);
    }
    return newest;
  }

  /** Removes what read-only mode fetched; else that happens when the process ends. */
  close(): void {
    this.fetcher.close();
  }

  log(line: string): void {
    this.options.log(line);
  }
}
