// Markdown as the manual and documentation comments have it, for people: styled on a terminal, as it is elsewhere.
import { fromUtf8, utf8 } from '../util/bytes.ts';
import { styledOutput } from './output.ts';

const NORMAL = '\x1b[0m';
const BOLD = '\x1b[1m';
const UNDERLINE = '\x1b[4m';
const CYAN = '\x1b[36m';

/** Whether standard output is styled; threads are told. */
let styled: boolean | undefined;

export function setStyled(value: boolean): void {
  styled = value;
}

/** @param text byte string; the result, too */
export function forTerminal(text: string): string {
  return (styled ?? styledOutput()) && process.env['_NIX_TEST_RAW_MARKDOWN'] !== '1'
    ? utf8(style(fromUtf8(text)))
    : text;
}

export function style(text: string): string {
  let fenced = false;
  return text
    .split('\n')
    .flatMap((line) => {
      if (/^\s*```/.test(line)) {
        fenced = !fenced;
        return [];
      }
      if (fenced) return [`${CYAN}${line}${NORMAL}`];
      if (/^ {4,}\S/.test(line)) return [line];
      const heading = /^#{1,6} (.*)$/.exec(line);
      return [heading === null ? styleLine(line) : `${BOLD}${heading[1]!.replace(/[`*]/g, '')}${NORMAL}`];
    })
    .join('\n');
}

function styleLine(line: string): string {
  return line
    .replace(/\\$/, '')
    .split(/(`[^`]+`)/)
    .map((piece, i) =>
      i % 2 === 1
        ? `${CYAN}${piece.slice(1, -1)}${NORMAL}`
        : piece
            .replace(/\*\*([^*]+)\*\*/g, `${BOLD}$1${NORMAL}`)
            .replace(/(?<![\w*])\*([^*\s](?:[^*]*[^*\s])?)\*(?![\w*])/g, `${UNDERLINE}$1${NORMAL}`),
    )
    .join('');
}
