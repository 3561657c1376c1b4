// `tsnix repl`: reads lines from a script as they come, or from a terminal (repl/terminal.ts).
import type { Config } from '../config.ts';
import { COMMON_FLAGS, EVAL_FLAGS, flag, parseFlags, type Flag } from '../flags.ts';
import { FLAKE_FLAGS } from '../flake-installable.ts';
import { print } from '../output.ts';
import { Repl, type LineResult } from '../repl/repl.ts';
import { nextInput } from '../repl/stdin-lines.ts';

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
    let last: LineResult = 'done';
    for (let input = nextInput(last); input !== undefined; input = nextInput(last)) {
      last = session.line(input);
      if (last === 'quit') return 0;
    }
    print('\n');
    return 0;
  } finally {
    await session.close();
  }
}
