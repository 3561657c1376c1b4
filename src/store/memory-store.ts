// A store in memory, for tests and for embedding: same paths, same checks, no disk. realPath() unpacks an object into
// a temporary directory, which close() removes.
import { mkdirSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { HashMismatchError, StoreError } from '../util/errors.ts';
import { fromBuffer, toBuffer, utf8 } from '../util/bytes.ts';
import { checkedOutputs, parseStoredDerivation } from './check-derivation.ts';
import { contentAddressedInfo } from './content-address.ts';
import type { ContentAddress } from './content-address.ts';
import { deletePath } from './delete-path.ts';
import type { Derivation } from './derivation.ts';
import { DerivationHashes } from './hash-modulo.ts';
import { createHasher, equalDigests, hashBytes, printHash } from './hash.ts';
import { dumpFlat, dumpNar, narOfContents } from './nar-dump.ts';
import type { NarSink } from './nar-dump.ts';
import { parseNar } from './nar-parse.ts';
import { restoreChunks } from './nar-ingest.ts';
import { topologicalSort } from './references.ts';
import {
  baseName,
  defaultStoreDir,
  hashPart,
  isDerivationPath,
  isInStore,
  makeFixedOutputPath,
  makeTextPath,
  splitStorePath,
} from './store-path.ts';
import type { AddPathOptions, PathInfo, StorePath, SyncStore } from './store.ts';

interface StoredObject {
  readonly info: PathInfo;
  readonly nar: Uint8Array;
}

export class MemoryStore implements SyncStore {
  readonly storeDir: string;
  readonly uri = 'memory://';
  readonly tempRoots = new Set<StorePath>();
  readonly indirectRoots = new Map<string, StorePath>();
  private readonly objects = new Map<StorePath, StoredObject>();
  private readonly outputs = new Map<StorePath, ReadonlyMap<string, StorePath>>();
  private readonly hashes: DerivationHashes;
  private dir: string | undefined;
  private readonly unpacked = new Set<StorePath>();

  constructor(storeDir = defaultStoreDir) {
    this.storeDir = storeDir;
    this.hashes = new DerivationHashes(storeDir, (drvPath) => this.readDerivation(drvPath));
  }

  isValidPath(path: StorePath): boolean {
    return this.objects.has(path);
  }

  pathInfo(path: StorePath): PathInfo | undefined {
    return this.objects.get(path)?.info;
  }

  queryPathInfo(path: StorePath): Promise<PathInfo | undefined> {
    return Promise.resolve(this.pathInfo(path));
  }

  private object(path: StorePath): StoredObject {
    const object = this.objects.get(path);
    if (object === undefined) throw new StoreError(`path '${path}' is not valid`);
    return object;
  }

  realPath(path: string): string {
    if (!isInStore(path, this.storeDir)) return path;
    const { storePath, rest } = splitStorePath(path, this.storeDir);
    if (this.dir === undefined) {
      this.dir = mkdtempSync(join(tmpdir(), 'tsnix-memory-store-'));
      mkdirSync(`${this.dir}/store`);
    }
    const real = `${utf8(this.dir)}/store/${baseName(storePath)}`;
    const object = this.objects.get(storePath);
    if (object !== undefined && !this.unpacked.has(storePath)) {
      restoreChunks(real, [object.nar]);
      this.unpacked.add(storePath);
    }
    return real + rest;
  }

  dumpPath(path: StorePath, sink: NarSink): void {
    sink(this.object(path).nar);
  }

  referrers(path: StorePath): StorePath[] {
    const found: StorePath[] = [];
    for (const { info } of this.objects.values()) if (info.references.includes(path)) found.push(info.path);
    return found.sort();
  }

  closure(paths: readonly StorePath[]): StorePath[] {
    return topologicalSort(paths, (path) => this.object(path).info.references, true);
  }

  validPaths(): StorePath[] {
    return [...this.objects.keys()].sort();
  }

  validDerivers(path: StorePath): StorePath[] {
    const found: StorePath[] = [];
    for (const [drvPath, outputs] of this.outputs) if ([...outputs.values()].includes(path)) found.push(drvPath);
    return found.sort();
  }

  derivationOutputs(drvPath: StorePath): Map<string, StorePath> {
    return new Map(this.outputs.get(drvPath));
  }

  pathFromHashPart(hash: string): StorePath | undefined {
    for (const path of this.objects.keys()) if (hashPart(path) === hash) return path;
    return undefined;
  }

  readDerivation(drvPath: StorePath): Derivation {
    return parseStoredDerivation(drvPath, fileContents(this.object(drvPath).nar), this.storeDir);
  }

  addText(
    name: string,
    text: Uint8Array | string,
    references: readonly StorePath[],
    outputs?: ReadonlyMap<string, StorePath>,
  ): StorePath {
    const contents = typeof text === 'string' ? toBuffer(text) : text;
    const digest = hashBytes('sha256', contents);
    const path = makeTextPath(name, digest, references, this.storeDir);
    this.tempRoots.add(path);
    if (!this.objects.has(path)) {
      this.add(path, narOfContents(contents), references, { method: 'text', algorithm: 'sha256', digest }, outputs);
    }
    return path;
  }

  addPath(realPath: string, options: AddPathOptions): StorePath {
    const { name, method, algorithm = 'sha256', references = [], filter } = options;
    const hasher = createHasher(algorithm);
    const chunks: Uint8Array[] = [];
    const keep = (chunk: Uint8Array): void => {
      chunks.push(Uint8Array.from(chunk));
      if (method === 'nar') hasher.update(chunk);
    };
    if (method === 'nar') dumpNar(realPath, keep, filter);
    else {
      const update = (chunk: Uint8Array): void => {
        hasher.update(chunk);
      };
      dumpFlat(realPath, keep, update, options.keepExecutable);
    }
    const digest = hasher.digest();
    const path = makeFixedOutputPath({ name, method, algorithm, hash: digest, references }, this.storeDir);
    this.tempRoots.add(path);
    if (!this.objects.has(path)) this.add(path, Buffer.concat(chunks), references, { method, algorithm, digest });
    return path;
  }

  private add(
    path: StorePath,
    nar: Uint8Array,
    references: readonly StorePath[],
    ca: ContentAddress,
    outputs?: ReadonlyMap<string, StorePath>,
  ): void {
    const info = contentAddressedInfo(path, { hash: hashBytes('sha256', nar), size: nar.length }, references, ca);
    this.checkReferences([info]);
    if (isDerivationPath(path)) {
      this.outputs.set(path, outputs ?? checkedOutputs(path, fileContents(nar), this.storeDir, this.hashes));
    }
    this.objects.set(path, { info, nar });
  }

  /** Adds an object from its archive, checked against `info`. @throws HashMismatchError, CorruptNarError, StoreError */
  addNar(info: PathInfo, archive: Iterable<Uint8Array>): void {
    if (this.objects.has(info.path)) return;
    const nar = Buffer.concat([...archive]);
    const narHash = hashBytes('sha256', nar);
    if (!equalDigests(narHash, info.narHash)) {
      const print = (digest: Uint8Array): string => printHash({ algorithm: 'sha256', digest }, 'sri');
      throw new HashMismatchError(
        `hash mismatch importing path '${info.path}';\n  specified: ${print(info.narHash)}\n  got:       ${print(narHash)}`,
      );
    }
    parseNar(nar, nullVisitor);
    this.checkReferences([info]);
    this.objects.set(info.path, { info: { ...info, narSize: nar.length }, nar });
  }

  /** Objects of a store in memory lie nowhere: only what is known already can be registered anew. */
  registerValidPaths(infos: readonly PathInfo[]): void {
    this.checkReferences(infos);
    for (const info of infos) this.objects.set(info.path, { info, nar: this.object(info.path).nar });
  }

  private checkReferences(infos: readonly PathInfo[]): void {
    const batch = new Map(infos.map((info) => [info.path, info]));
    for (const info of infos) {
      for (const reference of info.references) {
        if (!batch.has(reference) && !this.objects.has(reference)) {
          throw new StoreError(`path '${reference}' is not valid`);
        }
      }
    }
    topologicalSort([...batch.keys()], (path) => batch.get(path)!.references);
  }

  addTempRoot(path: StorePath): void {
    this.tempRoots.add(path);
  }

  addIndirectRoot(link: string, target: StorePath): void {
    this.indirectRoots.set(link, target);
  }

  flush(): void {
    // nothing waits
  }

  close(): Promise<void> {
    if (this.dir !== undefined) deletePath(utf8(this.dir));
    this.dir = undefined;
    this.unpacked.clear();
    return Promise.resolve();
  }
}

const ignore = (): void => undefined;
const nullVisitor = {
  enterDirectory: ignore,
  leaveDirectory: ignore,
  enterFile: ignore,
  contents: ignore,
  leaveFile: ignore,
  symlink: ignore,
};

/** Contents (a byte string) of the regular file that an archive holds. */
function fileContents(nar: Uint8Array): string {
  const parts: string[] = [];
  parseNar(nar, {
    ...nullVisitor,
    contents: (chunk) => {
      parts.push(fromBuffer(chunk));
    },
  });
  return parts.join('');
}
