// What a debugger shows: traces, and the names that they see.
import type { DebugEvaluator, DebugLevel, DebugTrace } from '../../eval/debug-evaluator.ts';
import type { Slot } from '../../eval/value.ts';
import { BLUE, MAGENTA, NORMAL, RED, showLines } from '../../util/excerpt.ts';
import { showPosition } from '../../util/positions.ts';
import { symbolName, type Sym } from '../../util/symbols.ts';

export class DebugView {
  private readonly ev: DebugEvaluator;
  private readonly color: boolean;
  /** Which trace is looked at; 0: the innermost. */
  private index = 0;

  constructor(ev: DebugEvaluator, color: boolean) {
    this.ev = ev;
    this.color = color;
  }

  /** Whether evaluation, going on, stops at the next thing. */
  step(on: boolean): void {
    this.ev.stepping = on;
  }

  /** `:bt` */
  all(): string {
    return this.ev.traces.map((_, i) => this.trace(i)).join('');
  }

  /** `:st`: another trace, if there is such a one. @returns what it sees */
  select(arg: string): { readonly text: string; readonly variables: Map<Sym, Slot> } | null {
    const number = /^[+-]?\d+/.exec(arg);
    if (number !== null) this.index = Number(number[0]);
    const found = this.at(this.index);
    if (found === undefined) return null;
    return { text: `${this.trace(this.index)}\n${this.names()}`, variables: this.ev.variables(found) };
  }

  /** `:env` */
  names(): string {
    const trace = this.at(this.index);
    if (trace === undefined) return '';
    const levels = this.ev.levels(trace);
    const globals = this.ev.globalNames().filter((name) => !name.startsWith('__'));
    return `${levels.map((level, i) => this.level(level, i)).join('')}Env level ${levels.length}\n${this.list(globals)}\n`;
  }

  private at(index: number): DebugTrace | undefined {
    return this.ev.traces[this.ev.traces.length - 1 - index];
  }

  private trace(index: number): string {
    const { hint, pos, isError } = this.at(index)!;
    const position = this.ev.positions.resolve(pos);
    const where =
      position === undefined
        ? ''
        : `${showPosition(position)}\n${showLines(position, (color, text) => this.paint(color, text))}\n`;
    return `\n${this.paint(BLUE, String(index))}: ${isError ? `${this.paint(RED, 'error:')} ` : ''}${hint}\n${where}`;
  }

  private level({ names, isWith, withSet }: DebugLevel, index: number): string {
    const plain = isWith ? [] : Array.from(names.keys(), symbolName);
    const of =
      withSet === null ? '' : `with: ${this.list(Array.from(withSet.keys.ids, (id) => symbolName(id as Sym)))}`;
    return `Env level ${index}\nstatic: ${this.list(plain)}${of}\n`;
  }

  private list(names: string[]): string {
    const text = names.sort((a, b) => (a < b ? -1 : 1)).map((name) => `${name} `);
    return `${this.paint(MAGENTA, text.join(''))}\n`;
  }

  private paint(color: string, text: string): string {
    return this.color ? color + text + NORMAL : text;
  }
}
