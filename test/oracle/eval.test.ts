// The core of the language against nix-instantiate 2.8: what reference works say, one expression a statement. Where
// 2.36 differs from 2.8 the expression is listed below, with what 2.36 says.
import { spawnSync } from 'node:child_process';
import { expect, it } from 'vitest';
import { allBuiltins } from '../../src/builtins/index.ts';
import { Evaluator } from '../../src/eval/evaluator.ts';
import { MemoryEvalIo } from '../../src/eval/memory-io.ts';
import { printAmbiguous } from '../../src/eval/print-ambiguous.ts';
import { utf8 } from '../../src/util/bytes.ts';
import { disagreements, evaluateAllHere, evaluateWithNix } from '../support/oracle-eval.ts';
import { describeWith } from '../support/requirements.ts';
import { different, failures, lazyDifferent, lazyValues, values } from './eval-corpus.ts';

/** `nix-instantiate --eval` without --strict, one process for all. */
function lazyWithNix(expressions: readonly string[]): string[] {
  const run = spawnSync('nix-instantiate', ['--eval', '-E', ...expressions], {
    encoding: 'latin1',
    env: { PATH: process.env['PATH'], HOME: '/nonexistent', NIX_REMOTE: 'dummy://' },
  });
  if (run.status !== 0) throw new Error(run.stderr);
  return run.stdout.trimEnd().split('\n');
}

function lazyHere(expression: string): string {
  const ev = new Evaluator({ io: new MemoryEvalIo(), builtins: allBuiltins });
  return printAmbiguous(ev, ev.evalString(expression, '/', { kind: 'string' }));
}

describeWith(['nix-instantiate'], 'evaluation against nix-instantiate 2.8', () => {
  it('values, evaluated deeply', () => {
    const here = evaluateAllHere(values);
    expect(values.filter((_, i) => 'error' in here[i]!)).toEqual([]);
    expect(disagreements(values)).toEqual([]);
  });

  it('values as they print without --strict: what is evaluated, what is not', () => {
    const nix = lazyWithNix(lazyValues);
    expect(lazyValues.map((e) => `${e} => ${lazyHere(e)}`)).toEqual(lazyValues.map((e, i) => `${e} => ${nix[i]!}`));
    const before = lazyWithNix(lazyDifferent.map(({ expression }) => expression));
    expect(lazyDifferent.map((d) => ({ ...d, is: lazyHere(d.expression) }))).toEqual(lazyDifferent);
    expect(before).toEqual(lazyDifferent.map(({ was }) => was));
  });

  it('failures, with the messages of 2.36', () => {
    const expressions = failures.map(([expression]) => expression);
    expect(evaluateAllHere(expressions)).toEqual(failures.map(([, error]) => ({ error: utf8(error) })));
    const accepted = evaluateWithNix(expressions).flatMap((outcome, i) => ('value' in outcome ? [expressions[i]] : []));
    expect(accepted).toEqual([]);
  });

  it('differences between 2.8 and 2.36 are those that are known', () => {
    const expressions = different.map(({ expression }) => expression);
    const nix = evaluateWithNix(expressions);
    const here = evaluateAllHere(expressions);
    different.forEach(({ expression, is, was }, i) => {
      const show = (o: { value: string } | { error: string }): string => ('value' in o ? o.value : `error: ${o.error}`);
      expect(`${expression} => ${show(here[i]!)}`).toBe(`${expression} => ${is}`);
      expect(`${expression} => ${show(nix[i]!)}`).toContain(`${expression} => ${was}`);
    });
  });
});
