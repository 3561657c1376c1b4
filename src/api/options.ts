// What an Evaluator of the library is made with. Text here is JavaScript text; files may be bytes.

/** A file of `files`: its contents, or something else than a plain file. Directories exist by what they hold. */
export type FileContents =
  | string
  | Uint8Array
  | { readonly contents: string | Uint8Array; readonly executable: true }
  | { readonly symlink: string }
  | { readonly directory: true };

/** Where one call of the library stops, with a LimitError. Each call from outside has the whole allowance. */
export interface EvaluationLimits {
  /** Calls of functions, and values visited by deep evaluation. The same expression always takes the same number. */
  readonly maxSteps?: number;
  /** Nested calls, as Nix's max-call-depth (10,000): beyond it is Nix's "stack overflow" error. */
  readonly maxDepth?: number;
  /** Of the JavaScript heap, everything in it included but garbage. Looked at now and then; not in browsers. */
  readonly maxMemoryBytes?: number;
  readonly timeoutMs?: number;
}

/** What an AbortSignal is, for programs without its type. */
export interface Aborted {
  readonly aborted: boolean;
  readonly reason?: unknown;
}

/** Nix settings of the same names. */
export interface NixSettings {
  readonly pureEval?: boolean;
  readonly restrictEval?: boolean;
  readonly allowImportFromDerivation?: boolean;
  readonly maxCallDepth?: number;
  readonly experimentalFeatures?: Iterable<string>;
  /** `NAME=PATH`, `PATH`, or split at the `=`; in order. */
  readonly nixPath?: readonly (string | { readonly prefix: string; readonly path: string })[];
  readonly traceVerbose?: boolean;
  readonly abortOnWarn?: boolean;
  readonly showTrace?: boolean;
}

export interface EvaluatorOptions {
  /** What relative paths in expressions are relative to; default: the current folder (or `/` with `files`). */
  readonly baseDir?: string;
  /** Absolute path → contents: the only files there are. Without it the machine's files are read (not in browsers). */
  readonly files?: Readonly<Record<string, FileContents>>;
  /** Environment for builtins.getEnv; default: none. */
  readonly env?: Readonly<Record<string, string>>;
  /** builtins.currentSystem; default: x86_64-linux. */
  readonly system?: string;
  /** builtins.currentTime, seconds; default: now (0 with `files`). */
  readonly currentTime?: number;
  /**
   * The store to write to: a URI as for `--store` (a folder, `auto`, `local?root=…`). Default: none. Store paths are
   * then the same, but nothing is written; derivations of this Evaluator stay in memory.
   */
  readonly store?: string;
  /** The logical store directory where there is no `store`; default: /nix/store. */
  readonly storeDir?: string;
  readonly settings?: NixSettings;
  /** false: no JavaScript is made of code that runs often, where a page's policy forbids and reports that. */
  readonly generateCode?: boolean;
  readonly limits?: EvaluationLimits;
  /** Evaluation stops, with an InterruptedError, where this was aborted. */
  readonly signal?: Aborted;
  /** The same for other threads: [0] !== 0 stops evaluation. Shared memory. */
  readonly cancel?: Int32Array;
  /** More global variables, also in `builtins`: anything that `value()` takes, functions included. */
  readonly globals?: Readonly<Record<string, unknown>>;
  /** Lines of builtins.trace and warnings; default: dropped. */
  readonly log?: (line: string) => void;
}
