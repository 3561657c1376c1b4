// One changing line at the bottom of a terminal, and what is said above it. Everything goes to standard error.
import { refuseQuickAnswer } from './cache/quick-answer.ts';
import { isTerminal, terminalColumns, terminalLine, wantsColor, writeError, writeMessage } from './output.ts';

/** Not more often than the eye wants it, in ms. */
const PAUSE = 50;

export class StatusLine {
  readonly enabled: boolean;
  /** What stands there; undefined: nothing. */
  private shown: string | undefined;
  private lastDraw = 0;
  private latest: (() => string) | undefined;
  private timer: NodeJS.Timeout | undefined;
  /** Its window may have changed, or something else have been written: draws anew. */
  private readonly again = (): void => {
    if (this.shown === undefined) return;
    this.shown = '';
    this.now();
  };

  /** @param wanted false: never shown; else where standard error is a terminal */
  constructor(wanted = true) {
    this.enabled = wanted && isTerminal(2) && process.env['TERM'] !== 'dumb';
  }

  /** @param now false: soon. `bytes` may be asked again later. @param delay not before so many ms */
  draw(bytes: () => string, now: boolean, delay = 0): void {
    if (!this.enabled) return;
    this.latest = bytes;
    const wait = Math.max(delay, this.lastDraw + PAUSE - Date.now());
    if (now || wait <= 0) this.now();
    else
      this.timer ??= setTimeout(() => {
        this.now();
      }, wait).unref();
  }

  private now(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    if (this.latest === undefined) return;
    const line = terminalLine(this.latest(), terminalColumns() - 1, wantsColor());
    if (this.shown === undefined) {
      if (line === '') return;
      refuseQuickAnswer('progress was shown');
      process.stderr.on('resize', this.again);
      process.on('SIGCONT', this.again);
    }
    this.lastDraw = Date.now();
    // What is the same is not written again: that would undo what the user has marked.
    if (line !== this.shown) writeError(`\r${line}\x1b[K`);
    this.shown = line;
  }

  /** Says something where the line was; draw it again. */
  above(bytes: string): void {
    this.end();
    writeMessage(bytes);
  }

  /** Removes the line. */
  end(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.latest = undefined;
    if (this.shown === undefined) return;
    this.shown = undefined;
    writeError('\r\x1b[K');
    process.stderr.removeListener('resize', this.again);
    process.removeListener('SIGCONT', this.again);
  }
}
