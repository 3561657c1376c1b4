// A binary cache as a store that is asked and written to by requests of the worker protocol.
import { Readable } from 'node:stream';
import { parseStoredDerivation } from '../../store/check-derivation.ts';
import {
  contentAddressedInfo,
  contentAddressedPath,
  parseContentAddressMethod,
  type ContentAddress,
} from '../../store/content-address.ts';
import type { RemoteBuildResult } from '../../store/daemon/build-result.ts';
import type { MissingPaths } from '../../store/daemon/daemon-store.ts';
import { copies } from '../../store/daemon/served-store.ts';
import type { Incoming, ServedStore } from '../../store/daemon/served-store.ts';
import { splitTarget } from '../../store/daemon/target.ts';
import { staticOutputPath, type Derivation } from '../../store/derivation.ts';
import { createHasher } from '../../store/hash.ts';
import { narOfContents } from '../../store/nar-dump.ts';
import { ignoreNar, NarParser } from '../../store/nar-parse.ts';
import type { NarInfo } from '../../store/narinfo.ts';
import type { Realisation } from '../../store/realisation.ts';
import {
  inputChains,
  resolveDerivation,
  resolvedDerivationFile,
  shouldResolve,
  type OutputChain,
} from '../../store/resolve-derivation.ts';
import { storePathFromBaseName } from '../../store/store-path.ts';
import type { PathInfo, StorePath } from '../../store/store.ts';
import { fromBuffer } from '../../util/bytes.ts';
import { StoreError } from '../../util/errors.ts';
import type { BinaryCache } from './binary-cache.ts';
import type { CacheWriter } from './cache-writer.ts';
import { Spool } from '../../store/spool.ts';

/** Nix's numbers of results, and its words. */
const [alreadyValid, failed] = [2, 4];
const cannotBuild = `Unable to build with a primary store that isn't a local store; either pass a different '--store' or enable remote builds.

For more information check 'man nix.conf' and search for '/machines'.`;

export interface ServedCacheOptions {
  readonly uri: string;
  readonly storeDir: string;
  /** For reading; undefined where there is no cache yet. */
  readonly open: () => Promise<BinaryCache | undefined>;
  /** For writing; makes the cache. */
  readonly openWriter: () => Promise<CacheWriter>;
}

export class ServedCache implements ServedStore {
  readonly uri: string;
  readonly storeDir: string;
  private readonly options: ServedCacheOptions;
  private opened: Promise<BinaryCache | undefined> | undefined;
  private writing: Promise<CacheWriter> | undefined;
  private readonly infos = new Map<StorePath, Promise<NarInfo | undefined>>();
  private readonly outputs = new Map<StorePath, Promise<ReadonlyMap<string, StorePath | undefined>>>();

  constructor(options: ServedCacheOptions) {
    this.options = options;
    this.uri = options.uri;
    this.storeDir = options.storeDir;
  }

  /** Once there is a cache it stays open. */
  private async cache(): Promise<BinaryCache | undefined> {
    const cache = await (this.opened ??= this.options.open());
    if (cache === undefined) this.opened = undefined;
    return cache;
  }

  private writer(): Promise<CacheWriter> {
    return (this.writing ??= this.options.openWriter());
  }

  private narInfo(path: StorePath): Promise<NarInfo | undefined> {
    let info = this.infos.get(path);
    if (info === undefined) {
      info = this.lookUp(path);
      this.infos.set(path, info);
    }
    return info;
  }

  private async lookUp(path: StorePath): Promise<NarInfo | undefined> {
    const info = await (await this.cache())?.narInfo(path);
    // Another one with this hash part is another one.
    return info?.path === path ? info : undefined;
  }

  private async requireInfo(path: StorePath): Promise<NarInfo> {
    const info = await this.narInfo(path);
    if (info === undefined) throw new StoreError(`path '${path}' is not valid`);
    return info;
  }

  // ---- asking --------------------------------------------------------------------------------------------------

  async isValidPath(path: StorePath): Promise<boolean> {
    return (await this.narInfo(path)) !== undefined;
  }

  async pathInfo(path: StorePath): Promise<PathInfo | undefined> {
    const info = await this.narInfo(path);
    return info === undefined ? undefined : { ...info, registrationTime: 0, ultimate: false };
  }

  /** Paths and all that they refer to, many questions at a time. @throws StoreError where one is not valid */
  async referenceGraph(paths: readonly StorePath[]): Promise<ReadonlyMap<StorePath, readonly StorePath[]>> {
    await this.cache();
    const graph = new Map<StorePath, readonly StorePath[]>();
    const visit = async (path: StorePath): Promise<void> => {
      if (graph.has(path)) return;
      graph.set(path, []);
      const { references } = await this.requireInfo(path);
      graph.set(path, references);
      await Promise.all(references.map(visit));
    };
    await Promise.all(paths.map(visit));
    return graph;
  }

  async dumpPath(path: StorePath, sink: (chunk: Uint8Array) => void): Promise<void> {
    const info = await this.requireInfo(path);
    const cache = await this.cache();
    for await (const chunk of cache!.nar(info)) sink(chunk);
  }

  async validPaths(): Promise<StorePath[]> {
    const cache = await this.cache();
    if (cache === undefined) return [];
    const parts = await cache.transport.hashParts?.();
    if (parts === undefined) {
      throw new StoreError(`operation 'queryAllValidPaths' is not supported by store '${this.uri}'`);
    }
    const found = await Promise.all(parts.map((part) => this.pathFromHashPart(part)));
    return found.filter((path) => path !== undefined).sort();
  }

  async pathFromHashPart(part: string): Promise<StorePath | undefined> {
    return (await (await this.cache())?.narInfo(storePathFromBaseName(`${part}-x`, this.storeDir)))?.path;
  }

  async buildTrace(drvPath: StorePath, output: string): Promise<Realisation | undefined> {
    return await (await this.cache())?.buildTrace(drvPath, output);
  }

  /** Of content-addressed ones what the build trace says, of them and of those before. */
  derivationOutputs(drvPath: StorePath): Promise<ReadonlyMap<string, StorePath | undefined>> {
    let outputs = this.outputs.get(drvPath);
    if (outputs === undefined) {
      outputs = this.findOutputs(drvPath);
      this.outputs.set(drvPath, outputs);
    }
    return outputs;
  }

  private async findOutputs(drvPath: StorePath): Promise<ReadonlyMap<string, StorePath | undefined>> {
    const drv = await this.readDerivation(drvPath);
    let [traced, known] = [drvPath, drv];
    const isOpen = [...drv.outputs.values()].some((output) => staticOutputPath(output) === undefined);
    if (isOpen && shouldResolve(drv, false)) {
      const inputs = new Map<string, StorePath | undefined>();
      const name = ({ drvPath: input, outputs }: OutputChain): string => [input, ...outputs].join('!');
      for (const chain of inputChains(drv)) {
        let at: StorePath | undefined = chain.drvPath;
        for (const output of chain.outputs) if (at !== undefined) at = (await this.derivationOutputs(at)).get(output);
        inputs.set(name(chain), at);
      }
      const resolved = resolveDerivation(drv, (chain) => inputs.get(name(chain)), this.storeDir);
      if (resolved === undefined) return new Map();
      [traced, known] = [resolvedDerivationFile(resolved, this.storeDir).path, resolved];
    }
    const found = new Map<string, StorePath | undefined>();
    for (const [output, spec] of known.outputs) {
      found.set(output, staticOutputPath(spec) ?? (await this.buildTrace(traced, output))?.outPath);
    }
    return found;
  }

  private async readDerivation(drvPath: StorePath): Promise<Derivation> {
    const parts: Buffer[] = [];
    const parser = new NarParser({ ...ignoreNar, contents: (chunk) => void parts.push(Buffer.from(chunk)) });
    await this.dumpPath(drvPath, (chunk) => {
      parser.writeAll(chunk);
    });
    return parseStoredDerivation(drvPath, fromBuffer(Buffer.concat(parts)), this.storeDir);
  }

  // ---- building: nothing is built in a cache -------------------------------------------------------------------

  /** Derivations of which outputs that are wanted are not here. @param targets `PATH` or `DRV!OUT,OUT` */
  async missing(targets: readonly string[]): Promise<MissingPaths> {
    const willBuild: StorePath[] = [];
    const unknown: StorePath[] = [];
    for (const target of targets) {
      const [path, outputs] = splitTarget(target, this.storeDir);
      if (outputs === undefined) {
        if (!(await this.isValidPath(path))) unknown.push(path);
      } else if ((await this.wanted(path, outputs)) === undefined) willBuild.push(path);
    }
    return { willBuild, willSubstitute: [], unknown, downloadSize: 0, narSize: 0 };
  }

  /** Outputs that are wanted, by name; undefined where one of them is not here. */
  private async wanted(drvPath: StorePath, outputs: readonly string[]): Promise<Map<string, StorePath> | undefined> {
    const known = await this.derivationOutputs(drvPath);
    const found = new Map<string, StorePath>();
    for (const name of outputs.includes('*') ? known.keys() : outputs) {
      const path = known.get(name);
      if (path === undefined || !(await this.isValidPath(path))) return undefined;
      found.set(name, path);
    }
    return found;
  }

  async build(targets: readonly string[]): Promise<RemoteBuildResult[]> {
    const results: RemoteBuildResult[] = [];
    for (const target of targets) {
      const [path, outputs] = splitTarget(target, this.storeDir);
      const found =
        outputs !== undefined
          ? await this.wanted(path, outputs)
          : (await this.isValidPath(path))
            ? new Map([['out', path]])
            : undefined;
      results.push(
        found === undefined
          ? { status: failed, message: cannotBuild, outputs: new Map() }
          : { status: alreadyValid, message: '', outputs: found },
      );
    }
    return results;
  }

  // ---- adding --------------------------------------------------------------------------------------------------

  private async add(info: PathInfo, archive: Iterable<Uint8Array>): Promise<void> {
    for (const reference of info.references) {
      if (reference === info.path || (await this.isValidPath(reference))) continue;
      throw new StoreError(
        `cannot add '${info.path}' to the binary cache because the reference '${reference}' is not valid`,
      );
    }
    const writer = await this.writer();
    const plain = { ...info, registrationTime: 0, ultimate: false };
    const narInfo = await writer.upload(plain, Readable.from(archive, { objectMode: true, highWaterMark: 1 }));
    await writer.writeNarInfo(narInfo);
    this.infos.set(info.path, Promise.resolve(narInfo));
  }

  async addNar(info: PathInfo, archive: Incoming): Promise<void> {
    if (!(await this.isValidPath(info.path))) await this.add(info, copies(archive));
  }

  async addContents(
    name: string,
    method: string,
    references: readonly StorePath[],
    contents: Incoming,
  ): Promise<PathInfo> {
    const { method: kind, algorithm } = parseContentAddressMethod(method);
    if (kind === 'git') throw new StoreError(`operation 'addToStoreFromDump' is not supported by store '${this.uri}'`);
    const spool = new Spool();
    try {
      const hasher = createHasher(algorithm);
      const narHasher = createHasher('sha256');
      if (kind === 'nar') {
        for (const chunk of contents) {
          hasher.update(chunk);
          narHasher.update(chunk);
          spool.write(chunk);
        }
      } else {
        const parts: Buffer[] = [];
        for (const chunk of contents) {
          hasher.update(chunk);
          parts.push(Buffer.from(chunk));
        }
        const nar = narOfContents(Buffer.concat(parts));
        narHasher.update(nar);
        spool.write(nar);
      }
      const ca: ContentAddress = { method: kind, algorithm, digest: hasher.digest() };
      const path = contentAddressedPath(name, ca, references, this.storeDir);
      const info = contentAddressedInfo(path, { hash: narHasher.digest(), size: spool.size }, references, ca);
      if (!(await this.isValidPath(path))) await this.add(info, spool.chunks());
      return info;
    } finally {
      spool.close();
    }
  }

  async addSignatures(path: StorePath, signatures: readonly string[]): Promise<void> {
    const info = await this.requireInfo(path);
    const all = { ...info, signatures: [...new Set([...info.signatures, ...signatures])].sort() };
    await (await this.writer()).writeNarInfo(all);
    this.infos.set(path, Promise.resolve(all));
  }

  async addBuildLog(drvPath: StorePath, log: string): Promise<void> {
    await (await this.writer()).writeBuildLog(drvPath, log);
  }
}
