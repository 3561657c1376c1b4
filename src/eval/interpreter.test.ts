import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { errorOf, memoryEvaluator, show, trace } from '../../test/support/evaluator.ts';
import { Op } from '../parser/code.ts';
import { StackOverflowError, UndefinedVariableError } from '../util/errors.ts';

describe('the switch', () => {
  it('has the numbers of Op: V8 makes a jump table only of literals', () => {
    const source = readFileSync(join(import.meta.dirname, 'interpreter.ts'), 'utf8');
    const cases = [...source.matchAll(/case (\d+): ?\{?\s*\/\/ ([A-Z0-9_]+)/g)].map(([, n, name]) => [name, Number(n)]);
    expect(cases.length).toBeGreaterThan(40);
    for (const [name, n] of cases) expect([name, n]).toEqual([name, Op[name as keyof typeof Op]]);
    const all = new Set(cases.map(([name]) => name));
    expect(Object.keys(Op).filter((name) => !all.has(name))).toEqual(['NAME', 'DIRECT']);
  });
});

describe('thunks', () => {
  it('are evaluated once', () => {
    const lines: string[] = [];
    const ev = memoryEvaluator({ log: (line) => lines.push(line) });
    expect(show('let x = builtins.trace "once" 1; f = y: y + y; in f x + x', ev)).toBe('3');
    expect(lines).toEqual(['trace: once']);
  });

  it('keep their error: it is thrown again, not computed again', () => {
    const lines: string[] = [];
    const ev = memoryEvaluator({ log: (line) => lines.push(line) });
    expect(
      show(
        'let x = builtins.trace "once" (throw "no"); t = builtins.tryEval x; in [ t.success (builtins.tryEval x).success ]',
        ev,
      ),
    ).toBe('[ false false ]');
    expect(lines).toEqual(['trace: once']);
  });

  it('that failed throw errors which do not share frames', () => {
    const ev = memoryEvaluator();
    const expression = 'let x = throw "no"; in [ (builtins.tryEval (x + 1)).success (x + 2) ]';
    expect(trace(expression, ev).filter((line) => line.startsWith('in an operand'))).toHaveLength(2);
    expect(trace('let x = throw "no"; in x + 2').filter((line) => line.startsWith('in an operand'))).toHaveLength(1);
  });

  it('find themselves', () => {
    expect(errorOf('let x = x; in x').message).toBe('infinite recursion encountered');
    expect(
      errorOf('rec { a = b; b = a; }.a')
        .frames.filter((f) => f.always)
        .map((f) => f.hint),
    ).toEqual(['entering the infinite recursion']);
  });

  it('of applications are not marked: one that needs itself recurses until it may not', () => {
    const error = errorOf(
      'let l = map (x: builtins.elemAt l x) [ 0 ]; in builtins.head l',
      memoryEvaluator({}, { maxCallDepth: 100 }),
    );
    expect(error).toBeInstanceOf(StackOverflowError);
  });
});

describe('call depth', () => {
  const limited = (): ReturnType<typeof memoryEvaluator> => memoryEvaluator({}, { maxCallDepth: 50 });

  it('counts nested calls, those in tail position too', () => {
    expect(show('let f = n: if n == 0 then 0 else f (n - 1); in f 49', limited())).toBe('0');
    const error = errorOf('let f = n: if n == 0 then 0 else f (n - 1); in f 60', limited());
    expect(error).toBeInstanceOf(StackOverflowError);
    expect(error.message).toBe('stack overflow; max-call-depth exceeded');
  });

  it('is what it was after an error that was caught', () => {
    const ev = limited();
    const deep = 'let f = n: if n == 0 then throw "deep" else f (n - 1); in builtins.tryEval (f 40)';
    expect(show(`builtins.all (x: !(${deep}).success) (builtins.genList (x: x) 100)`, ev)).toBe('true');
    errorOf('let f = n: if n == 0 then { }.a else f (n - 1); in f 40', ev);
    expect(show('let f = n: if n == 0 then 0 else f (n - 1); in f 40', ev)).toBe('0');
  });

  it('counts comparisons and coercions', () => {
    const nest = "builtins.foldl' (a: b: [ a ]) [ ] (builtins.genList (x: x) 60)";
    expect(errorOf(`${nest} == ${nest}`, limited())).toBeInstanceOf(StackOverflowError);
    expect(errorOf(`toString (${nest})`, limited())).toBeInstanceOf(StackOverflowError);
    expect(errorOf(`builtins.deepSeq (${nest}) 1`, limited())).toBeInstanceOf(StackOverflowError);
  });

  it("ends before JavaScript's stack does, or with the same error", () => {
    const chain = "(builtins.foldl' (a: i: { v = a.v + 1; }) { v = 0; } (builtins.genList (x: x) 100000)).v";
    expect(errorOf(chain)).toBeInstanceOf(StackOverflowError);
  });
});

describe('variables', () => {
  it('undefined ones are found before anything runs', () => {
    expect(errorOf('if true then 1 else nope')).toBeInstanceOf(UndefinedVariableError);
    expect(trace('let f = x: y; in 1')).toEqual(["undefined variable 'y' @ 11"]);
    expect(trace('with { }; y')).toEqual(["undefined variable 'y' @ 10"]);
  });

  it('in shared frames do not disturb partial applications', () => {
    const f = 'let f = a: b: let c = a + b; in d: let e = c + d; in [ a b c d e ]; g = f 1; h = g 2;';
    expect(show(`${f} in [ (h 3) (g 10 3) (h 4) ]`)).toBe('[ [ 1 2 3 3 6 ] [ 1 10 11 3 14 ] [ 1 2 3 4 7 ] ]');
  });

  it('of more than six slots and more than four arguments', () => {
    expect(show('(a: b: c: d: e: f: g: let h = a + g; i = h; j = i; in [ a b c d e f g h i j ]) 1 2 3 4 5 6 7')).toBe(
      '[ 1 2 3 4 5 6 7 8 8 8 ]',
    );
  });

  it('of a scope given from outside', () => {
    const ev = memoryEvaluator({ files: { '/f.nix': 'x + y + (let z = x; in z)' } });
    expect(show('builtins.scopedImport { x = 1; y = 2; } /f.nix', ev)).toBe('4');
    expect(
      show(
        'builtins.scopedImport { map = 7; x = map; y = 2; } /f.nix == null',
        memoryEvaluator({ files: { '/f.nix': 'null' } }),
      ),
    ).toBe('true');
  });
});

describe('order of evaluation', () => {
  const ran = (expression: string): string[] => {
    const lines: string[] = [];
    show(`let t = builtins.trace; in ${expression}`, memoryEvaluator({ log: (line) => lines.push(line.slice(7)) }));
    return lines;
  };
  it('of operators', () => {
    expect(ran('t "a" 1 + t "b" 2')).toEqual(['a', 'b']);
    expect(ran('t "a" 3 - t "b" 2')).toEqual(['a', 'b']);
    expect(ran('t "a" 1 == t "b" 2')).toEqual(['a', 'b']);
    expect(ran('t "a" [ ] ++ t "b" [ ] ++ t "c" [ ]')).toEqual(['a', 'b', 'c']);
    expect(ran('t "a" 1 > t "b" 2')).toEqual(['b', 'a']);
  });
  it('of //: from the right, chains as a whole', () => {
    expect(ran('t "a" { } // t "b" { } // (t "c" { } // t "d" { })')).toEqual(['d', 'c', 'b', 'a']);
  });
  it('of inherit (e): once, when first needed', () => {
    expect(ran('let inherit (t "from" { a = 1; b = 2; }) a b; in a + b')).toEqual(['from']);
    expect(ran('let s = { inherit (t "from" { a = 1; b = 2; }) a b; }; in s.a + s.b')).toEqual(['from']);
    expect(ran('let s = { inherit (t "from" { a = 1; }) a; }; in 1')).toEqual([]);
  });
});

describe('frames', () => {
  it('of builtins, operators, conditions', () => {
    expect(trace('1 + builtins.head [ ]')).toEqual([
      "in an operand of '+' @ 4",
      "while calling the 'head' builtin @ 4",
      "'builtins.head' called on an empty list",
    ]);
    expect(trace('if { } then 1 else 2')).toEqual([
      'while evaluating a branch condition @ 3',
      'expected a Boolean but found a set: { } @ 3',
    ]);
    expect(trace('1 - { }.a')).toEqual([
      "while calling the 'sub' builtin @ 2",
      "while evaluating the attribute 'a' @ 4",
      "attribute 'a' missing",
    ]);
    expect(trace('"a" - 1')).toEqual([
      "while calling the 'sub' builtin @ 4",
      'while evaluating the first argument of the subtraction',
      'expected an integer but found a string: "a"',
    ]);
  });

  it('of selections: where the attribute was defined, where it was asked for', () => {
    expect(trace('let s = { a.b = throw "no"; }; in s.a.b')).toEqual([
      "while evaluating the attribute 'a.b' @ 34",
      "from the definition of 'a.b' @ 10",
      "while calling the 'throw' builtin @ 16",
      'no',
    ]);
    expect(trace('(throw "no").a')).toEqual([
      'while selecting an attribute @ 1',
      "while calling the 'throw' builtin @ 1",
      'no',
    ]);
    expect(trace('{ a = 1; }.${throw "no"}')).toEqual([
      'while evaluating the attribute \'"${(throw "no")}"\' @ 0',
      "while calling the 'throw' builtin @ 13",
      'no',
    ]);
  });

  it('of calls only with show-trace', () => {
    expect(trace('let f = x: throw "no"; in f 1')).toEqual(["while calling the 'throw' builtin @ 11", 'no']);
    expect(trace('let f = x: throw "no"; in f 1', memoryEvaluator({}, { showTrace: true }))).toEqual([
      'from call site @ 26',
      "while calling 'f' @ 8",
      "while calling the 'throw' builtin @ 11",
      'no',
    ]);
  });

  it('of arguments that do not fit', () => {
    expect(trace('({ a }: a) { b = 1; }')).toEqual([
      'from call site @ 0',
      "function 'anonymous lambda' called without required argument 'a' @ 1",
    ]);
    const error = errorOf('({ abc, de ? 1 }: 1) { abc = 1; abd = 2; }');
    expect(error.message).toBe("function 'anonymous lambda' called with unexpected argument 'abd'");
    expect(error.suggestions).toEqual(['abc']);
    expect(errorOf('{ foo = 1; bar = 2; fooo = 3; }.fo').suggestions).toEqual(['foo', 'fooo']);
  });

  it('of files, imported ones only', () => {
    const ev = memoryEvaluator({ files: { '/f.nix': 'throw "no"' } });
    expect(trace('import /f.nix', ev)).toEqual([
      "while calling the 'import' builtin @ 0",
      "while evaluating the file '/f.nix':",
      "while calling the 'throw' builtin @ 0",
      'no',
    ]);
    expect(() => ev.evalRootFile('/f.nix')).toThrow('no');
  });

  it('of assertions: where two values differ', () => {
    expect(trace('assert { a = [ 1 2 ]; } == { a = [ 1 3 ]; }; 1')).toEqual([
      "while evaluating the condition of the assertion '({ a = [ (1) (2) ]; } == { a = [ (1) (3) ]; })' @ 0",
      "while comparing attribute 'a' @ 24",
      'where left hand side is @ 9',
      'where right hand side is @ 29',
      'while comparing list element 1 @ 24',
      "an integer with value '2' is not equal to an integer with value '3'",
    ]);
  });
});

describe('dynamic attributes', () => {
  it('name the lambdas that they hold', () => {
    expect(errorOf('let n = "f"; in { ${n} = { a }: a; }.f { }').message).toContain("function 'f' called without");
  });
  it('come after __overrides', () => {
    expect(show('let n = "z"; in rec { a = 1; b = a; __overrides = { a = 2; }; ${n} = b; }')).toBe(
      '{ __overrides = { a = 2; }; a = 2; b = 2; z = 2; }',
    );
  });
});

describe('files', () => {
  it('are evaluated once, by resolved path', () => {
    const lines: string[] = [];
    const ev = memoryEvaluator({
      files: { '/d/default.nix': 'builtins.trace "ran" 1', '/l.nix': { symlink: '/d/default.nix' } },
      log: (line) => lines.push(line),
    });
    expect(show('[ (import /d) (import /d/default.nix) (import /l.nix) ]', ev)).toBe('[ 1 1 1 ]');
    expect(lines).toEqual(['trace: ran']);
    ev.resetFileCache();
    expect(show('import /d', ev)).toBe('1');
    expect(lines).toHaveLength(2);
  });
  it('that import themselves', () => {
    const ev = memoryEvaluator({ files: { '/f.nix': 'import ./f.nix' } });
    expect(errorOf('import /f.nix', ev).message).toBe('infinite recursion encountered');
  });
});
