// What changes the meaning of evaluation; every field is a Nix setting of the same name, but the last.
import type { LintLevels } from '../parser/index.ts';

export interface EvalSettings {
  readonly pureEval: boolean;
  readonly restrictEval: boolean;
  /** Restricted mode: what may be fetched all the same; prefixes that end where a part of a URL does. */
  readonly allowedUris?: readonly string[];
  /** `nix flake check` changes it on the way. */
  allowImportFromDerivation: boolean;
  readonly traceImportFromDerivation?: boolean;
  /** `allow-unsafe-native-code-during-evaluation`. */
  readonly nativeCode: boolean;
  readonly maxCallDepth: number;
  readonly experimentalFeatures: ReadonlySet<string>;
  /** NIX_PATH and -I, in order: `prefix` may be "". */
  readonly nixPath: readonly { readonly prefix: string; readonly path: string }[];
  readonly traceVerbose: boolean;
  readonly abortOnWarn: boolean;
  readonly debuggerOnTrace?: boolean;
  readonly debuggerOnWarn?: boolean;
  /** Debuggers do not stop for what fails inside tryEval. */
  readonly ignoreTry?: boolean;
  /** `--eval` without --read-write-mode: nothing is written to the store. */
  readonly readOnly: boolean;
  readonly showTrace: boolean;
  readonly fetch: FetchSettings;
  /** `lint-url-literals` and its like; all ignored if not given. */
  readonly lints?: LintLevels;
  /** When JavaScript is made of code that runs: shows in nothing but time. Absent: where it runs often. */
  readonly generateCode?: 'never' | 'always';
  /** Of how many nested calls such code is run, for its calls want more of JavaScript's stack. Absent: of all. */
  readonly generatedDepth?: number;
}

/** What fetchers and flakes do; each field is a Nix setting. */
export interface FetchSettings {
  /** `access-tokens`: host, or host and path, → token. */
  readonly accessTokens: ReadonlyMap<string, string>;
  /** `trust-tarballs-from-git-forges`: a revision says which tree it is. */
  readonly trustArchives: boolean;
  readonly allowDirty: boolean;
  readonly warnDirty: boolean;
  readonly allowDirtyLocks: boolean;
  /** `use-registries`. */
  readonly useRegistries: boolean;
  /** Files of flake registries, the user's and the system's. */
  readonly registries: readonly string[];
  /** `flake-registry`: a file or a URL; empty: none. */
  readonly globalRegistry: string;
}

export const defaultFetchSettings: FetchSettings = {
  accessTokens: new Map(),
  trustArchives: true,
  allowDirty: true,
  warnDirty: true,
  allowDirtyLocks: false,
  useRegistries: true,
  registries: [],
  globalRegistry: '',
};

export const defaultSettings: EvalSettings = {
  pureEval: false,
  restrictEval: false,
  allowImportFromDerivation: true,
  nativeCode: false,
  maxCallDepth: 10_000,
  experimentalFeatures: new Set(),
  nixPath: [],
  traceVerbose: false,
  abortOnWarn: false,
  readOnly: false,
  showTrace: false,
  fetch: defaultFetchSettings,
};
