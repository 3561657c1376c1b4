// What a store is. Kinds: local (Nix's layout and SQLite schema), memory (tests), later binary cache and daemon.
// Evaluation needs answers at once, so the parts it uses are synchronous (SyncStore); a remote store implements
// only Store.
import type { Brand } from '../util/brand.ts';
import type { HashAlgorithm } from './derivation.ts';
import type { NarHash } from './nar-dump.ts';

/** `/nix/store/<32 nix32 chars>-<name>`, validated; only store-path.ts makes one. */
export type StorePath = Brand<string, 'StorePath'>;

export interface PathInfo {
  readonly path: StorePath;
  /** sha256 of the NAR, 32 bytes. */
  readonly narHash: Uint8Array;
  /** Bytes. */
  readonly narSize: number;
  /** Sorted; may hold the path itself. */
  readonly references: readonly StorePath[];
  readonly deriver: StorePath | null;
  /** Unix seconds. */
  readonly registrationTime: number;
  readonly ultimate: boolean;
  readonly signatures: readonly string[];
  /** `text:sha256:…`, `fixed:r:sha256:…`, … or null for input-addressed. */
  readonly ca: string | null;
}

/** What addPath() adds, and as what. */
export interface AddPathOptions {
  readonly name: string;
  /** nar: a `source` path (sha256) or recursive fixed output; flat: the contents of a regular file; git: as Git hashes. */
  readonly method: 'nar' | 'flat' | 'git';
  /** Default sha256. */
  readonly algorithm?: HashAlgorithm;
  readonly references?: readonly StorePath[];
  /**
   * For flat, which does not cover it: does an executable stay one? Nix quirk: `nix-store --add-fixed` keeps it,
   * builtins.path does not.
   */
  readonly keepExecutable?: boolean;
  /** The archive of what lies there (nar, SHA-256), where that is known: it is read only where the store lacks it. */
  readonly known?: NarHash | undefined;
  /** Told of the archive that was read, by stores that hash it themselves. */
  readonly onRead?: (archive: NarHash) => void;
  /** Gets the absolute path and type of every entry below the root. */
  readonly filter?: (path: string, type: 'regular' | 'directory' | 'symlink' | 'unknown') => boolean;
}

export interface Store {
  /** The logical store directory, `/nix/store`: part of every hash. */
  readonly storeDir: string;
  /** For messages: `local?root=…`. */
  readonly uri: string;
  queryPathInfo(path: StorePath): Promise<PathInfo | undefined>;
  close(): Promise<void>;
}

export interface SyncStore extends Store {
  isValidPath(path: StorePath): boolean;
  pathInfo(path: StorePath): PathInfo | undefined;
  /** Where a store path (or a path below one) really lies on this machine. */
  realPath(path: string): string;
  referrers(path: StorePath): StorePath[];
  /** Paths with all that they refer to, dependencies first. @throws StoreError for an invalid path */
  closure(paths: readonly StorePath[]): StorePath[];
  /**
   * Adds a text object (toFile, .drv): bytes, or a byte string. Where it is a derivation its output paths are checked, unless `outputs` says
   * what they are: whoever has just computed them may spare the store doing it again.
   */
  addText(
    name: string,
    contents: Uint8Array | string,
    references: readonly StorePath[],
    outputs?: ReadonlyMap<string, StorePath>,
  ): StorePath;
  /** Adds a file system object from this machine. */
  addPath(realPath: string, options: AddPathOptions): StorePath;
  /** Registers objects that already lie in the store directory, canonicalised; one transaction. */
  registerValidPaths(infos: readonly PathInfo[]): void;
  /** Protects a path from garbage collection until this process ends. */
  addTempRoot(path: StorePath): void;
  /** An indirect root: `link` (a symlink into the store, made here) is known to the collector. */
  addIndirectRoot(link: string, target: StorePath): void;
  /**
   * Writes what was added but is still in memory. realPath() does it for the path asked; call it before another
   * process is to see the store.
   */
  flush(): void;
  /** Writes a valid path's NAR to `sink`; chunks are valid only during the call. */
  dumpPath(path: StorePath, sink: (chunk: Uint8Array) => void): void;
}
