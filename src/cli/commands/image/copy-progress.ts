// Blobs on their way: on a terminal a line with a bar for each that moves, elsewhere nothing (or, with -v, a line for each
// at its end).
import { humanSize } from '../../../util/human-size.ts';
import type { CopyObserver } from '../../../docker/image/copy.ts';
import { utf8 } from '../../../util/bytes.ts';
import type { ParsedFlags } from '../../flags.ts';
import { isTerminal, say, terminalColumns } from '../../output.ts';

const BAR = 24;
const DRAW_MS = 80;

interface Moving {
  readonly total: number | undefined;
  done: number;
}

function shortLabel(label: string): string {
  return label.startsWith('sha256:') ? label.slice(7, 19) : label.replace(/^[0-9a-z]{32}-/, '');
}

export class CopyProgress implements CopyObserver {
  readonly #terminal: boolean;
  readonly #verbose: boolean;
  readonly #columns: number;
  readonly #moving = new Map<string, Moving>();
  #lines = 0;
  #drawn = 0;

  constructor(flags: ParsedFlags) {
    const quiet = flags.has('quiet');
    this.#terminal = !quiet && isTerminal(2) && process.env['TERM'] !== 'dumb';
    this.#verbose = !quiet && flags.has('verbose');
    this.#columns = terminalColumns();
  }

  readonly begin = (label: string, total: number | undefined): void => {
    this.#moving.set(label, { total, done: 0 });
    this.#draw();
  };

  readonly advance = (label: string, bytes: number): void => {
    const moving = this.#moving.get(label);
    if (moving !== undefined) moving.done += bytes;
    this.#draw();
  };

  readonly end = (label: string, outcome: 'copied' | 'exists' | 'mounted'): void => {
    const moving = this.#moving.get(label);
    this.#moving.delete(label);
    if (this.#terminal || this.#verbose) {
      const size = moving === undefined || outcome !== 'copied' ? '' : `  ${humanSize(moving.done)}`;
      const words = { copied: 'copied', exists: 'there already', mounted: 'mounted' }[outcome];
      this.#above(`${words.padEnd(15)}${shortLabel(label)}${size}`);
    }
  };

  /** Removes the lines that move. */
  finish(): void {
    if (this.#lines > 0) process.stderr.write(`\x1b[${this.#lines}A\x1b[J`);
    this.#lines = 0;
  }

  #above(text: string): void {
    this.finish();
    say(utf8(text));
    this.#drawn = 0;
    this.#draw();
  }

  #draw(): void {
    if (!this.#terminal || Date.now() - this.#drawn < DRAW_MS) return;
    this.#drawn = Date.now();
    this.finish();
    let text = '';
    for (const [label, { total, done }] of this.#moving) {
      const part = total === undefined || total === 0 ? undefined : Math.min(1, done / total);
      const filled = Math.round((part ?? 0) * BAR);
      const bar = part === undefined ? ' '.repeat(BAR + 2) : `[${'#'.repeat(filled)}${' '.repeat(BAR - filled)}]`;
      const size = `${humanSize(done)}${total === undefined ? '' : ` / ${humanSize(total)}`}`;
      text += `${`${bar} ${size.padEnd(18)} ${shortLabel(label)}`.slice(0, this.#columns - 1)}\n`;
      this.#lines++;
    }
    process.stderr.write(text);
  }
}
