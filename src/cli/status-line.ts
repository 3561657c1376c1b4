// One changing line at the bottom of a terminal, and what is said above it. Everything goes to standard error.
import { fromUtf8 } from '../util/bytes.ts';
import { say, terminalColumns } from './output.ts';

export class StatusLine {
  private readonly enabled: boolean;
  private readonly columns: number;
  private shown = false;
  private lastDraw = 0;

  constructor(enabled: boolean, columns = terminalColumns()) {
    this.enabled = enabled;
    this.columns = columns;
  }

  /** @param now false: not more often than the eye wants it */
  draw(bytes: () => string, now: boolean): void {
    if (!this.enabled) return;
    const time = Date.now();
    if (!now && time - this.lastDraw < 50) return;
    this.lastDraw = time;
    // Escape sequences of what others say must not reach the terminal through this line.
    const text = Array.from(fromUtf8(bytes())).filter((char) => char >= ' ' && (char < '\x7f' || char > '\x9f'));
    process.stderr.write(`\r\x1b[K${text.slice(0, this.columns - 1).join('')}`);
    this.shown = true;
  }

  /** Says something where the line was; draw it again. */
  above(bytes: string): void {
    this.end();
    say(bytes);
  }

  /** Removes the line. */
  end(): void {
    if (this.shown) process.stderr.write('\r\x1b[K');
    this.shown = false;
  }
}
