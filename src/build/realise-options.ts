// What realise() is asked and told: targets, where to fetch from, whom to tell what happens.
import type { Derivation } from '../store/derivation.ts';
import type { Realisation } from '../store/realisation.ts';
import type { StorePath } from '../store/store.ts';
import type { BuiltinBuilders } from './builtin-builder.ts';
import type { BuildFailure } from './failure.ts';
import type { RemoteBuilding } from './remote/remote-building.ts';
import type { BuildMode, BuildSettings } from './settings.ts';

export type BuildTarget =
  | {
      readonly kind: 'derivation';
      readonly drvPath: StorePath;
      /** Dynamic derivations: the derivation meant is this output of `drvPath`, or an output of that one, and so on. */
      readonly through?: readonly string[];
      readonly outputs: readonly string[] | 'all';
    }
  | {
      readonly kind: 'path';
      readonly path: StorePath;
      /** For repair: what cannot be fetched is built by its deriver. */
      readonly rebuild?: boolean;
    };

/** What fetching a path takes. Sizes in bytes, 0 where they are not known. */
export interface SubstitutablePath {
  readonly downloadSize: number;
  readonly narSize: number;
  readonly references: readonly StorePath[];
}

/** Fetches valid paths from elsewhere. */
export interface Substituter {
  /** Of these paths and their closures, what is not valid and can be had. */
  query(paths: readonly StorePath[]): Promise<ReadonlyMap<StorePath, SubstitutablePath>>;
  /**
   * Makes a path (and its closure) valid; false where it turns out not to have it.
   * @throws StoreError where it has it and it could not be fetched
   */
  substitute(path: StorePath): Promise<boolean>;
  /** What others' build traces say of outputs of a resolved derivation, as far as they are to be believed; by name. */
  buildTrace?(drvPath: StorePath, outputs: readonly string[]): Promise<ReadonlyMap<string, Realisation>>;
  /** Fetches a valid path again, in place of what is there; false and exceptions as with substitute(). */
  repair(path: StorePath): Promise<boolean>;
}

/** Told what happens; the CLI shows it. Texts are byte strings. */
export interface BuildObserver {
  /** @param machine where, if not here */
  started?(drvPath: StorePath, mode: BuildMode, machine?: string): void;
  line?(drvPath: StorePath, line: string): void;
  phase?(drvPath: StorePath, phase: string): void;
  finished?(drvPath: StorePath): void;
  /** A derivation whose build (not that of a dependency) failed. realise() throws the error of a target itself. */
  failed?(drvPath: StorePath, error: BuildFailure, isTarget: boolean): void;
  /** post-build-hook; `failed` may come instead of its end. */
  hookStarted?(drvPath: StorePath, hook: string): void;
  hookLine?(drvPath: StorePath, line: string): void;
  hookEnded?(drvPath: StorePath): void;
  /** Another process is at it; what is returned is called when it is not any more. */
  waiting?(message: string): () => void;
  warn?(message: string): void;
  /** @param level from `verbosity`: who wants to know less is not told */
  tell?(level: number, message: string): void;
  /** Something that the user asked to be told. */
  note?(message: string): void;
}

export interface RealiseOptions {
  readonly settings: BuildSettings;
  readonly builtins: BuiltinBuilders;
  readonly observer?: BuildObserver;
  readonly substituter?: Substituter;
  readonly signal?: AbortSignal;
  /** Derivations that are not in the store: a peer that has built their inputs tells them. */
  readonly given?: ReadonlyMap<StorePath, Derivation>;
  /** Other machines that build. */
  readonly remote?: RemoteBuilding;
  /** Concerns the targets. */
  readonly mode?: BuildMode;
  /** As `nix`: the error names no targets that were not built because another failed. */
  readonly skipCancelled?: boolean;
}
