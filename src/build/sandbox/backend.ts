// What every way of isolating a builder offers: start a program in a file system made of layout steps, pass on what it
// prints, tell how it ended, and leave no process behind. Backends: perl.ts, bubblewrap.ts, unshare.ts, none.ts;
// chosen in detect.ts.
import type { Readable } from 'node:stream';
import type { SandboxLayout } from './layout.ts';
import type { HelperPool } from './perl.ts';

export type BackendName = 'perl' | 'bubblewrap' | 'unshare' | 'none';

/** Ids that the builder has inside and, as root, on this machine. */
export interface SandboxUser {
  /** Inside: 1000 and 100. */
  readonly uid: number;
  readonly gid: number;
  /** On this machine; undefined: the caller's own. */
  readonly host?: { readonly uid: number; readonly gid: number };
}

/** Mode vm: the builder is root of a range of ids and keeps its capabilities, inside its user namespace. */
export type VmIds =
  | { readonly kind: 'single' }
  /** As root: `first` … `first + count - 1`, an unused range of this machine. */
  | { readonly kind: 'range'; readonly firstUid: number; readonly firstGid: number; readonly count: number }
  /** As another user: through newuidmap and newgidmap. */
  | {
      readonly kind: 'subordinate';
      readonly firstUid: number;
      readonly firstGid: number;
      readonly count: number;
      readonly newuidmap: string;
      readonly newgidmap: string;
    };

export interface SandboxRequest {
  /** Empty directory of this machine to put the new root on. */
  readonly root: string;
  /** undefined: no namespaces, the builder sees this machine (only the backend `none`). */
  readonly layout: SandboxLayout | undefined;
  readonly user: SandboxUser;
  readonly vm?: VmIds;
  /** False: a network namespace with nothing but loopback. */
  readonly network: boolean;
  readonly program: string;
  /** With argv[0]. Byte strings, like all that follows. */
  readonly args: readonly string[];
  /** In the order that the builder finds it in. */
  readonly env: readonly (readonly [string, string])[];
  readonly cwd: string;
  /** BPF program; not every backend can load one (`filters`). */
  readonly seccomp: Buffer | undefined;
  /** personality(2) flags: ADDR_NO_RANDOMIZE and, for i686 on x86_64, PER_LINUX32. */
  readonly personality: number;
  /** Where the backend `perl` finds its process, and leaves it for the next build. */
  readonly helpers?: HelperPool;
  /** Another build will follow, most likely of the same frame and ids: the backend may get ready for it. */
  readonly more?: boolean;
  /** Directories of this machine whose contents to give back to the caller's ids at the end (mode vm). */
  readonly reclaim?: readonly string[];
}

export type BuilderExit =
  | { readonly kind: 'exited'; readonly code: number }
  | { readonly kind: 'signalled'; readonly signal: number }
  /** The program could not be started; `message` is the system's: "No such file or directory". */
  | { readonly kind: 'notStarted'; readonly message: string }
  /** The sandbox could not be made. */
  | { readonly kind: 'setupFailed'; readonly message: string };

export interface RunningBuilder {
  /** What the builder prints, standard output and error as one. Must be read. */
  readonly output: Readable;
  /** Settles once no process of the builder is left. Never rejects. */
  readonly exit: Promise<BuilderExit>;
  /** Ends the builder and all its descendants at once. */
  kill(): void;
}

export interface SandboxBackend {
  readonly name: BackendName;
  /** Loads the request's system call filter. */
  readonly filters: boolean;
  /** Knows mode vm. */
  readonly vm: boolean;
  start(request: SandboxRequest): RunningBuilder;
}

/** ADDR_NO_RANDOMIZE of personality(2). */
export const addressNoRandomize = 0x0040000;
/** PER_LINUX32 of personality(2). */
export const linux32 = 0x0008;
