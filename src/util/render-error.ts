// An error as Nix 2.36 writes it to stderr: traces outermost first, source excerpts, suggestions.
import { utf8 } from './bytes.ts';
import { Breakpoint, ThrownError, type Frame, type NixError } from './errors.ts';
import { BLUE, GREEN, indentLines, MAGENTA, NORMAL, RED, showPlace, trimEnd, type Paint } from './excerpt.ts';
import { locate, originName, showPosition, type Pos, type PosTable } from './positions.ts';

export interface RenderOptions {
  /** All frames, not only the first few. */
  readonly showTrace: boolean;
  readonly color: boolean;
}

const INDENT = ' '.repeat('error: '.length);
/** So much is shown without --show-trace; a frame counts for one, its excerpt for one more. */
const SHORT_TRACE = 3;
/** After so many bytes no lines of the source are shown any more: they may be as long as it, in every frame. */
const MAX_EXCERPTS = 1 << 25;
/** Runs of repeated frames up to this length are simply shown. */
const FEW_DUPLICATES = 5;

/** Byte string, without a newline at its end. */
export function renderError(error: NixError, positions: PosTable, options: RenderOptions): string {
  const paint: Paint = (color, text) => (options.color ? color + text + NORMAL : text);
  const prefix = error instanceof Breakpoint ? `${paint(GREEN, 'info:')} ` : `${paint(RED, 'error:')} `;
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
  const text = indentLines(prefix, INDENT, trimEnd(renderer.out, ' \n\r\t'));
  // Nix quirk: what it quotes at the end of a message is not trimmed.
  return error.message.endsWith('\n') && !(error instanceof ThrownError) && renderer.out.endsWith(`${error.message}\n`)
    ? `${text}\n${INDENT}`
    : text;
}

class Renderer {
  out = '';
  private readonly positions: PosTable;
  private readonly paint: Paint;
  private count = 0;

  constructor(positions: PosTable, paint: Paint) {
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
    const origin = this.positions.originOf(pos);
    if (origin === undefined) return false;
    let place: string;
    try {
      const position = locate(origin, pos);
      place =
        this.out.length < MAX_EXCERPTS
          ? showPlace(position, this.paint)
          : `${this.paint(BLUE, 'at ')}${this.paint(MAGENTA, showPosition(position))}:\n`;
    } catch {
      // The source can't be read any more, so that even the line is unknown.
      place = `${this.paint(BLUE, 'at ')}${this.paint(MAGENTA, originName(origin.kind))}:\n`;
    }
    this.out += margin + place;
    return true;
  }

  /** `a`, `one of a or b`, `one of a, b or c` */
  oneOf(names: readonly string[]): string {
    const painted = names.map((name) => this.paint(MAGENTA, name));
    if (painted.length === 1) return painted[0]!;
    return `one of ${painted.slice(0, -1).join(', ')} or ${painted.at(-1)!}`;
  }
}

const ELLIPSIS = utf8('… ');
