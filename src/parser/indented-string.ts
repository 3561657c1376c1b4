// Indentation of `''…''`, exactly as Nix strips it (also where that surprises).
import type { Pos } from '../util/positions.ts';
import type { Expr } from './ast.ts';

/** A piece: text as written, an escape's text (`indented` false), or an expression. */
export interface IndentedPart {
  readonly text: string;
  readonly indented: boolean;
  readonly expr: Expr | null;
  readonly pos: Pos;
}

const LF = 10;
const SPACE = 32;

/** Spaces that every line has; only lines that hold more than spaces count. */
function minimumIndent(parts: readonly IndentedPart[]): number {
  let minimum = 1000000;
  let current = 0;
  let atLineStart = true;
  for (const { text, indented } of parts) {
    if (!indented) {
      if (atLineStart) {
        atLineStart = false;
        if (current < minimum) minimum = current;
      }
      continue;
    }
    for (let i = 0; i < text.length; i++) {
      const c = text.charCodeAt(i);
      if (c === LF) {
        atLineStart = true;
        current = 0;
      } else if (atLineStart) {
        if (c === SPACE) current++;
        else {
          atLineStart = false;
          if (current < minimum) minimum = current;
        }
      } else {
        i = text.indexOf('\n', i) - 1;
        if (i < 0) break;
      }
    }
  }
  return minimum;
}

/** The pieces without their indentation; empty ones are left out. */
export function stripIndentation(parts: readonly IndentedPart[]): IndentedPart[] {
  const minimum = minimumIndent(parts);
  const out: IndentedPart[] = [];
  let atLineStart = true;
  let dropped = 0;
  for (let n = 0; n < parts.length; n++) {
    const part = parts[n]!;
    if (part.expr !== null) {
      atLineStart = false;
      dropped = 0;
      out.push(part);
      continue;
    }
    const { text } = part;
    let stripped = '';
    let i = 0;
    while (i < text.length) {
      if (atLineStart) {
        const c = text.charCodeAt(i);
        if (c === SPACE && dropped < minimum) {
          dropped++;
          i++;
          continue;
        }
        if (c === SPACE) {
          stripped += ' ';
          i++;
          continue;
        }
        dropped = 0;
        if (c !== LF) atLineStart = false;
        else {
          stripped += '\n';
          i++;
          continue;
        }
      }
      const lf = text.indexOf('\n', i);
      if (lf < 0) {
        stripped += text.slice(i);
        break;
      }
      stripped += text.slice(i, lf + 1);
      atLineStart = true;
      i = lf + 1;
    }
    if (n === parts.length - 1) stripped = withoutBlankLastLine(stripped);
    if (stripped !== '') out.push({ ...part, text: stripped });
  }
  return out;
}

function withoutBlankLastLine(text: string): string {
  const lf = text.lastIndexOf('\n');
  if (lf < 0) return text;
  for (let i = lf + 1; i < text.length; i++) if (text.charCodeAt(i) !== SPACE) return text;
  return text.slice(0, lf + 1);
}
