// Builds on other machines: the inputs go there, the derivation is built, its outputs come back and are registered here,
// under the same locks as for a build on this machine.
import type { DerivationOptions } from '../derivation-options.ts';
import type { BuildJob } from '../build-derivation.ts';
import { LogFile } from '../build-log.ts';
import { BuildFailure } from '../failure.ts';
import { failureKind } from '../failure-numbers.ts';
import { isImpure, type Derivation } from '../../store/derivation.ts';
import { topologicalSort } from '../../store/references.ts';
import { isContentAddressed } from '../../store/signatures.ts';
import type { PathInfo, StorePath } from '../../store/store.ts';
import { fromUtf8, toBuffer, utf8 } from '../../util/bytes.ts';
import { NixError } from '../../util/errors.ts';
import type { Machine } from './machines.ts';
import type { BuilderTold, MachineStore } from './machine-store.ts';
import { RemoteBuilders, type Place } from './remote-builders.ts';

export interface RemoteBuildingOptions {
  readonly machines: readonly Machine[];
  /** `builders-use-substitutes` */
  readonly useSubstitutes: boolean;
  /** Connects. */
  readonly open: (machine: Machine, signal: AbortSignal, told: BuilderTold) => MachineStore;
}

export class RemoteBuilding {
  private readonly options: RemoteBuildingOptions;
  private readonly builders: RemoteBuilders;

  constructor(options: RemoteBuildingOptions) {
    this.options = options;
    this.builders = new RemoteBuilders(options.machines);
  }

  /** A place on another machine; undefined where this one is to build. */
  async place(
    drv: Derivation,
    options: DerivationOptions,
    mayBuildHere: boolean,
    signal: AbortSignal,
  ): Promise<Place | undefined> {
    // Builders in TypeScript are ours alone; what an impure one makes is known to the run that made it.
    if (drv.builder.startsWith('builtin:') || isImpure(drv)) return undefined;
    if (mayBuildHere && options.preferLocalBuild) return undefined;
    return await this.builders.place(drv.system, options.requiredSystemFeatures, mayBuildHere, signal);
  }

  /**
   * @returns where the wanted outputs lie
   * @throws BuildFailure, or the signal's reason
   */
  async build(machine: Machine, job: BuildJob): Promise<ReadonlyMap<string, StorePath>> {
    const { settings, signal, drvPath } = job;
    const logFile = settings.keepLog ? new LogFile(job.store.logDir, drvPath) : undefined;
    const onLine = (line: string): void => {
      logFile?.write(toBuffer(`${line}\n`));
      job.onLine(line);
    };
    // As the builder said it, for whoever reads the log.
    const onPhase = (phase: string): void => {
      logFile?.write(toBuffer(`@nix ${utf8(JSON.stringify({ action: 'setPhase', phase: fromUtf8(phase) }))}\n`));
      job.onPhase?.(phase);
    };
    let there: MachineStore | undefined;
    try {
      there = this.options.open(machine, signal, { onLine, onPhase });
      return await this.buildOn(there, machine, job);
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof BuildFailure || !(error instanceof NixError)) throw error;
      throw new BuildFailure('misc', `Cannot build '${drvPath}' on '${machine.label}'.\nReason: ${error.message}`, {
        cause: error,
      });
    } finally {
      await there?.close();
      if (logFile !== undefined) job.later(logFile.close(settings.compressLog));
    }
  }

  private async buildOn(there: MachineStore, machine: Machine, job: BuildJob): Promise<ReadonlyMap<string, StorePath>> {
    const { store, drvPath, drv, signal } = job;
    const inputs = store.closure([...job.inputs]);
    const present = there.validPaths(inputs, this.options.useSubstitutes);
    for (const path of inputs) {
      if (present.has(path)) continue;
      signal.throwIfAborted();
      await there.send({ ...store.pathInfo(path)!, ultimate: false }, store.realPath(path));
    }
    const result = await there.build(drvPath, drv, inputs);
    signal.throwIfAborted();
    const kind = failureKind(result);
    if (kind !== undefined) {
      const kept = job.settings.keepFailed && kind === 'permanent';
      if (kept) job.note('note: The failed build directory was kept on the remote builder due to `--keep-failed`.');
      throw new BuildFailure(kind, result.message);
    }
    const made = new Map<string, StorePath>();
    for (const name of job.wanted) {
      const path = job.finalPaths.get(name) ?? result.outputs.get(name);
      if (path === undefined) {
        throw new BuildFailure('misc', `'${machine.label}' did not say what output '${name}' of '${drvPath}' is`);
      }
      made.set(name, path);
    }
    this.fetch(there, machine, job, [...made.values()]);
    return made;
  }

  /** Outputs, and whatever of their closures is not here. */
  private fetch(there: MachineStore, machine: Machine, { store }: BuildJob, paths: readonly StorePath[]): void {
    const infos = new Map<StorePath, PathInfo>();
    const queue = [...paths];
    for (let path = queue.pop(); path !== undefined; path = queue.pop()) {
      if (infos.has(path) || store.isValidPath(path)) continue;
      const info = there.pathInfo(path);
      if (info === undefined)
        throw new BuildFailure('misc', `'${machine.label}' has not got '${path}', which it built`);
      infos.set(path, info);
      queue.push(...info.references);
    }
    for (const path of topologicalSort([...infos.keys()], (each) => infos.get(each)?.references ?? [])) {
      const info = infos.get(path);
      if (info === undefined) continue;
      if (info.ca !== null && !isContentAddressed(info, store.storeDir)) {
        throw new BuildFailure(
          'outputRejected',
          `'${path}' of '${machine.label}' is not what its content address names`,
        );
      }
      const incoming = store.incoming();
      try {
        there.receive(path, (chunk) => {
          incoming.write(chunk);
        });
        incoming.finish({ ...info, ultimate: false, registrationTime: 0 });
      } finally {
        incoming.close();
      }
    }
  }
}
