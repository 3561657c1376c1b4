import { describe, expect, it } from 'vitest';
import { memoryEvaluator } from '../../test/support/evaluator.ts';
import { EvalError, InterruptedError, LimitError } from '../util/errors.ts';
import type { Evaluator } from './evaluator.ts';

const endless = 'builtins.genericClosure { startSet = [ { key = 0; } ]; operator = x: [ { key = x.key + 1; } ]; }';

function evaluate(ev: Evaluator, text: string): unknown {
  return ev.evalString(text, '/', { kind: 'string' });
}

describe('CallLimits', () => {
  it('stops an endless evaluation after a number of calls, the same at each run', () => {
    const counts = [1, 2].map(() => {
      const ev = memoryEvaluator();
      ev.setLimits({ steps: 100_000 });
      expect(() => evaluate(ev, endless)).toThrow(LimitError);
      return ev.fuel;
    });
    expect(counts[0]).toBe(counts[1]);
  });

  it('lets pass what needs less than the limit', () => {
    const ev = memoryEvaluator();
    ev.setLimits({ steps: 100_000 });
    expect(evaluate(ev, 'let f = n: if n == 0 then 0 else f (n - 1); in f 1000')).toBe(0);
  });

  it('stops in loops of builtins, and in deep evaluation', () => {
    for (const text of [
      "builtins.foldl' (a: b: a + b) 0 (builtins.genList (n: n) 1000000)",
      'builtins.deepSeq (let l = n: [ n (l (n + 1)) ]; in l 0) 1',
      'builtins.toJSON (builtins.genList (n: [ n ]) 1000000)',
      endless,
    ]) {
      const ev = memoryEvaluator({}, { maxCallDepth: 1_000_000 });
      ev.setLimits({ steps: 2000 });
      expect(() => evaluate(ev, text), text).toThrow(LimitError);
    }
  });

  it('stops at a time, and when somebody asks', () => {
    const ev = memoryEvaluator();
    ev.setLimits({ deadline: performance.now() + 20 });
    expect(() => evaluate(ev, endless)).toThrow('evaluation takes longer than it may');
    let looks = 0;
    ev.setLimits({ stopped: () => (++looks > 3 ? 'interrupted by the user' : undefined) });
    expect(() => evaluate(ev, endless)).toThrow('interrupted by the user');
  });

  it('where the host has no more memory', () => {
    const ev = memoryEvaluator();
    let asked = 0;
    ev.checkRoom = (bytes) => {
      if ((asked = bytes) >= 50_000_000) throw new EvalError('out of memory');
    };
    const outOfMemory = (expression: string): void => {
      expect(() => evaluate(ev, expression)).toThrow('out of memory');
    };
    outOfMemory('builtins.genList (i: i) 2000000');
    outOfMemory('let l = builtins.genList (i: i) 700000; m = l ++ l; in m ++ m ++ m ++ m ++ m');
    outOfMemory(`[ ${'1 '.repeat(1_100_000)} ]`);
    expect(asked).toBeGreaterThan(50_000_000);
    ev.checkRoom = () => {
      throw new EvalError('out of memory');
    };
    outOfMemory(endless);
    outOfMemory(`builtins.fromJSON "[${'[0],'.repeat(20_000)}0]"`);
    outOfMemory(`builtins.split "a" "${'ab'.repeat(20_000)}"`);
  });

  it.each([
    'builtins.replaceStrings [ "a" ] [ "b" ] text',
    'builtins.replaceStrings [ "a" "c" ] [ "b" "d" ] text',
    'builtins.substring 1 5 text',
    'builtins.concatStringsSep "," [ text ]',
    'builtins.hashString "md5" text',
    'builtins.match "b+" text',
    'builtins.split "a" text',
    'builtins.sort builtins.lessThan numbers',
  ])('looks for memory where a few calls take much: %s', (call) => {
    const ev = memoryEvaluator();
    let looks = 0;
    ev.checkRoom = () => looks++;
    const text = 'builtins.foldl\' (s: _: s + s) "x" (builtins.genList (i: i) 18) + "a"';
    const many = `builtins.genList (i: builtins.seq (${call}) 1) 100`;
    evaluate(ev, `let text = ${text}; numbers = builtins.genList (i: i) 5000; in builtins.deepSeq (${many}) 1`);
    expect(looks).toBeGreaterThan(1);
  });

  it('leaves values as they were: what was stopped can be asked for again', () => {
    const ev = memoryEvaluator();
    const set = ev.expectAttrs(
      evaluate(
        ev,
        `let f = n: if n == 0 then 0 else f (n - 1); y = f 5000 + 1; in {
          inherit y; apply = builtins.elemAt (map f [ 5000 ]) 0; caught = (builtins.tryEval (f 5000)).success;
        }`,
      ) as never,
      0,
      '',
    );
    set.forEachByName((name, slot) => {
      ev.setLimits({ steps: 100 });
      expect(() => ev.force(slot), name).toThrow(InterruptedError);
    });
    ev.setLimits(null);
    ev.depth = 0;
    expect([...set.values].map((slot) => ev.force(slot))).toEqual(expect.arrayContaining([1, 0, true]));
  });
});
