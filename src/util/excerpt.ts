// The lines around a position, as errors and warnings show them.
import { showPosition, sourceOf, type Origin, type Position } from './positions.ts';

export type Paint = (color: string, text: string) => string;
export const RED = '\x1b[31;1m';
export const GREEN = '\x1b[32;1m';
export const BLUE = '\x1b[34;1m';
export const MAGENTA = '\x1b[35;1m';
export const NORMAL = '\x1b[0m';

const plain: Paint = (_color, text) => text;

/** The lines around a position, each with a line break before it. */
export function showLines(position: Position, paint: Paint = plain): string {
  const lines = sourceLines(position);
  const { line, column } = position;
  const numbered = (n: number): string => `\n ${String(n).padStart(5)}| ${lines[n - 1] ?? ''}`;
  const before = line > 1 ? numbered(line - 1) : '';
  const after = line < lines.length ? numbered(line + 1) : '';
  return `${before}${numbered(line)}\n      |${' '.repeat(column)}${paint(RED, '^')}${after}`;
}

/** "at FILE:LINE:COLUMN:" and the lines around, with a newline after the last. */
export function showPlace(position: Position, paint: Paint = plain): string {
  const at = `${paint(BLUE, 'at ')}${paint(MAGENTA, showPosition(position))}:`;
  return `${at}${showLines(position, paint)}\n`;
}

/** Every line gets its prefix and loses the blanks at its end. */
export function indentLines(first: string, rest: string, text: string): string {
  return text
    .split('\n')
    .map((line, i) => trimEnd((i === 0 ? first : rest) + line, ' \t\r'))
    .join('\n');
}

/** Without the characters of `blanks` at its end. (A regular expression would try every blank on the way.) */
export function trimEnd(text: string, blanks: string): string {
  let end = text.length;
  while (end > 0 && blanks.includes(text[end - 1]!)) end--;
  return text.slice(0, end);
}

/** Lines of the source that was shown last: a trace shows the same one again and again. */
let shown: { readonly origin: Origin; readonly lines: string[] } | null = null;

function sourceLines({ origin }: Position): string[] {
  if (shown?.origin === origin) return shown.lines;
  shown = { origin, lines: splitSource(origin) };
  return shown.lines;
}

function splitSource(origin: Origin): string[] {
  const source = sourceOf(origin);
  // What follows a zero byte was no part of the program.
  const end = origin.kind.kind === 'file' ? -1 : source.indexOf('\0');
  return (end < 0 ? source : source.slice(0, end)).split(/\r\n|\r|\n/);
}
