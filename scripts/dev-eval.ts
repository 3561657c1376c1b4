// node scripts/dev-eval.ts [--strict] (-E 'expr' | FILE): development only.
import { readFileSync } from 'node:fs';
import { Evaluator } from '../src/eval/evaluator.ts';
import { printAmbiguous } from '../src/eval/print-ambiguous.ts';
import { NixError } from '../src/util/errors.ts';
import { utf8 } from '../src/util/bytes.ts';

const args = process.argv.slice(2);
const strict = args[0] === '--strict' && args.shift() !== undefined;
const { allBuiltins } = await import('../src/builtins/index.ts');
const { MemoryEvalIo } = (await import('../src/eval/node-io.ts')) as never;
void MemoryEvalIo;
const source = args[0] === '-E' ? utf8(args[1]!) : readFileSync(args[0]!, 'latin1');
const io = {
  storeDir: '/nix/store',
  system: 'x86_64-linux',
  currentTime: 0,
  getEnv: () => undefined,
  log: console.error,
} as never;
const ev = new Evaluator({ io, builtins: allBuiltins, settings: { showTrace: process.env['SHOW_TRACE'] === '1' } });
try {
  const value = ev.evalString(source, process.cwd(), { kind: 'string' });
  if (strict) ev.forceDeep(value);
  console.log(Buffer.from(printAmbiguous(ev, value), 'latin1').toString());
} catch (error) {
  if (!(error instanceof NixError)) throw error;
  for (const frame of [...error.frames].reverse()) console.error(`… ${frame.hint} @${frame.pos}`);
  console.error(`error: ${error.message} @${error.pos}`, error.suggestions);
}
