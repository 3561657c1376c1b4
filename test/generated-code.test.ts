// Random programs, run by the interpreter and as JavaScript from the first call on: nobody may see which it was.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { ContextBuilder } from '../src/eval/context.ts';
import { printAmbiguous } from '../src/eval/print-ambiguous.ts';
import { printValue, tracePrintOptions } from '../src/eval/print.ts';
import { NixError } from '../src/util/errors.ts';
import { programs } from './oracle/generators/expressions.ts';
import { memoryEvaluator } from './support/evaluator.ts';
import { seed } from './support/seed.ts';

const files = { '/programs/a.txt': 'text of a\n', '/programs/dir/b': 'b', '/programs/dir/sub/c': 'c' };

/** Everything that shows: what is printed before and after deep evaluation, errors with frames, calls, what was said. */
function run(program: string, generateCode: 'always' | 'never', steps?: number): unknown {
  const log: string[] = [];
  const ev = memoryEvaluator({ files, log: (line) => log.push(line) }, { generateCode });
  ev.setLimits(steps === undefined ? null : { steps });
  const printed: string[] = [];
  let error: unknown;
  try {
    const value = ev.evalString(program, '/programs', { kind: 'string' });
    printed.push(printAmbiguous(ev, value), printValue(ev, value, tracePrintOptions));
    ev.forceDeep(value);
    printed.push(printAmbiguous(ev, value, new ContextBuilder()));
  } catch (thrown) {
    if (!(thrown instanceof NixError)) throw new Error(`on ${program}`, { cause: thrown });
    error = { is: thrown.constructor.name, says: thrown.message, at: thrown.pos, frames: thrown.frames };
  }
  return { printed, error, log, spent: ev.spent };
}

it(`random programs (TSNIX_SEED=${seed})`, () => {
  let values = 0;
  for (const program of fc.sample(programs, { seed, numRuns: 1500 })) {
    // In a function, so that everything is its body.
    const called = `(x: (${program}\n)) 1`;
    const expected = run(called, 'never') as { error: unknown; spent: number };
    if (expected.error === undefined) values++;
    expect([program, run(called, 'always')]).toEqual([program, expected]);
    const inCaller = `let f = p: q: { r, s ? q, ... }@args: if p == 0 then q else [ p (${program}\n) q r s (args.t or p) (args.u or 1) ];
      h = x: f (${program}\n) [ x (${program}\n) ] { r = (${program}\n); t = x; }; in builtins.seq f (h 1)`;
    expect([program, run(inCaller, 'always')]).toEqual([program, run(inCaller, 'never')]);
    const steps = Math.floor(expected.spent / 2);
    expect([program, run(called, 'always', steps)]).toEqual([program, run(called, 'never', steps)]);
  }
  expect(values).toBeGreaterThan(1000);
});
