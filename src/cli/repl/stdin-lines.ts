// Lines of standard input, for all who read some of them: a repl, and the debugger that stops what it evaluates.
import { readSync } from 'node:fs';
import { fromBuffer, fromUtf8 } from '../../util/bytes.ts';
import { isTerminal, print } from '../output.ts';
import { CONTINUATION, PROMPT } from './texts.ts';
import type { LineResult } from './repl.ts';

const chunk = Buffer.alloc(1 << 16);
let text = '';
let ended = false;
let input = '';

/** The next line, a byte string, as soon as it is there; undefined at the end. */
function nextLine(): string | undefined {
  for (;;) {
    const end = text.indexOf('\n');
    if (end >= 0) {
      const line = text.slice(0, end);
      text = text.slice(end + 1);
      return line;
    }
    if (ended) {
      const rest = text;
      text = '';
      return rest === '' ? undefined : rest;
    }
    let count = 0;
    try {
      count = readSync(0, chunk);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EAGAIN') {
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
        continue;
      }
      if (code !== 'EOF') throw error;
    }
    if (count === 0) ended = true;
    text += fromBuffer(chunk.subarray(0, count));
  }
}

/** Text; undefined at the end. @param last what became of what was given before: if it goes on, the next line is added to it */
export function nextInput(last: LineResult): string | undefined {
  if (last !== 'more') input = '';
  const prompt = input === '' ? PROMPT : CONTINUATION;
  const terminal = isTerminal(0);
  if (terminal) print(prompt);
  const line = nextLine();
  if (line === undefined) return undefined;
  // For Nix's own tests: what was typed is shown.
  if (!terminal && process.env['_NIX_TEST_REPL_ECHO'] === '1') print(`${prompt}${line}\n`);
  input += `${line}\n`;
  return fromUtf8(input);
}
