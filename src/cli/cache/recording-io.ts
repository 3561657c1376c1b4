// The evaluator's door to the machine, with a witness: every answer is noted as a fact that can be checked later. A test
// holds that no method of NodeEvalIo is forgotten here.
import { lstatSync, readlinkSync, statSync, type Stats } from 'node:fs';
import { derivationChain } from '../../eval/context.ts';
import { isInternalPath } from '../../eval/internal-files.ts';
import type {
  AddPathOptions,
  FetchedFile,
  FileType,
  GitRequest,
  GitTree,
  MercurialRequest,
  MercurialTree,
  RealisedOutput,
  UrlRequest,
  WantedOutputs,
} from '../../eval/io.ts';
import type { FileStamp } from '../../eval/file-stamp.ts';
import { fileTypeOf, type Listing } from '../../eval/folder.ts';
import { NodeEvalIo, type NodeEvalIoOptions } from '../../eval/node-io.ts';
import type { TreeHashes } from '../../eval/tree-hashes.ts';
import { parseDerivation } from '../../store/aterm.ts';
import { staticOutputPath } from '../../store/derivation.ts';
import { hashHex } from '../../store/hash.ts';
import type { NarHash } from '../../store/nar-dump.ts';
import { isInStore, splitStorePath, storePathName } from '../../store/store-path.ts';
import type { StorePath } from '../../store/store.ts';
import { fsPath } from '../../util/bytes.ts';
import { RestrictedError } from '../../util/errors.ts';
import type { HostTool } from '../../util/host-tool.ts';
import { hashOfListing } from './listing.ts';
import { Recorder } from './recorder.ts';
import type { TreePack } from './tree-pack.ts';
import type { KnownListing, TreeFact, WarmFiles } from './warm-files.ts';

export function hostToolHash(answer: HostTool | null): string {
  return hashHex('sha256', JSON.stringify(answer));
}

export interface RecordingOptions extends NodeEvalIoOptions {
  readonly treeHashes?: () => TreePack | undefined;
}

export class RecordingIo extends NodeEvalIo {
  /** Null: nothing is noted any more. */
  recorder: Recorder | null = new Recorder();
  private readonly writes: boolean;
  /** What earlier evaluations of this process knew. */
  private readonly warm: WarmFiles | undefined;
  /** Of the tree that is being copied, where it is known. */
  private archive: NarHash | undefined;
  /** All that this tree has, where the pack has looked at it. */
  private facts: (() => readonly TreeFact[] | undefined) | undefined;
  private readonly treePack: (() => TreePack | undefined) | undefined;
  /** Trees copied without filter. */
  private readonly trees = new Set<string>();

  constructor(options: RecordingOptions, warm?: WarmFiles) {
    const { hostTool } = options;
    super({
      ...options,
      ...(hostTool === undefined
        ? {}
        : {
            hostTool: (request) => {
              const answer = hostTool(request);
              this.recorder?.sawHost(JSON.stringify(request), hostToolHash(answer));
              return answer;
            },
          }),
    });
    this.warm = warm;
    this.treePack = options.treeHashes;
    this.writes = options.readOnly !== true && options.store !== undefined;
  }

  /** Runs what only asks for what is implied by other facts. What it sees is none, so that nothing else may use it. */
  private unnoted<T>(work: () => T): T {
    const { recorder, seen } = this;
    this.recorder = null;
    this.seen = null;
    try {
      return work();
    } finally {
      this.recorder = recorder;
      this.seen = seen;
    }
  }

  /** Failures are no facts that are checked, but for those that rules alone decide. */
  private noting<T>(what: string, work: () => T): T {
    try {
      return work();
    } catch (error) {
      if (!(error instanceof RestrictedError)) this.recorder?.uncertain(`${what} failed`);
      throw error;
    }
  }

  override get currentTime(): number {
    this.recorder?.uncertain('builtins.currentTime was used');
    return super.currentTime;
  }

  protected override lstat(path: string): Stats | null {
    return this.noting(`looking at '${path}'`, () => {
      const stat = super.lstat(path);
      this.recorder?.type(this.physical(path), stat === null ? null : fileTypeOf(stat));
      return stat;
    });
  }

  override readFile(path: string): string {
    const { recorder } = this;
    if (recorder === null || isInternalPath(path) || this.isComputed(path)) return super.readFile(path);
    return this.noting(`reading '${path}'`, () => {
      this.checkAccess(path);
      const real = this.physical(this.realPath(path));
      const startMs = Date.now();
      const stamp = statSync(fsPath(real), { throwIfNoEntry: false });
      const text = super.readFile(path);
      if (stamp === undefined) recorder.uncertain(`'${path}' appeared while it was read`);
      else recorder.contents(real, 'regular', stamp, hashHex('sha256', text), startMs);
      return text;
    });
  }

  /** A file whose contents were known by its stamp. */
  sawFile(path: string, stamp: FileStamp, hash: string): void {
    this.recorder?.contents(this.physical(this.realPath(path)), 'regular', stamp, hash, Date.now());
  }

  override readDir(path: string): Listing {
    return this.noting(`listing '${path}'`, () => super.readDir(path));
  }

  /** The whole, whatever may be read of it. What was seen before is not listed again. */
  protected override listFolder(real: string): Listing {
    const { recorder } = this;
    if (recorder === null) return super.listFolder(real);
    const startMs = Date.now();
    const stamp = statSync(fsPath(real), { throwIfNoEntry: false });
    if (stamp === undefined) {
      recorder.uncertain(`'${real}' was not there when it was listed`);
      return super.listFolder(real);
    }
    const { listing, hash } = this.listingOf(real, stamp);
    recorder.contents(real, 'directory', stamp, hash, startMs);
    return listing;
  }

  private listingOf(real: string, stamp: FileStamp): KnownListing {
    const list = (): Listing => super.listFolder(real);
    if (this.warm !== undefined) return this.warm.listing(real, stamp, list);
    const listing = list();
    return { listing, hash: hashOfListing(listing) };
  }

  override readLink(path: string): string {
    return this.noting(`reading the link '${path}'`, () => {
      const target = super.readLink(path);
      this.recorder?.link(this.physical(path), target);
      return target;
    });
  }

  override getEnv(name: string): string | undefined {
    const value = super.getEnv(name);
    this.recorder?.sawEnv(name, value);
    return value;
  }

  override addText(name: string, contents: string, references: readonly string[]): string {
    return this.noteAdded(super.addText(name, contents, references), references);
  }

  override addDerivation(
    name: string,
    aterm: string,
    references: readonly string[],
    outputs: ReadonlyMap<string, string> | undefined,
  ): string {
    return this.noteAdded(super.addDerivation(name, aterm, references, outputs), references);
  }

  private noteAdded(storePath: string, references: readonly string[]): string {
    if (this.writes) this.recorder?.add(storePath, references);
    return storePath;
  }

  override addPath(path: string, options: AddPathOptions): string {
    const { recorder } = this;
    if (recorder === null) return super.addPath(path, options);
    return this.noting(`copying '${path}'`, () => {
      const startMs = Date.now();
      const refused = new Set<string>();
      const { filter } = options;
      const noted =
        filter === undefined
          ? options
          : {
              ...options,
              filter: (entry: string, type: FileType): boolean => {
                const accepted = filter(entry, type);
                if (!accepted) refused.add(entry);
                return accepted;
              },
            };
      const real = this.physical(path);
      const known = filter === undefined ? this.warm?.tree(real) : undefined;
      this.archive = known?.archive;
      this.facts = undefined;
      const added = super.addPath(path, noted);
      // With a hash that the store has, nothing was read.
      if (options.sha256 !== undefined && this.writes) recorder.sawValid(added, true);
      else if (filter !== undefined || !this.trees.has(path)) {
        if (filter === undefined) this.trees.add(path);
        const facts = known?.facts ?? this.takeFacts() ?? this.treeFacts(real, path, refused);
        for (const fact of facts) noteTreeFact(recorder, fact, startMs);
        if (known === undefined && filter === undefined) this.warm?.keepTree(real, this.archive, facts, startMs);
      }
      this.archive = undefined;
      return this.noteAdded(added, options.references ?? []);
    });
  }

  private takeFacts(): readonly TreeFact[] | undefined {
    const { facts } = this;
    this.facts = undefined;
    return facts?.();
  }

  /** Tells what the tree that is being copied is known to hash to, and hears of it. */
  protected override treeHashes(): TreeHashes | undefined {
    const packed = this.treePack?.();
    if (this.recorder === null) return packed;
    return {
      find: (path) => {
        if (this.archive !== undefined) return this.archive;
        const found = packed?.find(path);
        if (found === undefined) return undefined;
        this.facts = found.facts;
        return (this.archive = { hash: found.hash, size: found.size });
      },
      keep: (path, archive, startMs) => {
        this.archive = archive;
        const facts = packed?.keep(path, archive, startMs);
        this.facts = () => facts;
      },
    };
  }

  /** Everything that a copy was made of: looked at after it was read, so nothing may have changed since before. */
  private treeFacts(real: string, path: string, refused: ReadonlySet<string>, facts: TreeFact[] = []): TreeFact[] {
    const stamp = lstatSync(fsPath(real));
    const type = fileTypeOf(stamp);
    if (type === 'symlink') facts.push({ path: real, type, stamp, detail: readlinkSync(fsPath(real), 'latin1') });
    else if (type === 'regular') facts.push({ path: real, type, stamp, detail: null });
    else if (type === 'directory') {
      const { listing, hash } = this.listingOf(real, stamp);
      facts.push({ path: real, type, stamp, detail: hash });
      for (const [name] of listing) {
        if (!refused.has(`${path}/${name}`)) this.treeFacts(`${real}/${name}`, `${path}/${name}`, refused, facts);
      }
    }
    return facts;
  }

  override readDerivation(drvPath: string): string {
    if (!this.isComputed(drvPath)) this.ensurePath(drvPath);
    return super.readDerivation(drvPath);
  }

  override isValidPath(storePath: string): boolean {
    const valid = super.isValidPath(storePath);
    this.recorder?.sawValid(storePath, valid);
    return valid;
  }

  /** Substitutes where it must: valid afterwards, or an error. */
  override ensurePath(storePath: string): void {
    this.unnoted(() => {
      super.ensurePath(storePath);
    });
    this.recorder?.sawValid(storePath, true);
  }

  override references(storePath: string): readonly string[] {
    if (!this.isComputed(storePath)) this.isValidPath(storePath);
    return super.references(storePath);
  }

  /** Of a valid path all is valid. */
  override closure(storePath: string): readonly string[] {
    if (!this.isComputed(storePath)) this.ensurePath(storePath);
    return this.unnoted(() => super.closure(storePath));
  }

  override realise(wanted: readonly WantedOutputs[]): RealisedOutput[] {
    return this.noting('a build', () => {
      const made = this.unnoted(() => super.realise(wanted));
      for (const { drvPath, output, path } of made) {
        if (this.staticOutput(drvPath, output) === path) this.recorder?.sawValid(path, true);
        else this.recorder?.uncertain(`where '${drvPath}' puts '${output}' is known only once it is built`);
      }
      return made;
    });
  }

  /** Where a derivation puts an output, if it says so itself. */
  private staticOutput(encoded: string, name: string): string | undefined {
    const { drvPath, outputs: through } = derivationChain(encoded);
    if (through.length > 0) return undefined;
    const text = this.unnoted(() => this.readDerivation(drvPath));
    const drv = parseDerivation(text, storePathName(drvPath as StorePath).slice(0, -4), this.storeDir);
    const output = drv.outputs.get(name);
    return output === undefined ? undefined : staticOutputPath(output);
  }

  override fetchClosure(fromStore: string, fromPath: string, rewrite: boolean): string {
    return this.noting(`fetching '${fromPath}'`, () => {
      const path = this.unnoted(() => super.fetchClosure(fromStore, fromPath, rewrite));
      this.recorder?.sawValid(path, true);
      return path;
    });
  }

  override isContentAddressed(storePath: string): boolean {
    this.isValidPath(storePath);
    return super.isContentAddressed(storePath);
  }

  override exec(command: readonly string[]): string {
    this.recorder?.uncertain(`'${command.join(' ')}' was run`);
    return super.exec(command);
  }

  override fetchUrl(request: UrlRequest): FetchedFile {
    return this.noteFetch(request.url, request.sha256 !== undefined, () => super.fetchUrl(request));
  }
  override fetchGit(request: GitRequest): GitTree {
    return this.noteFetch(request.url, request.rev !== null && request.needsRef !== true, () =>
      super.fetchGit(request),
    );
  }
  override fetchMercurial(request: MercurialRequest): MercurialTree {
    return this.noteFetch(request.url, false, () => super.fetchMercurial(request));
  }
  override fetchPath(path: string): FetchedFile {
    return this.noteFetch(path, false, () => super.fetchPath(path));
  }
  override readRegistry(path: string): string | null {
    this.recorder?.uncertain('a flake registry was read');
    return super.readRegistry(path);
  }

  /** What is fetched is known by a hash, and then only has to be in the store; or it may be another thing any time. */
  private noteFetch<T extends { readonly storePath: string }>(from: string, fixed: boolean, work: () => T): T {
    return this.noting(`fetching '${from}'`, () => {
      const result = this.unnoted(work);
      this.seen?.addStorePath(result.storePath);
      if (fixed && this.writes) this.recorder?.sawValid(result.storePath, true);
      else this.recorder?.uncertain(`'${from}' was fetched`);
      return result;
    });
  }

  override narHash(path: string): Uint8Array {
    this.noteObject(path, 'hashed');
    return super.narHash(path);
  }
  override lastModified(path: string): number {
    this.noteObject(path, 'dated');
    return super.lastModified(path);
  }

  private noteObject(path: string, what: string): void {
    if (!isInStore(path, this.storeDir)) this.recorder?.uncertain(`'${path}' was ${what}`);
    else this.isValidPath(splitStorePath(path, this.storeDir).storePath);
  }
}

function noteTreeFact(recorder: Recorder, { path, type, stamp, detail }: TreeFact, startMs: number): void {
  if (type === 'symlink') recorder.link(path, detail!);
  else recorder.contents(path, type, stamp, detail, startMs);
}
