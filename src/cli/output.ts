// Writing to the outside: byte strings, at once and in order. Only src/cli prints.
import { fstatSync, writeSync } from 'node:fs';
import { isatty } from 'node:tty';
import { verbosity, type ActivityLog } from '../util/activity.ts';
import { fromUtf8, toBuffer, utf8 } from '../util/bytes.ts';
import { MAGENTA, NORMAL } from '../util/excerpt.ts';

let copy: ((fd: number, data: Uint8Array) => void) | undefined;

/** Has `to` see all that is written. */
export function copyOutput(to: typeof copy): void {
  copy = to;
}

function writeAll(fd: number, data: Uint8Array): void {
  copy?.(fd, data);
  let offset = 0;
  while (offset < data.length) {
    try {
      offset += writeSync(fd, data, offset);
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      if (code === 'EAGAIN') {
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2);
        continue;
      }
      // The reader went away: as with SIGPIPE, there is nobody left to tell.
      if (code === 'EPIPE') process.exit(141);
      // As in Nix messages may be lost, results not.
      if (fd === 2) return;
      throw error;
    }
  }
}

/** Results: bytes to standard output. */
export function print(bytes: string): void {
  writeAll(1, toBuffer(bytes));
}

/** Results that are no text, in pieces: archives. The chunk is not kept. */
export function printBytes(chunk: Uint8Array): void {
  writeAll(1, chunk);
}

let log: ActivityLog | undefined;

/** What is said goes to `to` from now on; undefined: to standard error, as it is. @returns where it went before */
export function setLog(to: ActivityLog | undefined): ActivityLog | undefined {
  const before = log;
  log = to;
  return before;
}

/** Where what is said goes; undefined: to standard error. */
export function currentLog(): ActivityLog | undefined {
  return log;
}

/** Everything else: a message. @param level default: by how it begins */
export function say(bytes: string, level = levelOf(bytes)): void {
  if (log === undefined) writeMessage(bytes);
  else log.message(level, bytes);
}

/** As Nix says these. */
function levelOf(text: string): number {
  if (/^(?:evaluation )?warning:/.test(text)) return verbosity.warn;
  return /^(?:error|trace):/.test(text) ? verbosity.error : verbosity.info;
}

/** For logs: bytes and a newline to standard error. What builders and expressions say can't steer the terminal. */
export function writeMessage(bytes: string): void {
  const color = wantsColor();
  const plain = withoutControls(bytes, color);
  writeAll(2, toBuffer(`${color ? withPaintedPrefix(plain) : plain}\n`));
}

/** A warning with its first word in colour, anything else as it is. */
export function withPaintedPrefix(text: string): string {
  return text.replace(/^(?:evaluation )?warning:/, `${MAGENTA}$&${NORMAL}`);
}

/** Bytes to standard error, as they are. */
export function writeError(bytes: string): void {
  writeAll(2, toBuffer(bytes));
}

/** One line of a terminal: cut so that it takes up at most `columns`, without what would move the cursor. */
export function terminalLine(bytes: string, columns: number, colors: boolean): string {
  let left = columns;
  let out = '';
  let painted = false;
  for (const [piece] of fromUtf8(withoutControls(bytes, colors)).matchAll(/\x1b\[[0-?]*[ -/]*m|[^]/gu)) {
    if (piece.startsWith('\x1b')) painted = true;
    else if (piece < ' ' || piece === '\x7f') continue;
    else left -= textWidth(piece);
    if (left < 0) break;
    out += piece;
  }
  return utf8(out) + (painted ? NORMAL : '');
}

const CONTROLS =
  /\x1b(?:\[[0-?]*[ -/]*([@-~]?)|\][^\x1b\x07]*(?:\x07|\x1b\\?)?|[@-_]?)|\xc2(?:\x9b[0-?]*[ -/]*[@-~]?|[\x80-\x9f])|[\r\x05\x07\x08\x0e\x0f]/g;

/**
 * As Nix's logger: control sequences (CSI, OSC, others), carriage returns and bells go, colours may stay; a tab becomes
 * spaces to the next multiple of 8 columns. More than Nix: the same controls as single characters (U+0080 to U+009F, which
 * terminals obey), backspaces, and what changes the character set or has the terminal answer.
 */
export function withoutControls(text: string, colors: boolean): string {
  const plain = text.replace(CONTROLS, (sequence, final?: string) => (colors && final === 'm' ? sequence : ''));
  return plain.includes('\t') ? expandTabs(plain) : plain;
}

/** Columns are counted from the start of the text, not of the line: so does Nix. */
function expandTabs(text: string): string {
  let out = '';
  let column = 0;
  for (const piece of text.split(/(\t)/)) {
    if (piece === '\t') {
      const spaces = 8 - (column % 8);
      column += spaces;
      out += ' '.repeat(spaces);
    } else {
      column += width(piece);
      out += piece;
    }
  }
  return out;
}

const NO_WIDTH = /\x1b\[[0-?]*[ -/]*m|[\0-\x1f\x7f]|\p{Mn}|\p{Me}|\p{Cf}/gu;
const WIDE =
  /\p{Emoji_Presentation}|[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|[\u{20000}-\u{3fffd}]/gu;

/** Columns that a byte string takes up on a terminal. */
function width(bytes: string): number {
  return textWidth(fromUtf8(bytes));
}

function textWidth(whole: string): number {
  const text = whole.replace(NO_WIDTH, '');
  return Array.from(text).length + (text.match(WIDE)?.length ?? 0);
}

/** The module of Node that knows terminals takes a millisecond to load: it is not asked about files and pipes. */
export function isTerminal(fd: number): boolean {
  return fstatSync(fd).isCharacterDevice() && isatty(fd);
}

/** Of standard error; 80 where it is no terminal. */
export function terminalColumns(): number {
  return (isTerminal(2) && process.stderr.columns) || 80;
}

let errorsInColor: boolean | undefined;

/** For threads, which do not see what standard error is. @param color undefined: what standard error is */
export function setErrorColor(color: boolean | undefined): void {
  errorsInColor = color;
}

/** Whether errors may be coloured. */
export function wantsColor(env: Readonly<Record<string, string | undefined>> = process.env): boolean {
  if (env['NO_COLOR'] !== undefined || env['TERM'] === 'dumb') return false;
  return (errorsInColor ?? isTerminal(2)) || env['CLICOLOR_FORCE'] !== undefined;
}

/** Whether results may be styled: they go to a terminal. */
export function styledOutput(env: Readonly<Record<string, string | undefined>> = process.env): boolean {
  return isTerminal(1) && env['NO_COLOR'] === undefined && env['TERM'] !== 'dumb';
}
