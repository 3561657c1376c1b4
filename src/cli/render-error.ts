// An error as Nix 2.36 writes it to stderr: traces outermost first, source excerpts, suggestions.
import { utf8 } from '../util/bytes.ts';
import type { Frame, NixError } from '../util/errors.ts';
import { showPosition, sourceOf, type Pos, type Position, type PosTable } from '../util/positions.ts';

export interface RenderOptions {
  /** All frames, not only the first few. */
  readonly showTrace: boolean;
  readonly color: boolean;
}

const RED = '\x1b[31;1m';
const BLUE = '\x1b[34;1m';
const MAGENTA = '\x1b[35;1m';
const NORMAL = '\x1b[0m';
/** So much is shown without --show-trace; a frame counts for one, its excerpt for one more. */
const SHORT_TRACE = 3;
/** Runs of repeated frames up to this length are simply shown. */
const FEW_DUPLICATES = 5;

/** Byte string, without a newline at its end. */
export function renderError(error: NixError, positions: PosTable, options: RenderOptions): string {
  const paint = (color: string, text: string): string => (options.color ? color + text + NORMAL : text);
  const prefix = `${paint(RED, 'error:')} `;
  const renderer = new Renderer(positions, paint);
  // Frames are collected from the inside out, and shown the other way.
  const frames = error.frames.filter((frame) => frame.hint !== '').reverse();
  if (frames.length > 0) {
    renderer.trace(frames, options.showTrace);
    renderer.out += `\n${prefix}`;
  }
  renderer.out += `${error.message}\n`;
  renderer.place(error.pos, '');
  if (error.suggestions.length > 0) renderer.out += `Did you mean ${renderer.oneOf(error.suggestions)}?\n`;
  return indent(prefix, ' '.repeat('error: '.length), renderer.out.trimEnd());
}

/** Every line gets its prefix and loses the blanks at its end. */
function indent(first: string, rest: string, text: string): string {
  return text
    .split('\n')
    .map((line, i) => ((i === 0 ? first : rest) + line).replace(/[ \t\r]+$/, ''))
    .join('\n');
}

class Renderer {
  out = '';
  private readonly positions: PosTable;
  private readonly paint: (color: string, text: string) => string;
  private count = 0;

  constructor(positions: PosTable, paint: (color: string, text: string) => string) {
    this.positions = positions;
    this.paint = paint;
  }

  trace(frames: readonly Frame[], showAll: boolean): void {
    const seen = new Set<string>();
    const repeated: Frame[] = [];
    let truncated = false;
    for (const frame of frames) {
      if (!showAll && this.count > SHORT_TRACE) truncated = true;
      if (truncated && frame.always !== true) continue;
      const key = `${frame.pos} ${frame.hint}`;
      if (seen.has(key)) {
        repeated.push(frame);
        continue;
      }
      seen.add(key);
      this.flushRepeated(repeated);
      this.count++;
      this.frame(frame);
    }
    this.flushRepeated(repeated);
    if (truncated) {
      const hint = "(stack trace truncated; use '--show-trace' to show the full, detailed trace)";
      this.out += `\n${this.paint(MAGENTA, hint)}\n`;
    }
  }

  private flushRepeated(repeated: Frame[]): void {
    if (repeated.length > FEW_DUPLICATES) {
      this.out += `\n${this.paint(MAGENTA, `(${repeated.length} duplicate frames omitted)`)}\n`;
    } else for (const frame of repeated) this.frame(frame);
    repeated.length = 0;
  }

  private frame({ hint, pos }: Frame): void {
    this.out += `\n${ELLIPSIS}${hint}\n`;
    if (this.place(pos, '  ')) this.count++;
  }

  /** "at FILE:LINE:COLUMN:" and the lines around; false where there is no position. */
  place(pos: Pos, margin: string): boolean {
    const position = this.positions.resolve(pos);
    if (position === undefined) return false;
    this.out += `${margin}${this.paint(BLUE, 'at ')}${this.paint(MAGENTA, showPosition(position))}:`;
    const lines = sourceLines(position);
    if (lines !== null) this.excerpt(position, lines);
    return true;
  }

  private excerpt({ line, column }: Position, lines: readonly string[]): void {
    const numbered = (n: number): string => `\n ${String(n).padStart(5)}| ${lines[n - 1]!}`;
    if (line > 1) this.out += numbered(line - 1);
    this.out += `${numbered(line)}\n      |${' '.repeat(column)}${this.paint(RED, '^')}`;
    if (line < lines.length) this.out += numbered(line + 1);
    this.out += '\n';
  }

  /** `a`, `one of a or b`, `one of a, b or c` */
  oneOf(names: readonly string[]): string {
    const painted = names.map((name) => this.paint(MAGENTA, name));
    if (painted.length === 1) return painted[0]!;
    return `one of ${painted.slice(0, -1).join(', ')} or ${painted.at(-1)!}`;
  }
}

const ELLIPSIS = utf8('… ');

/** The lines of a source, or null if it can't be read any more. */
function sourceLines({ origin }: Position): string[] | null {
  let source: string;
  try {
    source = sourceOf(origin);
  } catch {
    return null;
  }
  // What follows a zero byte was no part of the program.
  const end = origin.kind.kind === 'file' ? -1 : source.indexOf('\0');
  return (end < 0 ? source : source.slice(0, end)).split(/\r\n|\r|\n/);
}
