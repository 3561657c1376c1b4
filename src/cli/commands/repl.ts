// `tsnix repl`: reads lines from a script as they come, or from a terminal (repl/terminal.ts).
import { readSync } from 'node:fs';
import { fromBuffer, fromUtf8 } from '../../util/bytes.ts';
import type { Config } from '../config.ts';
import { COMMON_FLAGS, EVAL_FLAGS, flag, parseFlags, type Flag } from '../flags.ts';
import { FLAKE_FLAGS } from '../flake-installable.ts';
import { print } from '../output.ts';
import { Repl } from '../repl/repl.ts';
import { CONTINUATION, PROMPT } from '../repl/texts.ts';

export const FLAGS: readonly Flag[] = [
  flag('expr', 'add the attributes of EXPR to the scope', { short: 'E', args: ['EXPR'] }),
  flag('file', 'add the attributes of FILE to the scope', { short: 'f', args: ['FILE'] }),
  ...EVAL_FLAGS,
  ...FLAKE_FLAGS,
  ...COMMON_FLAGS,
];

export async function repl(argv: readonly string[], config: Config): Promise<number> {
  const flags = parseFlags(argv, FLAGS, config);
  if (process.stdin.isTTY) return await (await import('../repl/terminal.ts')).runInTerminal(argv);
  const session = new Repl({ config, flags, color: process.stdout.isTTY && process.env['NO_COLOR'] === undefined });
  try {
    session.start();
    // For Nix's own tests: what was typed is shown.
    const echo = process.env['_NIX_TEST_REPL_ECHO'] === '1';
    let input = '';
    for (const line of linesOfStdin()) {
      if (echo) print(`${input === '' ? PROMPT : CONTINUATION}${line}\n`);
      input += `${line}\n`;
      const result = session.line(fromUtf8(input));
      if (result === 'quit') return 0;
      if (result === 'done') input = '';
    }
    print('\n');
    return 0;
  } finally {
    await session.close();
  }
}

/** Byte strings, each as soon as it is there. */
function* linesOfStdin(): Generator<string> {
  const chunk = Buffer.alloc(1 << 16);
  let text = '';
  for (;;) {
    let count: number;
    try {
      count = readSync(0, chunk);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EOF') break;
      if (code !== 'EAGAIN') throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
      continue;
    }
    if (count === 0) break;
    text += fromBuffer(chunk.subarray(0, count));
    let end: number;
    while ((end = text.indexOf('\n')) >= 0) {
      yield text.slice(0, end);
      text = text.slice(end + 1);
    }
  }
  if (text !== '') yield text;
}
