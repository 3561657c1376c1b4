// The store of a machine that builds: what it lacks is sent, what it made is fetched. One connection a build.
import { resultType, type Field } from '../../util/activity.ts';
import type { Derivation } from '../../store/derivation.ts';
import type { RemoteBuildResult, RemoteBuildSettings } from '../../store/daemon/build-result.ts';
import type { DaemonStore } from '../../store/daemon/daemon-store.ts';
import type { ServeConnection } from '../../store/daemon/serve-connection.ts';
import { narChunks } from '../../store/nar-dump.ts';
import type { PathInfo, StorePath } from '../../store/store.ts';

export interface MachineStore {
  /** Which of these it has; it keeps them meanwhile. `substitute`: and fetches them where it can. */
  validPaths(paths: readonly StorePath[], substitute: boolean): Set<StorePath>;
  /** @param realPath where it lies here */
  send(info: PathInfo, realPath: string): Promise<void>;
  build(drvPath: StorePath, drv: Derivation, inputs: readonly StorePath[]): Promise<RemoteBuildResult>;
  pathInfo(path: StorePath): PathInfo | undefined;
  /** Chunks are valid only during the call. */
  receive(path: StorePath, sink: (chunk: Uint8Array) => void): void;
  close(): Promise<void>;
}

/** `nix-store --serve --write` on the machine. */
export class ServeMachine implements MachineStore {
  private readonly peer: ServeConnection;
  private readonly settings: RemoteBuildSettings;

  /** Ends what goes on with the signal. */
  constructor(peer: ServeConnection, settings: RemoteBuildSettings, signal: AbortSignal) {
    this.peer = peer;
    this.settings = settings;
    signal.addEventListener('abort', () => peer.channel.close(), { once: true });
  }

  validPaths(paths: readonly StorePath[], substitute: boolean): Set<StorePath> {
    return this.peer.validPaths(paths, substitute);
  }

  send(info: PathInfo, realPath: string): Promise<void> {
    this.peer.addNar(info, (sink) => {
      for (const chunk of narChunks(realPath)) sink(chunk);
    });
    return Promise.resolve();
  }

  build(drvPath: StorePath, drv: Derivation, inputs: readonly StorePath[]): Promise<RemoteBuildResult> {
    return this.peer.buildDerivation(drvPath, drv, inputs, this.settings);
  }

  pathInfo(path: StorePath): PathInfo | undefined {
    return this.peer.pathInfos([path]).get(path);
  }

  receive(path: StorePath, sink: (chunk: Uint8Array) => void): void {
    this.peer.nar(path, sink);
  }

  close(): Promise<void> {
    this.peer.channel.close();
    return Promise.resolve();
  }
}

/** Hears what a builder prints. */
export interface BuilderTold {
  readonly onLine: (line: string) => void;
  readonly onPhase: (phase: string) => void;
}

/** A Nix daemon on the machine. */
export class DaemonMachine implements MachineStore {
  private readonly store: DaemonStore;
  private readonly signal: AbortSignal;
  private readonly told: BuilderTold;

  constructor(store: DaemonStore, signal: AbortSignal, told: BuilderTold) {
    this.store = store;
    this.signal = signal;
    this.told = told;
  }

  validPaths(paths: readonly StorePath[], substitute: boolean): Set<StorePath> {
    for (const path of paths) this.store.addTempRoot(path);
    return this.store.queryValidPaths(paths, substitute);
  }

  async send(info: PathInfo, realPath: string): Promise<void> {
    await this.store.addNar(info, narChunks(realPath), false);
  }

  build(drvPath: StorePath, drv: Derivation, inputs: readonly StorePath[]): Promise<RemoteBuildResult> {
    const { onLine, onPhase } = this.told;
    const result = (_: number, type: number, [text]: readonly Field[]): void => {
      if (typeof text !== 'string') return;
      if (type === resultType.buildLogLine) onLine(text);
      else if (type === resultType.setPhase) onPhase(text);
    };
    return this.store.buildDerivation(drvPath, drv, inputs, { result, message: onLine }, this.signal);
  }

  pathInfo(path: StorePath): PathInfo | undefined {
    return this.store.pathInfo(path);
  }

  receive(path: StorePath, sink: (chunk: Uint8Array) => void): void {
    this.store.dumpPath(path, sink);
  }

  close(): Promise<void> {
    return this.store.close();
  }
}
