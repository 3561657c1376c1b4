// What `tsnix eval-jobs` shows while it runs: on a terminal one changing line.
import { utf8 } from '../../util/bytes.ts';
import { isTerminal } from '../output.ts';
import { StatusLine } from '../status-line.ts';
import { showAttrPath, type AttrPath } from './protocol.ts';

export class JobsProgress {
  /** Attributes found so far; done with: sets, derivations and failures. */
  found = 0;
  done = 0;
  failed = 0;
  private readonly running = new Set<AttrPath>();
  private readonly status: StatusLine;

  constructor(quiet: boolean) {
    this.status = new StatusLine(!quiet && isTerminal(2) && process.env['TERM'] !== 'dumb');
  }

  started(path: AttrPath): void {
    this.running.add(path);
    this.draw(false);
  }

  ended(path: AttrPath): void {
    this.running.delete(path);
    this.draw(false);
  }

  say(text: string): void {
    this.status.above(text);
    this.draw(true);
  }

  end(): void {
    this.status.end();
  }

  /** Before something is printed where the line may be. */
  hide(): void {
    this.status.end();
  }

  private draw(now: boolean): void {
    this.status.draw(() => {
      const failed = this.failed > 0 ? `, ${this.failed} failed` : '';
      const running = [...this.running].map(showAttrPath).join(', ');
      return `[${this.done}/${this.found} evaluated${failed}] ${running === '' ? utf8('…') : running}`;
    }, now);
  }
}
