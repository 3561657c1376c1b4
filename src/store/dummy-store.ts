// The store that holds nothing and takes nothing: for evaluation that must not touch a disk. Adding computes the path
// and forgets the rest.
import { StoreError } from '../util/errors.ts';
import type { Derivation } from './derivation.ts';
import { hashGitTree } from './git-hash.ts';
import { createHasher, hashBytes, hashString } from './hash.ts';
import { dumpFlat, dumpNar } from './nar-dump.ts';
import { makeFixedOutputPath, makeTextPath } from './store-path.ts';
import type { QueriedStore } from './queried-store.ts';
import type { AddPathOptions, PathInfo, StorePath } from './store.ts';

/** The path that addPath() would give, without adding anything. */
export function computeAddPath(realPath: string, options: AddPathOptions, storeDir?: string): StorePath {
  const { name, method, algorithm = 'sha256', references = [], filter } = options;
  if (method === 'git') {
    return makeFixedOutputPath(
      { name, method, algorithm, hash: hashGitTree(realPath, algorithm), references },
      storeDir,
    );
  }
  const hasher = createHasher(algorithm);
  const update = (chunk: Uint8Array): void => {
    hasher.update(chunk);
  };
  if (method === 'flat') dumpFlat(realPath, () => undefined, update);
  else dumpNar(realPath, update, filter);
  return makeFixedOutputPath({ name, method, algorithm, hash: hasher.digest(), references }, storeDir);
}

export class DummyStore implements QueriedStore {
  readonly storeDir: string;
  readonly realStoreDir = undefined;
  readonly uri = 'dummy://';

  constructor(storeDir: string) {
    this.storeDir = storeDir;
  }

  private unsupported(operation: string): never {
    throw new StoreError(`operation '${operation}' is not supported by store '${this.uri}'`);
  }

  isValidPath(): boolean {
    return false;
  }

  pathInfo(): PathInfo | undefined {
    return undefined;
  }

  queryPathInfo(): Promise<PathInfo | undefined> {
    return Promise.resolve(undefined);
  }

  realPath(path: string): string {
    return path;
  }

  referrers(): StorePath[] {
    return [];
  }

  validPaths(): StorePath[] {
    return [];
  }

  validDerivers(): StorePath[] {
    return [];
  }

  pathFromHashPart(): undefined {
    return undefined;
  }

  derivationOutputs(drvPath: StorePath): Map<string, StorePath> {
    throw new StoreError(`path '${drvPath}' is not valid`);
  }

  readDerivation(drvPath: StorePath): Derivation {
    throw new StoreError(`path '${drvPath}' is not valid`);
  }

  realisation(): undefined {
    return undefined;
  }

  closure(paths: readonly StorePath[]): StorePath[] {
    if (paths.length > 0) throw new StoreError(`path '${paths[0]!}' is not valid`);
    return [];
  }

  addText(name: string, contents: Uint8Array | string, references: readonly StorePath[]): StorePath {
    const digest = typeof contents === 'string' ? hashString('sha256', contents) : hashBytes('sha256', contents);
    return makeTextPath(name, digest, references, this.storeDir);
  }

  addPath(realPath: string, options: AddPathOptions): StorePath {
    return computeAddPath(realPath, options, this.storeDir);
  }

  addSignatures(): void {
    this.unsupported('addSignatures');
  }

  registerValidPaths(): void {
    this.unsupported('registerValidPaths');
  }

  addTempRoot(): void {
    // nothing can be collected
  }

  addIndirectRoot(): void {
    this.unsupported('addIndirectRoot');
  }

  flush(): void {
    // nothing waits
  }

  dumpPath(path: StorePath): void {
    throw new StoreError(`path '${path}' is not valid`);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
