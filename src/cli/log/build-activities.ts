// What realising does, told as activities: one for all of it, those of all builds and of all copies, and one for each
// build, copy, hook or wait.
import type { BuildFailure } from '../../build/failure.ts';
import type { BuildObserver } from '../../build/realise-options.ts';
import type { RealisationPlan } from '../../build/plan.ts';
import type { BuildMode } from '../../build/settings.ts';
import type { StorePath } from '../../store/store.ts';
import type { CopyTold, SubstitutionObserver } from '../../fetch/cache/substituter.ts';
import { activityType, resultType, startActivity, verbosity } from '../../util/activity.ts';
import type { ActivityId, ActivityLog } from '../../util/activity.ts';

/** `done`, `running` and `failed` are of those that were expected, and of more. */
class Counter {
  expected = 0;
  done = 0;
  running = 0;
  failed = 0;
  private readonly log: ActivityLog;
  private readonly id: ActivityId;

  constructor(log: ActivityLog, type: number) {
    this.log = log;
    this.id = startActivity(log, type);
  }

  tell(): void {
    const { done, running, failed } = this;
    const expected = Math.max(this.expected - failed, done + running);
    this.log.result(this.id, resultType.progress, [done, expected, running, failed]);
  }

  end(): void {
    this.log.stop(this.id);
  }
}

const modeWords: Record<BuildMode, string> = {
  normal: 'building',
  check: 'checking outputs of',
  repair: 'repairing outputs of',
};

export interface BuildActivitiesOptions {
  readonly log: ActivityLog;
  /** Messages up to this level are told; activities all. */
  readonly verbosity: number;
  /** URI of the store that paths are fetched into. */
  readonly destination: string;
  readonly sayFailure: (error: BuildFailure) => void;
}

export class BuildActivities implements BuildObserver, SubstitutionObserver {
  private readonly log: ActivityLog;
  private readonly verbosity: number;
  private readonly sayFailure: (error: BuildFailure) => void;
  private readonly destination: string;
  private readonly whole: ActivityId;
  private readonly builds: Counter;
  private readonly copies: Counter;
  private readonly running = new Map<StorePath, ActivityId>();
  private readonly hooks = new Map<StorePath, ActivityId>();

  constructor({ log, verbosity: level, destination, sayFailure }: BuildActivitiesOptions) {
    this.log = log;
    this.verbosity = level;
    this.destination = destination;
    this.sayFailure = sayFailure;
    this.whole = startActivity(log, activityType.realise);
    this.builds = new Counter(log, activityType.builds);
    this.copies = new Counter(log, activityType.copyPaths);
  }

  /** Counts that are expected. */
  planned({ willBuild, willSubstitute, downloadSize, narSize }: RealisationPlan): void {
    this.builds.expected = willBuild.length;
    this.copies.expected = willSubstitute.length;
    this.builds.tell();
    this.copies.tell();
    this.log.result(this.whole, resultType.setExpected, [activityType.fileTransfer, downloadSize]);
    this.log.result(this.whole, resultType.setExpected, [activityType.copyPath, narSize]);
  }

  // ---- builds --------------------------------------------------------------------------------------------------

  started(drvPath: StorePath, mode: BuildMode, machine = ''): void {
    const text = `${modeWords[mode]} '${drvPath}'${machine === '' ? '' : ` on '${machine}'`}`;
    const fields = [drvPath, machine, 1, 1];
    this.running.set(drvPath, startActivity(this.log, activityType.build, { level: verbosity.info, text, fields }));
    this.builds.running++;
    this.builds.tell();
  }

  line(drvPath: StorePath, line: string): void {
    this.resultOf(this.running, drvPath, resultType.buildLogLine, line);
  }

  phase(drvPath: StorePath, phase: string): void {
    this.resultOf(this.running, drvPath, resultType.setPhase, phase);
  }

  private resultOf(ids: Map<StorePath, ActivityId>, drvPath: StorePath, type: number, text: string): void {
    const id = ids.get(drvPath);
    if (id !== undefined) this.log.result(id, type, [text]);
  }

  finished(drvPath: StorePath): void {
    this.builds.done++;
    this.ended(drvPath);
  }

  failed(drvPath: StorePath, error: BuildFailure, isTarget: boolean): void {
    if (error.kind === 'dependencyFailed') this.builds.expected--;
    else this.builds.failed++;
    this.ended(drvPath);
    if (!isTarget) this.sayFailure(error);
  }

  private ended(drvPath: StorePath): void {
    const id = this.running.get(drvPath);
    if (id !== undefined) this.builds.running--;
    this.builds.tell();
    if (id === undefined) return;
    this.running.delete(drvPath);
    this.log.stop(id);
  }

  hookStarted(drvPath: StorePath, hook: string): void {
    const text = `running post-build-hook '${hook}'`;
    const about = { level: verbosity.talkative, text, fields: [drvPath] };
    this.hooks.set(drvPath, startActivity(this.log, activityType.postBuildHook, about));
  }

  hookLine(drvPath: StorePath, line: string): void {
    this.resultOf(this.hooks, drvPath, resultType.postBuildLogLine, line);
  }

  hookEnded(drvPath: StorePath): void {
    const id = this.hooks.get(drvPath);
    this.hooks.delete(drvPath);
    if (id !== undefined) this.log.stop(id);
  }

  waiting(text: string): () => void {
    const id = startActivity(this.log, activityType.buildWaiting, { level: verbosity.warn, text });
    return () => {
      this.log.stop(id);
    };
  }

  // ---- fetching ------------------------------------------------------------------------------------------------

  copying(path: StorePath, uri: string, narSize: number): CopyTold {
    const { log, copies } = this;
    const whole = startActivity(log, activityType.substitute, { fields: [path, uri] });
    const copy = startActivity(log, activityType.copyPath, {
      level: verbosity.info,
      text: `copying path '${path}' from '${uri}'`,
      fields: [path, uri, this.destination],
      parent: whole,
    });
    let download: ActivityId | undefined;
    let received = 0;
    let told = 0;
    copies.running++;
    copies.tell();
    const stop = (): void => {
      copies.running--;
      if (download !== undefined) log.stop(download);
      log.stop(copy);
      log.stop(whole);
      copies.tell();
    };
    return {
      unpacked: (bytes) => {
        log.result(copy, resultType.progress, [bytes, narSize, 0, 0]);
      },
      downloading: (url) => {
        const about = { level: verbosity.talkative, text: `downloading '${url}'`, fields: [url], parent: copy };
        download ??= startActivity(log, activityType.fileTransfer, about);
      },
      downloaded: (bytes, expected) => {
        received = bytes;
        // Many small pieces: not each.
        if (download === undefined || (received - told < 1 << 16 && received !== expected)) return;
        told = received;
        log.result(download, resultType.progress, [received, Math.max(received, expected), 0, 0]);
      },
      ended: () => {
        if (download !== undefined && told !== received) {
          log.result(download, resultType.progress, [received, received, 0, 0]);
        }
        copies.done++;
        stop();
      },
      failed: () => {
        copies.failed++;
        stop();
      },
    };
  }

  querying(path: StorePath, uri: string): () => void {
    const text = `querying info about '${path}' on '${uri}'`;
    const about = { level: verbosity.talkative, text, fields: [path, uri] };
    const id = startActivity(this.log, activityType.queryPathInfo, about);
    return () => {
      this.log.stop(id);
    };
  }

  // ---- messages ------------------------------------------------------------------------------------------------

  warn(message: string): void {
    this.log.message(verbosity.warn, `warning: ${message}`);
  }

  error(message: string): void {
    this.log.message(verbosity.error, `error: ${message}`);
  }

  tell(level: number, message: string): void {
    if (level <= this.verbosity) this.log.message(level, message);
  }

  note(message: string): void {
    this.log.message(verbosity.info, message);
  }

  /** All that goes on has ended, whatever became of it. */
  end(): void {
    for (const id of [...this.hooks.values(), ...this.running.values()]) this.log.stop(id);
    this.hooks.clear();
    this.running.clear();
    this.copies.end();
    this.builds.end();
    this.log.stop(this.whole);
  }
}
