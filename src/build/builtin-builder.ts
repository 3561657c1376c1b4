// Builders written in TypeScript: derivations with builder `builtin:NAME` run in this process instead of a sandbox.
// They see what a sandboxed builder would see: the derivation and its input closure, nothing else of the machine
// (except those whose very purpose is to import from the host or the network, which say so).
import type { DownloadSettings } from '../fetch/http-settings.ts';
import type { Derivation } from '../store/derivation.ts';
import type { StorePath, SyncStore } from '../store/store.ts';

export interface BuiltinJob {
  readonly drvPath: StorePath;
  readonly drv: Derivation;
  /** The derivation's environment (byte strings), outputs' variables rewritten to final store paths. */
  readonly env: ReadonlyMap<string, string>;
  /** Where to write each output on this machine; nothing exists there yet. Renamed into the store on success. */
  readonly outputs: ReadonlyMap<string, string>;
  /** The output paths as the store will know them. */
  readonly outputPaths: ReadonlyMap<string, StorePath>;
  readonly store: SyncStore;
  /** Empty scratch directory, removed afterwards. */
  readonly tmpDir: string;
  /**
   * Where its owner's builders note what they found out about the store's objects, to be quicker next time; the outputs are
   * the same without. Undefined where nothing known may be used: the build is to be compared with one before.
   */
  readonly notesDir: string | undefined;
  /** For downloads. */
  readonly http: DownloadSettings;
  /** Servers of files by hash, byte strings. */
  readonly hashedMirrors: readonly string[];
  /** Whether a builder would see the machine's files: it would have no sandbox. */
  readonly hostFiles: boolean;
  /** A line for the build log. */
  log(line: string): void;
  readonly signal: AbortSignal;
}

/** Throws (any error) to fail the build; its message goes to the log. */
export type BuiltinBuilder = (job: BuiltinJob) => Promise<void>;

/** Looked up by name, and loaded, when one is to run; undefined for a name that nobody has. */
export type BuiltinBuilders = (name: string) => Promise<BuiltinBuilder | undefined>;
