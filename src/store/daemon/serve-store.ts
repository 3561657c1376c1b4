// `ssh://HOST` as a store: what `nix-store --serve` there answers. Its protocol has no way to list paths or referrers, or
// to sign: that is said as Nix says it.
import { fromBuffer } from '../../util/bytes.ts';
import { StoreError } from '../../util/errors.ts';
import { parseStoredDerivation } from '../check-derivation.ts';
import { staticOutputPath, type Derivation } from '../derivation.ts';
import { contentAddressedInfo, contentAddressedPath, type ContentAddress } from '../content-address.ts';
import { hashGitTree } from '../git-hash.ts';
import { createHasher } from '../hash.ts';
import { dumpFlat, dumpNar, narOfText, type NarSink } from '../nar-dump.ts';
import { ignoreNar, type NarVisitor } from '../nar-parse.ts';
import type { QueriedStore } from '../queried-store.ts';
import { topologicalSort } from '../references.ts';
import { serveVersion } from '../serve-protocol.ts';
import { Spool } from '../spool.ts';
import type { AddPathOptions, PathInfo, StorePath } from '../store.ts';
import type { RemoteBuildSettings } from './build-result.ts';
import type { Channel } from './channel.ts';
import { FetchedObjects } from './fetched-objects.ts';
import { ServeConnection } from './serve-connection.ts';

export interface ServeStoreOptions {
  readonly uri: string;
  /** For messages. */
  readonly host: string;
  readonly storeDir: string;
  readonly connect: () => Channel;
}

export class ServeStore implements QueriedStore {
  readonly uri: string;
  readonly storeDir: string;
  readonly realStoreDir = undefined;
  private readonly options: ServeStoreOptions;
  private opened: ServeConnection | undefined;
  /** What was asked for; undefined: not valid. */
  private readonly infos = new Map<StorePath, PathInfo | undefined>();
  private readonly fetched = new FetchedObjects(this);

  constructor(options: ServeStoreOptions) {
    this.options = options;
    this.uri = options.uri;
    this.storeDir = options.storeDir;
  }

  private get connection(): ServeConnection {
    const { connect, host, storeDir } = this.options;
    return (this.opened ??= new ServeConnection(connect(), host, storeDir));
  }

  /** Connects now and not at its first use. @throws StoreError */
  open(): void {
    this.connection.channel.flush();
  }

  /** What the other side speaks, and what we do: (major << 8) | minor. */
  get protocolVersions(): { readonly store: number; readonly client: number } {
    return { store: this.connection.theirVersion, client: serveVersion };
  }

  private unsupported(operation: string): never {
    throw new StoreError(`operation '${operation}' is not supported by store '${this.uri}'`);
  }

  // ---- asking --------------------------------------------------------------------------------------------------

  private learn(paths: readonly StorePath[]): void {
    const unknown = paths.filter((path) => !this.infos.has(path));
    if (unknown.length === 0) return;
    const found = this.connection.pathInfos(unknown);
    for (const path of unknown) this.infos.set(path, found.get(path));
  }

  isValidPath(path: StorePath): boolean {
    return this.pathInfo(path) !== undefined;
  }

  pathInfo(path: StorePath): PathInfo | undefined {
    this.learn([path]);
    return this.infos.get(path);
  }

  queryPathInfo(path: StorePath): Promise<PathInfo | undefined> {
    return Promise.resolve(this.pathInfo(path));
  }

  /** Those that are valid; kept from being collected until the connection ends. */
  queryValidPaths(paths: readonly StorePath[], substitute: boolean): Set<StorePath> {
    return this.connection.validPaths(paths, substitute);
  }

  referenceGraph(paths: readonly StorePath[]): Map<StorePath, readonly StorePath[]> | undefined {
    this.learn(paths);
    if (paths.some((path) => this.infos.get(path) === undefined)) return undefined;
    const closure = this.connection.closure(paths, false);
    this.learn(closure);
    return new Map(closure.map((path) => [path, this.infos.get(path)?.references ?? []]));
  }

  closure(paths: readonly StorePath[]): StorePath[] {
    const graph = this.referenceGraph(paths);
    if (graph === undefined) {
      const invalid = paths.find((path) => !this.isValidPath(path));
      throw new StoreError(`path '${invalid!}' is not valid`);
    }
    return topologicalSort(paths, (path) => graph.get(path)!, true);
  }

  referrers(): StorePath[] {
    return this.unsupported('queryReferrers');
  }

  validPaths(): StorePath[] {
    return this.unsupported('queryAllValidPaths');
  }

  pathFromHashPart(): StorePath | undefined {
    return this.unsupported('queryPathFromHashPart');
  }

  validDerivers(): StorePath[] {
    return [];
  }

  derivationOutputs(drvPath: StorePath): Map<string, StorePath> {
    const outputs = new Map<string, StorePath>();
    for (const [name, output] of this.readDerivation(drvPath).outputs) {
      const path = staticOutputPath(output);
      if (path !== undefined) outputs.set(name, path);
    }
    return outputs;
  }

  /** The protocol does not tell what content-addressed outputs came to be. */
  realisation(): undefined {
    return undefined;
  }

  realPath(path: string): string {
    return this.fetched.realPath(path);
  }

  dumpPath(path: StorePath, sink: (chunk: Uint8Array) => void): void {
    this.requireValid(path);
    this.whole(() => {
      this.connection.nar(path, sink);
    });
  }

  receiveNar(path: StorePath, visitor: NarVisitor): void {
    this.requireValid(path);
    this.whole(() => {
      this.connection.nar(path, () => undefined, visitor);
    });
  }

  private requireValid(path: StorePath): void {
    // Asked for what is not there, the other side ends without a word.
    if (!this.isValidPath(path)) throw new StoreError(`path '${path}' is not valid`);
  }

  readDerivation(drvPath: StorePath): Derivation {
    const parts: Buffer[] = [];
    this.receiveNar(drvPath, { ...ignoreNar, contents: (chunk) => void parts.push(Buffer.from(chunk)) });
    return parseStoredDerivation(drvPath, fromBuffer(Buffer.concat(parts)), this.storeDir);
  }

  // ---- adding --------------------------------------------------------------------------------------------------

  /** Adds a path from its archive; whom the other side trusts is its own business. @throws StoreError */
  async addNar(info: PathInfo, archive: Iterable<Uint8Array> | AsyncIterable<Uint8Array>): Promise<void> {
    const { connection } = this;
    connection.beginNar(info);
    try {
      for await (const chunk of archive) connection.channel.write(chunk);
    } catch (error) {
      this.disconnect(); // in the middle of an archive
      throw error;
    }
    connection.endNar(info.path);
    this.infos.delete(info.path);
  }

  addText(name: string, contents: Uint8Array | string, references: readonly StorePath[]): StorePath {
    return this.addContents(name, { method: 'text', algorithm: 'sha256' }, references, (nar, hashed) => {
      const archive = narOfText(contents);
      nar(archive.nar);
      hashed(archive.bytes);
    });
  }

  addPath(realPath: string, options: AddPathOptions): StorePath {
    const { name, method, algorithm = 'sha256', references = [], filter } = options;
    const gitHash = method === 'git' ? hashGitTree(realPath, algorithm) : undefined;
    return this.addContents(
      name,
      { method, algorithm },
      references,
      (nar, hashed) => {
        if (method === 'flat') dumpFlat(realPath, nar, hashed, options.keepExecutable);
        else {
          const both = (chunk: Uint8Array): void => {
            nar(chunk);
            hashed(chunk);
          };
          dumpNar(realPath, both, filter);
        }
      },
      gitHash,
    );
  }

  /** The protocol takes only what is wholly known, so the archive waits until its hash is. */
  private addContents(
    name: string,
    { method, algorithm }: Omit<ContentAddress, 'digest'>,
    references: readonly StorePath[],
    write: (nar: NarSink, hashed: NarSink) => void,
    known?: Uint8Array,
  ): StorePath {
    const [hasher, narHasher, spool] = [createHasher(algorithm), createHasher('sha256'), new Spool()];
    try {
      write(
        (chunk) => {
          narHasher.update(chunk);
          spool.write(chunk);
        },
        (chunk) => {
          hasher.update(chunk);
        },
      );
      const ca = { method, algorithm, digest: known ?? hasher.digest() };
      const path = contentAddressedPath(name, ca, references, this.storeDir);
      if (this.isValidPath(path)) return path;
      const info = contentAddressedInfo(path, { hash: narHasher.digest(), size: spool.size }, references, ca);
      this.connection.addNar(info, (sink) => {
        for (const chunk of spool.chunks()) sink(chunk);
      });
      this.infos.set(path, info);
      return path;
    } finally {
      spool.close();
    }
  }

  registerValidPaths(): void {
    this.unsupported('registerValidPaths');
  }

  addSignatures(): void {
    this.unsupported('addSignatures');
  }

  /** Builds, or fetches, there. @throws DaemonError with what is said there */
  async buildPaths(targets: readonly string[], settings: RemoteBuildSettings): Promise<void> {
    await this.connection.buildPaths(targets, settings);
    this.infos.clear();
  }

  addTempRoot(): void {
    // queryValidPaths() asks for them
  }

  addIndirectRoot(): void {
    throw new StoreError(`store '${this.uri}' lies on another machine: there is nothing to link to`);
  }

  flush(): void {
    // nothing waits
  }

  /** What follows on the line makes no sense any more where `read` stopped early. */
  private whole(read: () => void): void {
    try {
      read();
    } catch (error) {
      this.disconnect();
      throw error;
    }
  }

  private disconnect(): void {
    this.opened?.channel.close();
    this.opened = undefined;
  }

  close(): Promise<void> {
    this.disconnect();
    this.fetched.close();
    return Promise.resolve();
  }
}
