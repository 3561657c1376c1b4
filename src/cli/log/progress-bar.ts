// The log as one changing line at the bottom of a terminal (`--log-format bar`), messages above it. Shows what Nix's bar
// shows: counts of all activities, and what the one that last moved is at. Elsewhere than on a terminal: plain lines.
import { activityType, resultType } from '../../util/activity.ts';
import type { Activity, ActivityId, ActivityLog, Field, LoggedFailure } from '../../util/activity.ts';
import { parseDrvName } from '../../util/drv-name.ts';
import { NORMAL, RED } from '../../util/excerpt.ts';
import { renderSize } from '../../util/render-size.ts';
import { wantsColor } from '../output.ts';
import { StatusLine } from '../status-line.ts';
import { renderCounts, renderSizes, type Counts } from './bar-counts.ts';

export interface ProgressBarOptions {
  /** What builders print is shown above the line. */
  readonly logs: boolean;
  /** Texts of activities up to this level are shown above the line. */
  readonly verbosity: number;
}

interface Running extends Counts {
  readonly type: number;
  readonly parent: ActivityId;
  readonly since: number;
  /** Not shown: the one that it is a part of is. */
  readonly hidden: boolean;
  text: string;
  /** Of the package, before its lines. */
  readonly name: string;
  phase: string;
  lastLine: string;
  /** Of activities below, by type. */
  readonly expectedOf: Map<number, number>;
}

interface OfType {
  readonly running: Set<Running>;
  done: number;
  failed: number;
  expected: number;
}

const BOLD = '\x1b[1m';
const FAINT = '\x1b[2m';

/** What is over sooner is not shown, in ms. */
const SHORT = 10;

/** `/nix/store/<hash>-name.drv` → `name.drv` */
function nameOf(path: string): string {
  const base = path.slice(path.lastIndexOf('/') + 1);
  return base.slice(base.indexOf('-') + 1);
}

export class ProgressBar implements ActivityLog {
  private readonly options: ProgressBarOptions;
  private readonly line = new StatusLine();
  /** In the order in which they began or last said something. */
  private readonly activities = new Map<ActivityId, Running>();
  private readonly byType = new Map<number, OfType>();
  private filesLinked = 0;
  private bytesLinked = 0;
  private corrupted = 0;
  private untrusted = 0;

  constructor(options: ProgressBarOptions) {
    this.options = options;
  }

  message(_level: number, text: string): void {
    this.line.above(text);
    this.draw(true);
  }

  failure({ text }: LoggedFailure): void {
    this.line.above(text(wantsColor()));
    this.draw(true);
  }

  start(activity: Activity): void {
    const { id, level, type, text, parent } = activity;
    const inLine = type === activityType.buildWaiting && this.line.enabled;
    if (text !== '' && level <= this.options.verbosity && !inLine) this.line.above(`${text}...`);
    const running: Running = {
      type,
      parent,
      since: Date.now(),
      hidden: this.isPart(type, parent),
      ...describe(activity),
      phase: '',
      lastLine: '',
      done: 0,
      expected: 0,
      running: 0,
      failed: 0,
      expectedOf: new Map(),
    };
    this.activities.set(id, running);
    this.ofType(type).running.add(running);
    this.draw(false);
    // Once it has gone on for long enough to be shown.
    this.draw(false, SHORT + 1);
  }

  stop(id: ActivityId): void {
    const ended = this.activities.get(id);
    if (ended === undefined) return;
    this.activities.delete(id);
    const all = this.ofType(ended.type);
    all.running.delete(ended);
    all.done += ended.done;
    all.failed += ended.failed;
    for (const [type, expected] of ended.expectedOf) this.ofType(type).expected -= expected;
    this.draw(false);
  }

  result(id: ActivityId, type: number, fields: readonly Field[]): void {
    if (type === resultType.fileLinked) {
      this.filesLinked++;
      this.bytesLinked += typeof fields[0] === 'number' ? fields[0] : 0;
    } else if (type === resultType.corruptedPath) this.corrupted++;
    else if (type === resultType.untrustedPath) this.untrusted++;
    else {
      const activity = this.activities.get(id);
      if (activity === undefined) return;
      this.resultOf(id, activity, type, fields);
    }
    this.draw(false);
  }

  private resultOf(id: ActivityId, activity: Running, type: number, fields: readonly Field[]): void {
    const [first, second, third, fourth] = fields;
    switch (type) {
      case resultType.buildLogLine:
      case resultType.postBuildLogLine:
        if (typeof first !== 'string') return;
        if (this.options.logs) {
          const mark = type === resultType.buildLogLine ? '> ' : ' (post)> ';
          this.line.above(`${wantsColor() ? FAINT : ''}${activity.name}${mark}${wantsColor() ? NORMAL : ''}${first}`);
        } else {
          activity.lastLine = first.replace(/[ \n\r\t]+$/, '');
          this.activities.delete(id);
          this.activities.set(id, activity);
        }
        return;
      case resultType.setPhase:
        if (typeof first === 'string') activity.phase = first;
        return;
      case resultType.fetchStatus:
        if (typeof first === 'string') activity.lastLine = first;
        return;
      case resultType.progress:
        if (typeof first !== 'number' || typeof second !== 'number') return;
        activity.done = first;
        activity.expected = second;
        activity.running = typeof third === 'number' ? third : 0;
        activity.failed = typeof fourth === 'number' ? fourth : 0;
        return;
      case resultType.setExpected:
        if (typeof first !== 'number' || typeof second !== 'number') return;
        this.ofType(first).expected += second - (activity.expectedOf.get(first) ?? 0);
        activity.expectedOf.set(first, second);
        return;
    }
  }

  /** Removes the line. */
  end(): void {
    this.line.end();
  }

  private ofType(type: number): OfType {
    let all = this.byType.get(type);
    if (all === undefined) this.byType.set(type, (all = { running: new Set(), done: 0, failed: 0, expected: 0 }));
    return all;
  }

  private isPart(type: number, parent: ActivityId): boolean {
    const wholes =
      type === activityType.fileTransfer
        ? [activityType.copyPath, activityType.queryPathInfo]
        : type === activityType.copyPath
          ? [activityType.substitute]
          : [];
    for (let at = this.activities.get(parent); at !== undefined; at = this.activities.get(at.parent)) {
      if ((wholes as number[]).includes(at.type)) return true;
    }
    return false;
  }

  private draw(now: boolean, delay = 0): void {
    this.line.draw(() => this.text(), now, delay);
  }

  private text(): string {
    const status = this.status();
    const latest = Date.now() - SHORT;
    let shown: Running | undefined;
    for (const activity of this.activities.values()) {
      const says = activity.text !== '' || activity.lastLine !== '';
      if (says && !activity.hidden && activity.since <= latest) shown = activity;
    }
    const parts = status === '' ? [] : [`[${status}]`];
    if (shown !== undefined) {
      const { text, phase, lastLine } = shown;
      const what = `${text}${phase === '' ? '' : ` (${phase})`}`;
      parts.push(lastLine === '' ? what : text === '' ? `${what}${lastLine}` : `${what}: ${lastLine}`);
    }
    return parts.join(' ');
  }

  private counts(type: number): Counts {
    const all = this.ofType(type);
    const sum: Counts = { done: all.done, expected: all.done, running: 0, failed: all.failed };
    for (const activity of all.running) {
      sum.done += activity.done;
      sum.expected += activity.expected;
      sum.running += activity.running;
      sum.failed += activity.failed;
    }
    sum.expected = Math.max(sum.expected, all.expected);
    return sum;
  }

  private status(): string {
    const copied = renderCounts(this.counts(activityType.copyPaths), ' copied');
    const bytes = renderSizes(this.counts(activityType.copyPath), '');
    const optimised = renderCounts(this.counts(activityType.optimiseStore), ' paths optimised');
    return [
      renderCounts(this.counts(activityType.builds), ' built'),
      bytes === '' ? copied : `${copied === '' ? '0 copied' : copied} (${bytes})`,
      renderSizes(this.counts(activityType.fileTransfer), ' DL'),
      optimised === '' ? '' : `${optimised}, ${renderSize(this.bytesLinked)} / ${this.filesLinked} inodes freed`,
      renderCounts(this.counts(activityType.verifyPaths), ' paths verified'),
      this.corrupted === 0 ? '' : `${RED}${this.corrupted} corrupted${NORMAL}`,
      this.untrusted === 0 ? '' : `${RED}${this.untrusted} untrusted${NORMAL}`,
    ]
      .filter((part) => part !== '')
      .join(', ');
  }
}

function describe({ type, text, fields: [path, other] }: Activity): { readonly text: string; readonly name: string } {
  const unnamed = { text, name: 'unnamed' };
  if (typeof path !== 'string') return unnamed;
  const bold = (words: string): string => `${BOLD}${words}${NORMAL}`;
  const label = nameOf(path);
  const package_ = label.replace(/\.drv$/, '');
  const { name } = parseDrvName(package_);
  switch (type) {
    case activityType.build: {
      const machine = typeof other === 'string' && other !== '' ? ` on ${bold(other)}` : '';
      return { text: `building ${bold(package_)}${machine}`, name };
    }
    case activityType.postBuildHook:
      return { text: `post-build ${bold(package_)}`, name };
    case activityType.substitute:
      if (typeof other !== 'string') return unnamed;
      return { ...unnamed, text: `${other.startsWith('local') ? 'copying' : 'fetching'} ${bold(label)} from ${other}` };
    case activityType.queryPathInfo:
      return typeof other === 'string' ? { ...unnamed, text: `querying ${bold(label)} on ${other}` } : unnamed;
    default:
      return unnamed;
  }
}
