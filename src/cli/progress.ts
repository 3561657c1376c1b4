// What a build looks like: on a terminal one changing line at the bottom, elsewhere plain lines. Everything goes to
// standard error.
import type { BuildFailure } from '../build/failure.ts';
import type { BuildObserver } from '../build/goals.ts';
import type { BuildMode } from '../build/settings.ts';
import type { StorePath } from '../store/store.ts';
import { fromUtf8 } from '../util/bytes.ts';
import { say } from './output.ts';

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
  private shown = false;
  private lastDraw = 0;

  constructor(options: ProgressOptions) {
    this.options = options;
  }

  started(drvPath: StorePath, mode: BuildMode): void {
    this.running.set(drvPath, '');
    if (!this.options.terminal && !this.options.quiet) {
      say(
        `${mode === 'check' ? 'checking outputs of' : mode === 'repair' ? 'repairing outputs of' : 'building'} '${drvPath}'...`,
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
    if (this.shown) process.stderr.write('\r\x1b[K');
    this.shown = false;
  }

  private above(text: string): void {
    this.end();
    say(text);
    this.draw(true);
  }

  private draw(now: boolean): void {
    if (!this.options.terminal || this.options.quiet) return;
    const time = Date.now();
    if (!now && time - this.lastDraw < 50) return;
    this.lastDraw = time;
    const [first] = this.running;
    const failed = this.failures > 0 ? `, ${this.failures} failed` : '';
    const counts = `[${this.running.size}/${this.done}/${Math.max(this.total, this.done)} built${failed}]`;
    const what = first === undefined ? '' : ` ${shortName(first[0])}${first[1] === '' ? '' : `: ${first[1]}`}`;
    // Escape sequences of a build's log must not reach the terminal through this line.
    const text = Array.from(fromUtf8(counts + what)).filter((char) => char >= ' ' && (char < '\x7f' || char > '\x9f'));
    process.stderr.write(`\r\x1b[K${text.slice(0, this.options.columns - 1).join('')}`);
    this.shown = true;
  }
}
