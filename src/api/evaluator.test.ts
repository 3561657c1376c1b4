import { describe, expect, it } from 'vitest';
import {
  evaluate,
  EvalError,
  Evaluator,
  formatError,
  errorPosition,
  InterruptedError,
  LimitError,
  MissingAttributeError,
  NixValue,
  StackOverflowError,
  strict,
  ThrownError,
  TypeMismatchError,
} from '../index.ts';

const memory = (files: Record<string, string> = {}): Evaluator => new Evaluator({ files });

function failure(run: () => unknown): Error {
  try {
    run();
  } catch (error) {
    return error as Error;
  }
  throw new Error('nothing was thrown');
}

describe('evaluate()', () => {
  it('evaluates everything and converts it', () => {
    expect(evaluate('{ a = [ 1 2.5 "x" ]; }.a', { files: {} })).toEqual([1, 2.5, 'x']);
    expect(() => evaluate('{ f = x: x; }', { files: {} })).toThrow('cannot convert a function to JavaScript');
  });
});

describe('Evaluator', () => {
  it('evaluates text and files, and reads only the files it was given', () => {
    const nix = memory({ '/lib/default.nix': 'rec { one = 1; two = one + 1; }', '/lib/t.txt': 'é' });
    expect(nix.evaluateFile('/lib').get('two').toJS()).toBe(2);
    expect(nix.evaluate('(import ./lib).two + 1').toJS()).toBe(3);
    expect(nix.evaluate('builtins.readFile ./t.txt', { baseDir: '/lib' }).toJS()).toBe('é');
    expect(() => nix.evaluate('import ./other.nix')).toThrow(/does not exist/);
  });

  it('reads the machine’s files where none are given', () => {
    const nix = new Evaluator({ baseDir: import.meta.dirname });
    expect(nix.evaluate('builtins.pathExists ./evaluator.test.ts').toJS()).toBe(true);
  });

  it('evaluates only what is asked for', () => {
    const seen: string[] = [];
    const nix = new Evaluator({ files: {}, log: (line) => seen.push(line) });
    const set = nix.evaluate('{ a = builtins.trace "a" 1; b = throw "never"; l = [ (throw "never") (1 + 1) ]; }');
    expect(set.names()).toEqual(['a', 'b', 'l']);
    expect(set.length).toBe(3);
    expect(set.has('b')).toBe(true);
    expect(set.has('unheard of')).toBe(false);
    const a = set.get('a');
    expect([a.isEvaluated, seen.length]).toEqual([false, 0]);
    expect([a.type, a.isEvaluated, seen]).toEqual(['int', true, ['trace: a']]);
    const list = set.get('l');
    expect(list.length).toBe(2);
    expect(set.get('l', 1).toJS()).toBe(2);
    expect([...list].map((element) => element.isEvaluated)).toEqual([false, true]);
    expect(set.print()).toBe('{ a = 1; b = «thunk»; l = [ «thunk» 2 ]; }');
    expect(() => set.get('b').force()).toThrow(ThrownError);
  });

  it('says what is missing', () => {
    const nix = memory();
    const set = nix.evaluate('{ name = 1; l = [ ]; }');
    const missing = failure(() => set.get('nam'));
    expect(missing).toBeInstanceOf(MissingAttributeError);
    expect(missing).toMatchObject({ message: "attribute 'nam' missing", suggestions: ['name'] });
    expect(() => set.get('l', 0)).toThrow('list index 0 is out of bounds for a list of length 0');
    expect(() => set.get('name', 'x')).toThrow(TypeMismatchError);
    expect(() => set.get('name').call(1)).toThrow(
      'attempt to call something which is not a function but an integer: 1',
    );
  });

  it('calls Nix functions: curried, with sets, by functors, as JavaScript functions', () => {
    const nix = memory();
    expect(nix.evaluate('a: b: a - b').call(5, 2).toJS()).toBe(3);
    const partial = nix.evaluate('a: b: a - b').call(5);
    expect(partial.type).toBe('function');
    expect(partial.call(1).toJS()).toBe(4);
    expect(nix.evaluate('{ a, b ? 2 }: a * b').call({ a: 21 }).toJS()).toBe(42);
    expect(nix.evaluate('{ __functor = self: x: x + self.n; n = 1; }').call(1).toJS()).toBe(2);
    const add = nix.evaluate('a: b: a + b').toJS() as (a: string, b: string) => unknown;
    expect(add('x', 'y')).toBe('xy');
    expect(() => nix.evaluate('{ a }: a').call({ b: 1 })).toThrow("called without required argument 'a'");
    expect(() => nix.evaluate('x: x').call()).toThrow(TypeError);
  });

  it('calls JavaScript from Nix: lazily, or with converted arguments', () => {
    const nix = new Evaluator({
      files: {},
      globals: {
        answer: 42,
        first: (a: NixValue, _b: NixValue) => a,
        add: strict((a: number, b: number) => a + b),
        host: { twice: strict((text: string) => text + text) },
      },
    });
    expect(nix.evaluate('[ answer (first 1 (throw "never")) (add 1 2) (host.twice "é") ]').toJS()).toEqual([
      42,
      1,
      3,
      'éé',
    ]);
    expect(nix.evaluate('map (add 10) [ 1 2 ]').toJS()).toEqual([11, 12]);
    expect(nix.evaluate('builtins.add 1 2').toJS()).toBe(3);
    expect(
      nix
        .evaluate('f: map f [ 1 2 ]')
        .call(strict((n: number) => ({ n })))
        .toJS(),
    ).toEqual([{ n: 1 }, { n: 2 }]);
    expect(nix.evaluate('add').print()).toBe('«primop add»');
  });

  it('passes errors of JavaScript functions on, and Nix errors through them', () => {
    const cause = new Error('é is wrong');
    const nix = new Evaluator({
      files: {},
      globals: {
        fail: () => {
          throw cause;
        },
        thrown: () => {
          throw new ThrownError('é');
        },
        ask: (x: NixValue) => x.toJS(),
        later: () => Promise.resolve(1),
      },
    });
    const error = failure(() => nix.evaluate('(builtins.tryEval (fail 1)).success'));
    expect(error).toBeInstanceOf(EvalError);
    expect(error.message).toBe("the JavaScript function 'fail' failed: Error: é is wrong");
    expect(error.cause).toBe(cause);
    expect(nix.evaluate('(builtins.tryEval (thrown 1)).success').toJS()).toBe(false);
    const through = failure(() => nix.evaluate('ask (throw "é")'));
    expect([through instanceof ThrownError, through.message]).toEqual([true, 'é']);
    expect(formatError(through)).toContain("while calling the 'ask' builtin");
    expect(() => nix.evaluate('later 1')).toThrow('it cannot wait for a Promise');
    // Whatever a function caught, the depth is what it was.
    expect(
      nix
        .evaluate(
          'builtins.length (builtins.filter (x: x) (map (n: (builtins.tryEval (thrown n)).success) (builtins.genList (n: n) 20000)))',
        )
        .toJS(),
    ).toBe(0);
  });

  it('keeps errors in Nix’s words, with their place', () => {
    const nix = memory({ '/a.nix': 'let é = 1; in\n  1 + "x"' });
    const error = failure(() => nix.evaluate('let\n  x = "é" + 1;\nin x'));
    expect(error.message).toBe('cannot coerce an integer to a string: 1');
    expect(errorPosition(error)).toEqual({ file: '«string»', line: 2, column: 14 });
    expect(formatError(error)).toBe(
      [
        'error:',
        '       … while evaluating a path segment',
        '         at «string»:2:14:',
        '            1| let',
        '            2|   x = "é" + 1;',
        '             |              ^',
        '            3| in x',
        '',
        '       error: cannot coerce an integer to a string: 1',
      ].join('\n'),
    );
    expect(error.stack).toContain('evaluator.test.ts');
    expect(errorPosition(failure(() => nix.evaluate('{ a = 1; a = 2; }')))).toMatchObject({ line: 1, column: 10 });
    expect(formatError(new Error('other'))).toContain('other');
    expect(errorPosition(new Error('other'))).toBeUndefined();
  });

  it('gives a scope', () => {
    const nix = memory();
    expect(nix.evaluate('x + builtins.length y', { scope: { x: 40, y: [1, 2] } }).toJS()).toBe(42);
    expect(() => nix.evaluate('x')).toThrow("undefined variable 'x'");
  });

  it('prints, compares, parses, and writes JSON', () => {
    const nix = memory();
    const value = nix.evaluate('{ a = 1 + 1; b = [ 1.0 ./x ]; }');
    expect(value.print({ force: true, indent: 2 })).toBe('{\n  a = 2;\n  b = [\n    1\n    /x\n  ];\n}');
    expect(value.json()).toBe('{"a":2,"b":[1.0,"/x"]}');
    expect(JSON.stringify({ value })).toBe('{"value":{"a":2,"b":[1,"/x"]}}');
    expect(nix.evaluate('{ a = 1; }').equals({ a: 1 })).toBe(true);
    expect(nix.evaluate('x: x').equals(1)).toBe(false);
    expect(nix.parse('a: a.b or 1')).toBe('(a: (a).b or (1))');
    expect(() => nix.evaluate('x: x').json()).toThrow('cannot convert a function to JSON');
    expect(nix.evaluate('{ outPath = "/o"; }').text()).toBe('/o');
  });

  it('takes settings, environment, system and time', () => {
    const nix = new Evaluator({
      files: { '/n/default.nix': '7' },
      env: { A: 'é' },
      system: 'riscv64-linux',
      currentTime: 12,
      settings: { nixPath: ['n=/n'], experimentalFeatures: ['pipe-operators'] },
    });
    expect(
      nix
        .evaluate('[ (builtins.getEnv "A") builtins.currentSystem builtins.currentTime (import <n>) (1 |> (x: x)) ]')
        .toJS(),
    ).toEqual(['é', 'riscv64-linux', 12, 7, 1]);
    const pure = new Evaluator({ settings: { pureEval: true } });
    expect(() => pure.evaluate('builtins.readFile /etc/passwd')).toThrow(/forbidden in pure evaluation mode/);
  });

  it('forgets files when asked', () => {
    let text = '1';
    const files = { '/a.nix': { get contents() { return text; }, executable: true as const } }; // prettier-ignore
    const nix = new Evaluator({ files, globals: { n: () => 1 } });
    expect(nix.evaluateFile('a.nix').toJS()).toBe(1);
    text = '2';
    nix.resetFileCache();
    expect(nix.evaluateFile('a.nix').toJS()).toBe(1); // files were taken when the evaluator was made
  });
});

describe('limits', () => {
  const endless = 'builtins.genericClosure { startSet = [ { key = 0; } ]; operator = x: [ { key = x.key + 1; } ]; }';

  it('stops after steps, time and memory', () => {
    expect(() => new Evaluator({ files: {}, limits: { maxSteps: 10_000 } }).evaluate(endless)).toThrow(LimitError);
    expect(() => new Evaluator({ files: {}, limits: { timeoutMs: 30 } }).evaluate(endless)).toThrow('takes longer');
    expect(() => new Evaluator({ files: {}, limits: { maxMemoryBytes: 1 } }).evaluate(endless)).toThrow('more memory');
  });

  it('memory is what is in use, not what is garbage', () => {
    const nix = new Evaluator({ files: {}, limits: { maxMemoryBytes: process.memoryUsage().heapUsed + 100e6 } });
    const items = (n: number): string => `builtins.genList (i: "a text of some length, number \${toString i}") ${n}`;
    const rounds = `builtins.foldl' (n: i: n + builtins.length (builtins.filter (s: s == "") (${items(100_000)}))) 0`;
    expect(nix.evaluate(`${rounds} (builtins.genList (i: i) 30)`).toJS()).toBe(0);
    expect(() => nix.evaluate(`builtins.deepSeq (${items(10_000_000)}) 1`)).toThrow(LimitError);
    expect(nix.evaluate('1 + 1').toJS()).toBe(2);
  });

  it('are numbers, and expressions and paths text', () => {
    for (const limit of [NaN, -1, '5', null]) {
      expect(() => new Evaluator({ limits: { maxSteps: limit as number } })).toThrow(RangeError);
    }
    expect(new Evaluator({ files: {}, limits: { maxSteps: Infinity } }).evaluate('1').toJS()).toBe(1);
    const nix = memory();
    for (const text of [undefined, 42, null, {}] as string[]) {
      expect(() => nix.evaluate(text)).toThrow('an expression is a string');
      expect(() => nix.parse(text)).toThrow('an expression is a string');
      expect(() => nix.evaluateFile(text)).toThrow('a path is a string');
    }
  });

  it('gives each call its whole allowance', () => {
    const nix = new Evaluator({ files: {}, limits: { maxSteps: 2000 } });
    const f = nix.evaluate('let f = n: if n == 0 then 0 else f (n - 1); in f');
    for (let i = 0; i < 5; i++) expect(f.call(1500).toJS()).toBe(0);
    expect(() => f.call(2500)).toThrow('evaluation calls more functions than it may');
    expect(f.call(1500).toJS()).toBe(0);
  });

  it('makes deep tail calls of functions that have become JavaScript', () => {
    const odd = 'odd = n: m: if n == 0 then m else even (n - 1) m';
    const even = 'even = n: m: if n == 0 then -m else odd (n - 1) m';
    expect(evaluate(`let ${odd}; ${even}; in builtins.foldl' (s: n: s + odd n 2) 0 [ 9000 9001 9002 ]`)).toBe(2);
  });

  it('ends deep recursion with Nix’s error, and goes on', () => {
    const nix = new Evaluator({ files: {}, limits: { maxDepth: 100 } });
    expect(() => nix.evaluate('let f = n: 1 + f n; in f 1')).toThrow(StackOverflowError);
    expect(() => memory().evaluate('let f = n: [ (f (n + 1)) ]; in f 1').toJS()).toThrow(StackOverflowError);
    expect(nix.evaluate('1 + 1').toJS()).toBe(2);
  });

  it('stops where the signal was aborted, also from a function that Nix calls', () => {
    const controller = new AbortController();
    const nix = new Evaluator({
      files: {},
      signal: controller.signal,
      globals: {
        stop: () => {
          controller.abort(new Error('é enough'));
          return 1;
        },
      },
    });
    expect(nix.evaluate('1').toJS()).toBe(1);
    const error = failure(() => nix.evaluate(`builtins.seq (stop 1) (${endless})`));
    expect([error instanceof InterruptedError, error.message]).toEqual([true, 'evaluation was aborted: é enough']);
    expect(() => nix.evaluate('(x: x) 1')).toThrow('evaluation was aborted');
  });

  it('stops where another thread says so', () => {
    const cancel = new Int32Array(new SharedArrayBuffer(4));
    const nix = new Evaluator({ files: {}, cancel });
    cancel[0] = 1;
    const value = nix.evaluate('{ a = (x: x) 1; }');
    expect(() => value.get('a').force()).toThrow('evaluation was cancelled');
    cancel[0] = 0;
    expect(value.get('a').toJS()).toBe(1);
  });
});

describe('instantiate()', () => {
  const hello = `derivation {
    name = "hello"; system = "x86_64-linux"; builder = "/bin/sh"; args = [ "-c" "echo > $out" ]; outputs = [ "out" "dev" ];
  }`;

  it('makes derivations in memory', () => {
    const nix = memory();
    const made = nix.instantiate(hello);
    expect(made).toEqual({
      name: 'hello',
      drvPath: '/nix/store/vnvls2jxia8dzfclgc2hy8sl66k9zk02-hello.drv',
      outputs: {
        out: '/nix/store/1kba5pxywlbi7pki7a0dhsgr7rajj8pg-hello',
        dev: '/nix/store/3x8yi2p1mv2x676g9i6kbysh7an1vkp3-hello-dev',
      },
    });
    expect(nix.readDerivation(made.drvPath)).toMatch(/^Derive\(\[/);
    expect(nix.evaluate(hello).get('out').context()).toEqual([`!out!${made.drvPath}`]);
    expect(() => nix.instantiate('{ }')).toThrow('expected a derivation but found a set: { }');
  });

  it('takes another store directory', () => {
    const nix = new Evaluator({ files: {}, storeDir: '/gnu/store' });
    expect(nix.instantiate(hello).drvPath).toMatch(/^\/gnu\/store\//);
  });
});
