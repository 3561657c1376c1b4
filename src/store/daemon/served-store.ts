// What a server of the worker protocol needs of the store behind it. What a store has not got is told to the client as
// Nix tells it: the operation is not supported.
import type { Derivation } from '../derivation.ts';
import type { Realisation } from '../realisation.ts';
import type { PathInfo, StorePath } from '../store.ts';
import type { RemoteBuildResult } from './build-result.ts';
import type { DaemonSettings, MissingPaths } from './daemon-store.ts';

type MaybeLater<T> = T | Promise<T>;

/** Data that comes in pieces, each valid until the next is asked for. */
export type Incoming = Iterable<Uint8Array>;

/** The same, of chunks that stay what they are. */
export function* copies(chunks: Incoming): Generator<Buffer, void> {
  for (const chunk of chunks) yield Buffer.from(chunk);
}

/** check: rebuild what is valid and compare; repair: rebuild what is missing or corrupted. */
export type BuildMode = 'normal' | 'check' | 'repair';

export interface CollectRequest {
  readonly action: 'live' | 'dead' | 'delete' | 'delete-specific';
  readonly paths: readonly StorePath[];
  readonly ignoreLiveness: boolean;
  readonly maxFreedBytes: number;
}

export interface ServedStore {
  readonly storeDir: string;
  /** For messages. */
  readonly uri: string;
  isValidPath(path: StorePath): MaybeLater<boolean>;
  pathInfo(path: StorePath): MaybeLater<PathInfo | undefined>;
  /** Writes the NAR of a valid path; chunks are valid during the call only. */
  dumpPath(path: StorePath, sink: (chunk: Uint8Array) => void): MaybeLater<void>;
  validPaths?(): MaybeLater<readonly StorePath[]>;
  /** Paths and all that they refer to. @throws StoreError where one is not valid */
  referenceGraph?(paths: readonly StorePath[]): MaybeLater<ReadonlyMap<StorePath, readonly StorePath[]>>;
  /** What its build trace says of an output of a resolved derivation. */
  buildTrace?(drvPath: StorePath, output: string): MaybeLater<Realisation | undefined>;
  referrers?(path: StorePath): MaybeLater<readonly StorePath[]>;
  validDerivers?(path: StorePath): MaybeLater<readonly StorePath[]>;
  pathFromHashPart?(hashPart: string): MaybeLater<StorePath | undefined>;
  derivationOutputs?(drvPath: StorePath): MaybeLater<ReadonlyMap<string, StorePath | undefined>>;
  /** Adds a path, which may be valid already. */
  addNar?(info: PathInfo, archive: Incoming, checkSignatures: boolean): MaybeLater<void>;
  /** @param method `text:sha256`, `fixed:r:sha256` … */
  addContents?(
    name: string,
    method: string,
    references: readonly StorePath[],
    contents: Incoming,
  ): MaybeLater<PathInfo>;
  addSignatures?(path: StorePath, signatures: readonly string[]): MaybeLater<void>;
  addBuildLog?(drvPath: StorePath, log: string): MaybeLater<void>;
  addTempRoot?(path: StorePath): void;
  addIndirectRoot?(link: string): void;
  findRoots?(): readonly (readonly [link: string, path: StorePath])[];
  /** Makes paths valid that others have. */
  substitute?(paths: readonly StorePath[]): Promise<void>;
  /** @param targets `PATH` or `DRV!OUT,OUT` */
  missing?(targets: readonly string[]): MaybeLater<MissingPaths>;
  build?(targets: readonly string[], mode: BuildMode): Promise<readonly RemoteBuildResult[]>;
  buildDerivation?(drvPath: StorePath, drv: Derivation, mode: BuildMode): Promise<RemoteBuildResult>;
  collectGarbage?(request: CollectRequest): { readonly paths: readonly string[]; readonly bytesFreed: number };
  /** @returns whether something is wrong and was not put right */
  verify?(options: { readonly checkContents: boolean; readonly repair: boolean }): MaybeLater<boolean>;
  optimise?(): void;
  /** What a client says of itself. */
  setOptions?(options: DaemonSettings): void;
}
