// Scripts that `nix` runs: `#! /usr/bin/env nix`, then lines `#! nix …` with the command line. Relative paths in those
// are relative to the script.
import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import { dirname } from 'node:path';
import { UsageError } from '../util/errors.ts';

export interface ScriptCommand {
  /** What stands in the script, the script itself, and its arguments. */
  readonly words: readonly string[];
  /** Of the script. */
  readonly folder: string;
}

/** How the lines of comments begin that may stand around those of the command line, in many languages. */
const COMMENT = /^[#/\\%@*\-(]/;

/**
 * @param words what follows `nix` on the command line
 * @returns undefined where the first of them is no script
 * @throws UsageError for what its lines can't mean
 */
export function scriptCommand(words: readonly string[]): ScriptCommand | undefined {
  const [script, ...args] = words;
  if (script === undefined || !beginsAsScript(script)) return undefined;
  const lines = readFileSync(script, 'utf8').split('\n').slice(1);
  const end = lines.findIndex((line) => !COMMENT.test(line));
  let text = '';
  for (const line of end < 0 ? lines : lines.slice(0, end)) {
    const match = /^#!\s*nix(?::? |$)(.*)$/.exec(line.trimEnd());
    if (match !== null) text += `${match[1]!}\n`;
  }
  return { words: [...wordsOf(text), script, ...args], folder: dirname(script) };
}

/** A look at two bytes: what is named may be anything. */
function beginsAsScript(file: string): boolean {
  const head = Buffer.alloc(2);
  try {
    const fd = openSync(file, 'r');
    try {
      return readSync(fd, head) === 2 && head.toString() === '#!';
    } finally {
      closeSync(fd);
    }
  } catch {
    return false; // a command
  }
}

/** As Nix splits them: at white space but between pairs of backticks, with all that a shell might mean otherwise refused. */
function wordsOf(text: string): string[] {
  const words: string[] = [];
  let word = '';
  const finish = (): void => {
    if (word !== '') words.push(word);
    word = '';
  };
  for (let at = 0; at < text.length; at++) {
    const char = text[at]!;
    if (/\s/.test(char)) finish();
    else if (char === '`') {
      if (text[at + 1] !== '`') throw new UsageError('single backtick is not a supported syntax in the nix shebang.');
      // Quirk: what stands before it in the same word is lost.
      word = '';
      const [quoted, end] = quotedWord(text, at + 2);
      words.push(quoted);
      at = end - 1;
    } else if (/[$*~<>|;()[\]{}'"\\]/.test(char)) {
      throw new UsageError(`unsupported unquoted character in nix shebang: ${char}. Use double backticks to escape?`);
    } else if (char === '#' && word === '') {
      throw new UsageError('unquoted nix shebang argument cannot start with #. Use double backticks to escape?');
    } else word += char;
  }
  finish();
  return words;
}

/** From behind two backticks to the next two, less a space before them. Three and more are one less, and part of it. */
function quotedWord(text: string, start: number): readonly [word: string, end: number] {
  let word = '';
  for (let at = start; at < text.length;) {
    const [run] = /^`*/.exec(text.slice(at))!;
    const closing = /^ ?``(?!`)/.exec(text.slice(at, at + 4));
    if (closing !== null) return [word, at + closing[0].length];
    if (run.length >= 3) word += run.slice(1);
    else word += run === '' ? text[at]! : run;
    at += Math.max(1, run.length);
  }
  throw new UsageError('unterminated quoted string in nix shebang');
}
