// Hands attributes to worker processes and prints what they find, in order of completion. A row is printed once its
// worker has flushed; where a worker dies before, what it held is evaluated again, and the attribute that it was at
// once more in a fresh process. If that one dies too, the attribute fails, and only it.
import { NixError } from '../../util/errors.ts';
import { compactJson } from '../print-json.ts';
import { JobQueues } from './job-queues.ts';
import type { JobsProgress } from './jobs-progress.ts';
import { failureRow, showAttrPath, type AttrPath } from './protocol.ts';
import { WorkerProcess, type WorkerOptions } from './worker-process.ts';

export interface JobPoolOptions extends WorkerOptions {
  readonly workers: number;
  readonly progress: JobsProgress;
  readonly print: (bytes: string) => void;
  /** The first worker alone evaluates the root, before there are others: it may write files. */
  readonly firstAlone: boolean;
}

/** The root can't be evaluated; rendered by the worker. */
export class RootError extends NixError {
  override readonly code = 'ROOT';
}

const MAX_EARLY_DEATHS = 3;
/** What a worker is at, and what it finds when it is done with that: asking for more takes as long as a small attribute. */
const JOBS_AT_ONCE = 16;
/** Not more of its queue than this part, so that others find some. */
const SHARE_AT_ONCE = 1 / 4;

interface Job {
  readonly path: AttrPath;
  /** Workers that died of it. */
  deaths: number;
}

interface Member {
  readonly process: WorkerProcess;
  ready: boolean;
  leaving: boolean;
  /** It was told to flush. */
  flushing: boolean;
  /** In order: it is at the first. */
  readonly jobs: Job[];
  readonly held: { readonly job: Job; readonly row: string }[];
}

export class JobPool {
  private readonly options: JobPoolOptions;
  private readonly queues = new JobQueues<Job, Member>({ path: [], deaths: 0 });
  private readonly members = new Set<Member>();
  private rootEvaluated = false;
  /** Workers that died before they had evaluated the root, while others could. */
  private earlyDeaths = 0;
  private over = false;
  private crashed = false;
  private settle!: { readonly resolve: (crashed: boolean) => void; readonly reject: (error: unknown) => void };

  constructor(options: JobPoolOptions) {
    this.options = options;
    options.progress.found = 1;
  }

  /** @returns whether a worker died of an attribute twice. @throws RootError */
  run(): Promise<boolean> {
    return new Promise((resolve, reject) => {
      this.settle = { resolve, reject };
      this.startAll();
    });
  }

  stop(reason: unknown): void {
    this.over = true;
    for (const member of this.members) member.process.stop();
    this.settle.reject(reason);
  }

  private startAll(): void {
    const wanted = this.options.firstAlone && !this.rootEvaluated ? 1 : this.options.workers;
    while (this.members.size < wanted) this.start();
  }

  private start(): void {
    const member: Member = {
      process: new WorkerProcess(this.options, {
        reply: (word, json) => this.take(member, word, json),
        say: (line) => this.options.progress.say(line),
        ended: (how) => this.ended(member, how),
      }),
      ready: false,
      leaving: false,
      flushing: false,
      jobs: [],
      held: [],
    };
    this.members.add(member);
  }

  private take(member: Member, word: string, json: string): void {
    const { progress } = this.options;
    switch (word) {
      case 'ready':
        member.ready = true;
        if (!this.rootEvaluated) {
          this.rootEvaluated = true;
          this.startAll();
        }
        break;
      case 'attrs': {
        const { path } = this.release(member);
        const names = JSON.parse(json) as string[];
        progress.done++;
        progress.found += names.length;
        this.queues.add(
          member,
          names.map((name) => ({ path: [...path, name], deaths: 0 })),
        );
        break;
      }
      case 'failure':
        progress.done++;
        progress.failed++;
        member.held.push({ job: this.release(member), row: json });
        break;
      case 'row':
        progress.done++;
        member.held.push({ job: this.release(member), row: json });
        break;
      case 'flushed':
        member.flushing = false;
        this.printHeld(member);
        break;
      case 'restart':
        member.leaving = true;
        break;
      case 'fatal': {
        const { message, status } = JSON.parse(json) as { message: string; status: number };
        const error = new RootError(message);
        error.exitStatus = status;
        this.stop(error);
        return;
      }
    }
    this.assign();
  }

  private release(member: Member): Job {
    const { progress } = this.options;
    const job = member.jobs.shift()!;
    progress.ended(job.path);
    const [next] = member.jobs;
    if (next !== undefined) progress.started(next.path);
    return job;
  }

  private printHeld(member: Member): void {
    const { progress } = this.options;
    progress.hide();
    this.options.print(member.held.map(({ row }) => `${row}\n`).join(''));
    member.held.length = 0;
  }

  private assign(): void {
    if (this.over) return;
    const members = [...this.members];
    const able = members.filter(({ ready, leaving }) => ready && !leaving);
    for (const member of able) {
      if (member.jobs.length === 0) this.queues.share(member);
      this.supply(member);
    }
    for (const member of able) {
      if (member.jobs.length > 0 || member.held.length === 0 || member.flushing) continue;
      member.flushing = true;
      member.process.send('flush');
    }
    const waiting = !this.queues.isEmpty;
    if (waiting) this.startAll();
    const busy = members.some(({ jobs, held }) => jobs.length > 0 || held.length > 0);
    if (waiting || busy) return;
    for (const member of members) {
      if (member.leaving) continue;
      member.leaving = true;
      // One that is still at the root need not end it.
      if (member.ready) member.process.finish();
      else member.process.stop();
    }
    if (this.members.size === 0) this.settle.resolve(this.crashed);
  }

  /** Gives a worker of its queue, several at once. */
  private supply(member: Member): void {
    const { jobs } = member;
    const most = Math.max(1, Math.min(JOBS_AT_ONCE, Math.floor(this.queues.count(member) * SHARE_AT_ONCE)));
    if (jobs.length > most / 2) return;
    while (jobs.length < most) {
      const job = this.queues.next(member);
      if (job === undefined) return;
      this.give(member, job);
    }
  }

  private give(member: Member, job: Job): void {
    if (member.jobs.length === 0) this.options.progress.started(job.path);
    member.jobs.push(job);
    member.process.send(`do ${compactJson(job.path)}`);
  }

  private ended(member: Member, how: string | undefined): void {
    this.members.delete(member);
    const [job, ...ahead] = member.jobs;
    if (this.over) return;
    if (how !== undefined && !member.ready && (!this.rootEvaluated || ++this.earlyDeaths > MAX_EARLY_DEATHS)) {
      this.stop(new RootError(`error: while evaluating the root, ${how}`));
      return;
    }
    this.options.progress.done -= member.held.length;
    const again = [...member.held.map((held) => held.job), ...ahead];
    if (job !== undefined) {
      this.options.progress.ended(job.path);
      // One that ended as it should had grown too large, and never began with it.
      if (how === undefined || ++job.deaths === 1) again.unshift(job);
      else this.giveUp(job, how);
    }
    this.queues.add(member, again);
    this.queues.leave(member);
    this.assign();
  }

  private giveUp(job: Job, how: string): void {
    const { progress } = this.options;
    this.crashed = true;
    const error = `error: while reading result for attrPath '${showAttrPath(job.path)}', ${how}`;
    progress.say(error);
    progress.hide();
    this.options.print(`${compactJson(failureRow(job.path, error))}\n`);
    progress.done++;
    progress.failed++;
  }
}
