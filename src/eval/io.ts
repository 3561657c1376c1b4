// The one door between evaluation and the world: purity modes, import-from-derivation, the browser, tests and the
// evaluation cache stand on it. All paths are byte strings, absolute and canonical unless said otherwise.
// Everything is synchronous: evaluation is.
import type { HostTool, HostToolRequest } from '../util/host-tool.ts';

export type FileType = 'regular' | 'directory' | 'symlink' | 'unknown';

/** How a file system object becomes a store object. */
export type IngestionMethod = 'nar' | 'flat';

export interface AddPathOptions {
  readonly name: string;
  readonly method: IngestionMethod;
  /** Called with the absolute path and type of every entry below the root; false leaves it (and what is below) out. */
  readonly filter?: (path: string, type: FileType) => boolean;
  /** Expected sha256 (32 bytes) of the NAR or the flat contents: reuse a valid path without reading; mismatch throws. */
  readonly sha256?: Uint8Array;
  /** Store paths that the object refers to: a tree taken out of a store object keeps that object's references. */
  readonly references?: readonly string[];
}

export interface FetchedFile {
  readonly storePath: string;
  /** Newest modification time of what was unpacked or copied, Unix seconds. */
  readonly lastModified?: number;
  /** Where the server says that just this will always be found (`Link: <…>; rel="immutable"`). */
  readonly immutableUrl?: string;
}

export interface UrlRequest {
  readonly url: string;
  readonly name: string;
  readonly unpack: boolean;
  /** A file becomes a store object by its NAR, not by its contents (fetchTree). */
  readonly asTree?: boolean;
  /** Of the contents, or with `unpack` of the NAR. */
  readonly sha256?: Uint8Array;
  /** What the URL gives never changes, for it names a commit. */
  readonly isForEver?: boolean;
  /** The newest download stays in the store, for when it can't be had any more; by `name`, one for each user. */
  readonly isKept?: boolean;
  /** Sent with the request: access tokens. */
  readonly headers?: Readonly<Record<string, string>>;
}

export interface GitRequest {
  /** A URL that git understands, or an absolute path. */
  readonly url: string;
  readonly name: string;
  readonly ref: string | null;
  /** 40 hex digits. */
  readonly rev: string | null;
  readonly submodules: boolean;
  readonly shallow: boolean;
  readonly allRefs: boolean;
  /** Leave out what .gitattributes marks export-ignore. */
  readonly exportIgnore: boolean;
  /** Fetch what Git LFS keeps elsewhere. */
  readonly lfs?: boolean;
  /** The commit must be signed with one of these SSH keys (`key`: base64). */
  readonly signedBy?: readonly { readonly type: string; readonly key: string }[];
  /** Find out which branch a missing `ref` means. */
  readonly needsRef?: boolean;
}

export interface GitTree {
  readonly storePath: string;
  /** Null: a work tree with uncommitted changes. */
  readonly rev: string | null;
  /** Commits up to `rev`; null where a shallow clone can't tell. */
  readonly revCount: number | null;
  /** Unix seconds. */
  readonly lastModified: number;
  /** What a work tree with uncommitted changes is based on. */
  readonly dirtyRev: string | null;
  /** As asked for; else, with needsRef, the branch that HEAD means, if any. */
  readonly ref: string | null;
}

export interface MercurialRequest {
  readonly url: string;
  readonly name: string;
  /** Branch or tag. */
  readonly ref: string | null;
  /** 40 hex digits. */
  readonly rev: string | null;
}

export interface MercurialTree {
  readonly storePath: string;
  /** Null: a work tree with uncommitted changes. */
  readonly rev: string | null;
  readonly branch: string;
  readonly revCount: number | null;
}

export interface WantedOutputs {
  readonly drvPath: string;
  readonly outputs: readonly string[];
}

export interface RealisedOutput {
  readonly drvPath: string;
  readonly output: string;
  readonly path: string;
}

export interface EvalIo {
  readonly storeDir: string;
  /** builtins.currentSystem. */
  readonly system: string;
  /** Unix time, seconds. */
  readonly currentTime: number;

  /** Bytes of a regular file (symlinks followed). @throws EvalError in Nix's words */
  readFile(path: string): string;
  /** Names and types, in no particular order; the same array where nothing can have changed since the last time. */
  readDir(path: string): readonly (readonly [name: string, type: FileType])[];
  /** Type without following a final symlink; null where there is nothing (or no permission to know). */
  fileType(path: string): FileType | null;
  /** Follows every symlink in `path`. */
  realPath(path: string): string;
  readLink(path: string): string;
  /** A relative path, as search path entries may be: from the current directory. */
  absolutePath(path: string): string;
  /** Absent: everything may be read. @throws RestrictedError where pure or restricted mode forbids the path */
  checkAccess?(path: string): void;
  getEnv(name: string): string | undefined;

  /** Text object with references; returns the store path. In read-only mode only computes it. */
  addText(name: string, contents: string, references: readonly string[]): string;
  /** Copies a file or tree; returns the store path. In read-only mode only computes it. */
  addPath(path: string, options: AddPathOptions): string;
  /**
   * Writes a derivation's ATerm as NAME.drv (text object); returns its store path.
   * @param outputs its output paths, all of them, just computed; undefined where the text is to be checked
   */
  addDerivation(
    name: string,
    aterm: string,
    references: readonly string[],
    outputs: ReadonlyMap<string, string> | undefined,
  ): string;
  /** Whether a derivation that was added is there still, so that it need not be added again. Absent: it need be. */
  hasDerivation?(drvPath: string): boolean;
  /** The ATerm of a derivation: from this evaluation, or from the store. */
  readDerivation(drvPath: string): string;
  /** Makes sure that a store path is valid (substituting if it must). @throws StoreError "path '…' is not valid" */
  ensurePath(storePath: string): void;
  isValidPath(storePath: string): boolean;
  /** References of a valid path, for readFile's context. */
  references(storePath: string): readonly string[];
  /** Closure of a store path, itself included (drv-deep contexts). */
  closure(storePath: string): readonly string[];
  /**
   * Import from derivation: builds outputs of derivations (`drvPath` as in contexts), and tells where they lie.
   * @throws BuildError
   */
  realise(wanted: readonly WantedOutputs[]): readonly RealisedOutput[];

  /** builtins.exec: what the program prints. @throws EvalError where it fails */
  exec?(command: readonly string[]): string;
  /** builtins.fetchurl / fetchTarball: downloads (file:, http:, https:) into the store. */
  fetchUrl(request: UrlRequest): FetchedFile;
  /** builtins.fetchGit. Absent where there is no git. */
  fetchGit?(request: GitRequest): GitTree;
  /** builtins.fetchMercurial. */
  fetchMercurial?(request: MercurialRequest): MercurialTree;
  /**
   * Makes a path and its closure valid from the binary cache at a URL. With `rewrite`, a copy that is content-addressed
   * (down to everything it refers to), whose path is returned.
   * @throws BuildError, StoreError
   */
  fetchClosure?(fromStore: string, fromPath: string, rewrite: boolean): string;
  /** Whether a valid path is made of its contents. */
  isContentAddressed?(storePath: string): boolean;
  /** A tree as the input of a flake: read whatever pure or restricted mode say. */
  fetchPath?(path: string): FetchedFile;
  /** Lets pure and restricted mode read a store path that was fetched before. */
  allowPath?(storePath: string): void;
  /** A flake registry: no source of evaluation, so readable in every mode. Null where there is none. */
  readRegistry?(path: string): string | null;
  /** sha256 (32 bytes) of the NAR of what lies at a path. */
  narHash?(path: string): Uint8Array;
  /** Newest modification time of a tree, Unix seconds. */
  lastModified?(path: string): number;

  /**
   * Describes programs of the host by content, for the embedded package set. Absent where there is no host to import
   * from (tests, browser).
   * @throws EvalError naming the Debian package to install
   */
  hostTool?(request: HostToolRequest): HostTool | null;

  /** `trace: …`, `warning: …` lines: bytes without the final newline. */
  log(line: string): void;
}
