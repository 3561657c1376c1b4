// What a build looks like: on a terminal one changing line at the bottom, elsewhere plain lines. Everything goes to
// standard error.
import type { BuildFailure } from '../build/failure.ts';
import type { BuildObserver } from '../build/realise-options.ts';
import type { BuildMode } from '../build/settings.ts';
import type { StorePath } from '../store/store.ts';
import { say } from './output.ts';
import { StatusLine } from './status-line.ts';

export interface ProgressOptions {
  /** -L: every line of every build. */
  readonly logs: boolean;
  /** Without the name of the derivation before each. */
  readonly plainLogs: boolean;
  readonly quiet: boolean;
  readonly terminal: boolean;
  readonly columns: number;
  readonly renderFailure: (error: BuildFailure) => string;
}

/** `/nix/store/<hash>-name.drv` → `name`. */
function shortName(drvPath: StorePath): string {
  return drvPath.slice(drvPath.lastIndexOf('/') + 34).replace(/\.drv$/, '');
}

export class Progress implements BuildObserver {
  /** How many builds there are to do. */
  total = 0;
  private readonly options: ProgressOptions;
  private readonly running = new Map<StorePath, string>();
  private done = 0;
  private failures = 0;
  private readonly status: StatusLine;

  constructor(options: ProgressOptions) {
    this.options = options;
    this.status = new StatusLine(options.terminal && !options.quiet, options.columns);
  }

  started(drvPath: StorePath, mode: BuildMode, machine?: string): void {
    this.running.set(drvPath, '');
    if (!this.options.terminal && !this.options.quiet) {
      say(
        `${mode === 'check' ? 'checking outputs of' : mode === 'repair' ? 'repairing outputs of' : 'building'} '${drvPath}'${machine === undefined ? '' : ` on '${machine}'`}...`,
      );
    }
    this.draw(true);
  }

  line(drvPath: StorePath, line: string): void {
    this.running.set(drvPath, line);
    if (this.options.logs) this.above(this.options.plainLogs ? line : `${shortName(drvPath)}> ${line}`);
    else this.draw(false);
  }

  phase(drvPath: StorePath, phase: string): void {
    this.running.set(drvPath, phase);
    this.draw(false);
  }

  finished(drvPath: StorePath): void {
    this.running.delete(drvPath);
    this.done++;
    this.draw(true);
  }

  failed(drvPath: StorePath, error: BuildFailure, isTarget: boolean): void {
    this.running.delete(drvPath);
    this.failures++;
    if (!isTarget) this.above(this.options.renderFailure(error));
  }

  copying(path: StorePath, uri: string): void {
    if (this.options.quiet) return;
    if (this.options.terminal) this.note(`copying path '${path}' from '${uri}'`);
    else say(`copying path '${path}' from '${uri}'...`);
  }

  waiting(message: string): void {
    this.above(message);
  }

  warn(message: string): void {
    this.above(`warning: ${message}`);
  }

  note(message: string): void {
    this.above(message);
  }

  /** Removes the changing line. */
  end(): void {
    this.status.end();
  }

  private above(text: string): void {
    this.status.above(text);
    this.draw(true);
  }

  private draw(now: boolean): void {
    this.status.draw(() => this.summary(), now);
  }

  private summary(): string {
    const [first] = this.running;
    const failed = this.failures > 0 ? `, ${this.failures} failed` : '';
    const counts = `[${this.running.size}/${this.done}/${Math.max(this.total, this.done)} built${failed}]`;
    return counts + (first === undefined ? '' : ` ${shortName(first[0])}${first[1] === '' ? '' : `: ${first[1]}`}`);
  }
}
