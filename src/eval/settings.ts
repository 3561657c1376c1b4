// What changes the meaning of evaluation; every field is a Nix setting of the same name.
import type { LintLevels } from '../parser/index.ts';

export interface EvalSettings {
  readonly pureEval: boolean;
  readonly restrictEval: boolean;
  readonly allowImportFromDerivation: boolean;
  readonly maxCallDepth: number;
  readonly experimentalFeatures: ReadonlySet<string>;
  /** NIX_PATH and -I, in order: `prefix` may be "". */
  readonly nixPath: readonly { readonly prefix: string; readonly path: string }[];
  readonly traceVerbose: boolean;
  readonly abortOnWarn: boolean;
  /** `--eval` without --read-write-mode: nothing is written to the store. */
  readonly readOnly: boolean;
  readonly showTrace: boolean;
  /** `lint-url-literals` and its like; all ignored if not given. */
  readonly lints?: LintLevels;
}

export const defaultSettings: EvalSettings = {
  pureEval: false,
  restrictEval: false,
  allowImportFromDerivation: true,
  maxCallDepth: 10_000,
  experimentalFeatures: new Set(),
  nixPath: [],
  traceVerbose: false,
  abortOnWarn: false,
  readOnly: false,
  showTrace: false,
};
