import { afterAll, describe, expect, it } from 'vitest';
import {
  formatError,
  InterruptedError,
  LimitError,
  StackOverflowError,
  ThrownError,
  WorkerEvaluator,
} from '../index.ts';

const endless = 'builtins.genericClosure { startSet = [ { key = 0; } ]; operator = x: [ { key = x.key + 1; } ]; }';

describe('WorkerEvaluator', () => {
  const lines: string[] = [];
  const nix = new WorkerEvaluator({ files: { '/a.nix': '{ x ? 1 }: x + 1' }, log: (line) => lines.push(line) });
  afterAll(() => nix.close());

  it('evaluates text and files, and calls what they give', async () => {
    expect(await nix.evaluate('builtins.trace "é" [ 1 2.5 "x" { a = null; } ]')).toEqual([1, 2.5, 'x', { a: null }]);
    expect(lines).toEqual(['trace: é']);
    expect(await nix.evaluateFile('/a.nix', { args: [{ x: 41 }] })).toBe(42);
    expect(await nix.evaluate('a: b: a + b + c', { args: [1, 2], scope: { c: 3 } })).toBe(6);
    expect((await nix.instantiate('derivation { name = "x"; system = "y"; builder = "z"; }')).name).toBe('x');
  });

  it('answers in order, and fails one by one', async () => {
    const results = await Promise.allSettled(['1', 'throw "no é"', 'x: x', '3'].map((text) => nix.evaluate(text)));
    expect(results.map((result) => (result.status === 'fulfilled' ? result.value : String(result.reason)))).toEqual([
      1,
      'ThrownError: no é',
      'EvalError: cannot convert a function to JavaScript',
      3,
    ]);
    const error: unknown = await nix.evaluate('throw "x"').catch((e: unknown) => e);
    expect(error).toBeInstanceOf(ThrownError);
    expect(formatError(error)).toContain("while calling the 'throw' builtin");
  });

  it('evaluates deeper than the main thread could', async () => {
    const sum = 'let sum = n: if n == 0 then 0 else n + sum (n - 1); in sum 9000';
    expect(await nix.evaluate(sum)).toBe(40504500);
    await expect(nix.evaluate('let f = n: 1 + f n; in f 1')).rejects.toThrow(StackOverflowError);
    const deep = new WorkerEvaluator({ files: {}, stackSizeMb: 200, settings: { maxCallDepth: 1e9 } });
    expect(await deep.evaluate(sum.replace('9000', '100000'))).toBe(5000050000);
    await deep.close();
    const shallow = new WorkerEvaluator({ files: {}, stackSizeMb: 8, settings: { maxCallDepth: 1e9 } });
    await expect(shallow.evaluate('let f = n: 1 + f n; in f 1')).rejects.toThrow(StackOverflowError);
    await shallow.close();
  });

  it('stops when it is told to, and goes on with the next', async () => {
    const controller = new AbortController();
    const endlessly = nix.evaluate(endless, { signal: controller.signal });
    setTimeout(() => {
      controller.abort(new Error('enough'));
    }, 100);
    await expect(endlessly).rejects.toThrow(new InterruptedError('evaluation was aborted: enough'));
    await expect(nix.evaluate('1', { signal: controller.signal })).rejects.toThrow(InterruptedError);
    await expect(nix.evaluate(endless, { timeoutMs: 100 })).rejects.toThrow(LimitError);
    expect(await nix.evaluate('1 + 1')).toBe(2);
  });

  it('is ended where it does not listen, and started again', async () => {
    // Few calls, each of a builtin that takes long: nobody looks at the limits.
    const slow = `let text = builtins.foldl' (a: n: a + a) "x" (builtins.genList (n: n) 24);
      in builtins.foldl' (a: n: builtins.hashString "sha512" (text + a)) "" (builtins.genList (n: n) 5000)`;
    await expect(nix.evaluate(slow, { timeoutMs: 100 })).rejects.toThrow('evaluation takes longer than it may');
    expect(await nix.evaluate('1 + 1')).toBe(2);
  });

  it('ends with an error where memory is short, not with the program', async () => {
    const small = new WorkerEvaluator({ files: {}, memoryMb: 64 });
    await expect(small.evaluate(endless)).rejects.toThrow(LimitError);
    const long = 'builtins.foldl\' (s: _: s + s) "a" (builtins.genList (i: i) 20)';
    for (const piece of ['builtins.replaceStrings [ "a" ] [ "b" ] (s + i)', 'builtins.substring 1 9999999 (s + i)']) {
      const many = `let s = ${long}; in map (n: let i = toString n; in ${piece}) (builtins.genList (i: i) 1000)`;
      await expect(small.evaluate(many)).rejects.toThrow('evaluation uses more memory than there is');
    }
    await expect(small.evaluate(`builtins.genList (i: i) 60000000`)).rejects.toThrow(LimitError);
    expect(await small.evaluate('1 + 1')).toBe(2);
    await small.close();
  });
});
