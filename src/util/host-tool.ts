// Programs of the host, described by content: what lib/ asks for, and what it gets. Plain data, for the evaluator passes it
// through and src/build/host fills it in.

/** What to import of the host's programs; see src/build/host and lib/host.nix. */
export interface HostToolRequest {
  /** For messages and the store path's name. */
  readonly name: string;
  /** Debian package that has it. */
  readonly package: string;
  /** False: the answer may be null. */
  readonly required: boolean;
  /** Names looked up in the system's directories, then on PATH; they become `bin/NAME`. */
  readonly programs: readonly string[];
  /** Likewise, but left out where missing. */
  readonly optional: readonly string[];
  /** Single files; the first of `from` that exists. */
  readonly files: readonly { readonly to: string; readonly from: readonly string[] }[];
  /** Whole directories; patterns of `exclude` leave entries out. */
  readonly trees: readonly {
    readonly to: string;
    readonly from: readonly string[];
    readonly exclude: readonly string[];
    readonly optional: boolean;
  }[];
}

/** A file by content. `sha256` is hexadecimal, of the host's file as it is. */
export interface HostFile {
  readonly to: string;
  readonly from: string;
  readonly sha256: string;
  readonly executable: boolean;
  readonly kind: 'elf' | 'script' | 'data';
  /** Keys of HostTool.libraries. */
  readonly needed: readonly string[];
  /** Of a script: the name of the program that runs it (`bash`, `perl`). */
  readonly interpreter: string | null;
}

export interface HostTree {
  readonly to: string;
  readonly from: string;
  /** Of names, kinds and contents of all entries. */
  readonly sha256: string;
  readonly exclude: readonly string[];
  /** Programs and libraries inside that need a loader, a library path or an interpreter; `to` is relative to the tree. */
  readonly files: readonly HostFile[];
}

export interface HostLibrary {
  readonly name: string;
  readonly from: string;
  readonly sha256: string;
  readonly needed: readonly string[];
}

export interface HostTool {
  readonly files: readonly HostFile[];
  readonly trees: readonly HostTree[];
  /** All shared libraries that are needed, directly or not, but the loader's family. */
  readonly libraries: Readonly<Record<string, HostLibrary>>;
  /** The loader with the C library; null where everything is static. */
  readonly loader: {
    readonly name: string;
    readonly files: readonly { readonly name: string; readonly from: string; readonly sha256: string }[];
  } | null;
}
