import { describe, expect, it, vi } from 'vitest';
import { memoryEvaluator, show, trace } from '../../../test/support/evaluator.ts';
import { FORBIDDEN_CODE, generatedCode } from '../../../test/support/generated-code.ts';

const always = { generateCode: 'always' } as const;
const never = { generateCode: 'never' } as const;

/** A body, and what it gives where x = 5, y = "a", s = { a = 1; b.c = [ 2 ]; }, and l = [ 7 8 ]. */
const values: readonly (readonly [string, string])[] = [
  ['x', '5'],
  ['[ x y 1.5 "b" null ./c [ ] ]', '[ 5 "a" 1.5 "b" null /c [ ] ]'],
  ['x + 1 - 2 * x', '-4'],
  ['x / 2 * 3', '6'],
  ['9007199254740991 + x', '9007199254740996'],
  ['0 - 9007199254740991 - x', '-9007199254740996'],
  ['9007199254740991 * x', '45035996273704955'],
  ['x * 0 * (-1)', '0'],
  ['x + 0.5', '5.5'],
  ['y + "b" + y', '"aba"'],
  ['"<${y}${y + "b"}>"', '"<aab>"'],
  ['"${y}${{ outPath = y; }}"', '"aa"'],
  ['/. + y', '/a'],
  ['if x < 6 && !(y == "b") then 1 else 2', '1'],
  ['x == 5.0 || throw "no"', 'true'],
  ['(x != 5) -> throw "no"', 'true'],
  ['"a" < y', 'false'],
  ['s.a', '1'],
  ['s.b.c', '[ 2 ]'],
  ['[ (s.z or x) (s.b.z or 3) (s.a or 4) (s.z.z or (x + 1)) (s.a.b or y) ]', '[ 5 3 1 6 "a" ]'],
  ['[ (s ? a) (s ? z) (s ? b.c) (x ? a) (s ? ${y}) ]', '[ true false true false true ]'],
  ['[ s.${y} (s.${y + ""}) (s.${y} or 2) ({ }.${y} or 2) (x.${y} or 2) (s.b.${"c"}) ]', '[ 1 1 1 2 2 [ 2 ] ]'],
  ['[ (s ? ${y}) (s ? ${y + "z"}) ({ } ? ${y}) (x ? ${y}) (s.b ? ${"c"}) ]', '[ true false false false true ]'],
  [
    '[ (s ? ${if x == 5 then y else z}) (let n = "b"; in map (m: m ? ${n}) [ s { } x ]) ]',
    '[ true [ true false false ] ]',
  ],
  ['{ a = 0; } // { a = x; } // { d = y; }', '{ a = 5; d = "a"; }'],
  ['l ++ [ x ]', '[ 7 8 5 ]'],
  ['let a = x + b; b = c; c = 1; in a * 2', '12'],
  ['(let a = b; b = x; in a) + (let a = a; in 1)', '6'],
  ['(let f = n: if n == 0 then [ x ] else f (n - 1); in f 3) ++ (let a = 1; in [ a ])', '[ 5 1 ]'],
  ['with s; [ a x (b.c) (with { a = 2; }; a) (with { z = 1; }; a) ]', '[ 1 5 [ 2 ] 2 1 ]'],
  ['assert x == 5; y', '"a"'],
  ['(a: b: c: d: [ a b c d ]) x y 1 (x + 1)', '[ 5 "a" 1 6 ]'],
  ['map (a: a + x) l', '[ 12 13 ]'],
  ["builtins.foldl' (a: b: a + b) x l", '20'],
  ['builtins.concatStringsSep y (map toString l)', '"7a8"'],
  ['({ a, b ? x, ... }@args: [ a b (args.c or 9) ]) s', '[ 1 { c = [ 2 ]; } 9 ]'],
  ['({ a, b ? a + x }: [ a b ]) { a = 2; }', '[ 2 7 ]'],
  ['(z: { a, b ? z }: [ a b z ]) x { a = y; }', '[ "a" 5 5 ]'],
  ['(s // { __functor = self: z: self.a + z; }) x', '6'],
  ['rec { a = x; b = a; ${y + "c"} = b; inherit (s) c; }.b', '5'],
  ['(builtins.tryEval (assert x == 6; x)).success', 'false'],
  ['builtins.unsafeGetAttrPos "a" { a = x; } == null', 'true'],
];

/** Bodies that fail. */
const failures: readonly string[] = [
  'x + y',
  'y + x',
  'x - y',
  'x - z',
  '(throw "l") + (throw "r")',
  '(throw "l") < (throw "r")',
  'x / 0',
  '9223372036854775807 + x',
  'z + 1',
  'z == 1',
  '1 == z',
  '{ a = z; } == { a = 1; }',
  'if z then 1 else 2',
  'if x then 1 else 2',
  'if z == 1 then 1 else 2',
  'if z < 1 then 1 else 2',
  '!x',
  'x && true',
  'true && x',
  '(z || true)',
  'true -> z',
  'assert z; 1',
  'assert x == 6; 1',
  's.q',
  'x.a',
  'z.a',
  's.a.b',
  's.b.q',
  's.e',
  's.f.g',
  's.e or 1',
  's.q or z',
  's.${z}',
  's.${x}',
  'x.${y}',
  '{ }.${y}',
  's.${z} or 1',
  's ? ${z}',
  's ? ${x}',
  's ? ${y + z}',
  's ? ${s}',
  'x ? ${z}',
  'z ? ${y}',
  '{ a = z; }.${y}',
  'z ? a',
  's // x',
  's // { a = 1; } // z',
  'x // s',
  'l ++ x',
  'z ++ l',
  '"${y}${z}"',
  '"${x}"',
  '"${y}${x}"',
  '/. + z',
  'x 1',
  'z 1',
  'x 1 2',
  'y 1 2 3',
  '(a: b: a + b) 1 z',
  '(a: b: c: a + b + c) 1 2 z',
  '({ a }: a) { }',
  '({ a }: a) { a = z; }',
  '({ a }: a) s',
  '({ a }: a) x',
  '({ a ? z }: a) { }',
  'with z; q',
  'with s; q',
  'with s; e',
  'let a = a; in a',
  'let a = z; in a + 1',
  'builtins.head [ ]',
  "builtins.foldl' (a: b: z) 0 l",
  'map z l',
  'builtins.add x z',
  '(map (a: a.b) l)',
  'builtins.concatStringsSep "" (map (a: z) l)',
  'let f = n: if n == 0 then z else f (n - 1); in f 3',
  'let f = n: if n == 0 then z else 1 + f (n - 1); in f 3',
];

const around = (body: string): string =>
  `let f = x: y: s: l: z: ${body}; in f 5 "a" { a = 1; b.c = [ 2 ]; e = throw "e"; f.g = throw "g"; } [ 7 8 ] (throw "z")`;

/** The same bodies where they stand in the code of their caller, by what they are called with. */
const inCaller: Readonly<Record<string, (body: string) => string>> = {
  'arguments that wait': (body) =>
    `let s0 = { a = 1; b.c = [ 2 ]; e = throw "e"; f.g = throw "g"; };
    f = x: y: s: z: let l = [ 7 8 ]; in ${body};
    h = a: f (a + 0) ("" + (if a == 5 then "a" else "b")) (if a < 9 then s0 else 1) (throw "z"); in builtins.seq f (h 5)`,
  'arguments that functions pass on': (body) =>
    `let f = x: y: s: z: let l = [ 7 8 ]; in ${body}; g = x: y: s: z: f x y s z;
    h = a: g (a * 1) "a" ({ a = 1; b.c = [ 2 ]; e = throw "e"; f.g = throw "g"; } // { }) (throw "z");
    in builtins.seq f (builtins.seq g (h 5))`,
  formals: (body) =>
    `let f = { x, y, s, z, l ? [ 7 (x + 3) ], ... }@args: ${body};
    h = x: f { inherit x; y = "" + "a"; s = { a = x - 4; b.c = [ 2 ]; e = throw "e"; f.g = throw "g"; }; z = throw "z"; q = 1; };
    in builtins.seq f (h 5)`,
  'formals and the set': (body) =>
    `let f = { s, x, ... }@args: with args; [ (args.x or 1) (args.w or x) (args.x or args.w) (args ? x) (args ? w) (${body}) args.s ];
    h = x: f { x = x + 0; y = "a"; s = { a = 1; b.c = [ 2 ]; e = throw "e"; f.g = throw "g"; }; z = throw "z"; l = [ 7 8 ]; };
    in builtins.seq f (h 5)`,
  'a set around it': (body) =>
    `let h = v: with { x = v + 0; y = "a"; s = { a = 1; b.c = [ 2 ]; e = throw "e"; f.g = throw "g"; }; z = throw "z"; l = [ 7 8 ]; };
    [ x (${body}) x ]; in h 5`,
  'a choice before it': (body) =>
    `let f = x: y: z: c: let s = { a = 1; b.c = [ 2 ]; e = throw "e"; f.g = throw "g"; }; l = [ 7 8 ];
    in [ (if c then x + 1 else 2) (if c then 1 else y) ] ++ (if c then [ x y ] else [ ]) ++ [ (_: x) x (${body}) ];
    h = c: f (if c then 5 else 5) (if c then "a" else "a") (throw "z") c;
    in builtins.seq f (builtins.concatMap h [ true false ])`,
};

describe('generated code', () => {
  describe.each(Object.entries(inCaller))('in the code of its caller: %s', (_, program) => {
    it.each([...values.map(([body]) => body), ...failures])('%s', (body) => {
      const outcome = (generateCode: 'always' | 'never', maxCallDepth: number): unknown => {
        const ev = memoryEvaluator({}, { generateCode, maxCallDepth });
        try {
          return [show(program(body), ev), ev.spent];
        } catch {
          return trace(program(body), memoryEvaluator({}, { generateCode, maxCallDepth }));
        }
      };
      for (const depth of [2, 3, 4, 5, 7, 10_000]) {
        expect([depth, outcome('always', depth)]).toEqual([depth, outcome('never', depth)]);
      }
    });
  });

  it('has calls of known functions in it, while they are the same', () => {
    const ev = memoryEvaluator({}, always);
    const program = `let f = { a, b ? 1, ... }@args: with args; a + (args.c or b); g = x: y: x - y;
      h = i: g (f { a = i; c = 2; }) (with { d = i; }; d); in builtins.seq f (builtins.seq g (map h [ 1 2 ]))`;
    expect(show(program, ev)).toBe('[ 2 2 ]');
    expect(generatedCode(ev).some((text) => /\.record===k\d+\)/.test(text))).toBe(true);
    expect(show('let f = x: x + 1; h = f: map (i: f (i + 0)) [ 1 2 ]; in [ (h f) (h (x: x)) (h toString) ]', ev)).toBe(
      '[ [ 2 3 ] [ 1 2 ] [ "1" "2" ] ]',
    );
  });

  it('asks for a computed name without an environment', () => {
    const ev = memoryEvaluator({}, always);
    expect(show('let f = n: map (m: m ? ${n}) [ { a = 1; } { } ]; in f "a" ++ f "b"', ev)).toBe(
      '[ true false false false ]',
    );
    const code = generatedCode(ev).filter((text) => text.includes('=computedName('));
    expect(code).toHaveLength(1);
    expect(code[0]).not.toMatch(/=\[up|hasPathFrom\(/);
  });

  it.each(values)('%s', (body, expected) => {
    const ev = memoryEvaluator({}, always);
    expect(show(around(body), ev)).toBe(expected);
    expect(show(around(body), memoryEvaluator({}, never))).toBe(expected);
    expect(generatedCode(ev).length).toBeGreaterThan(0);
  });

  it.each(failures)('fails as the interpreter does: %s', (body) => {
    expect(trace(around(body), memoryEvaluator({}, always))).toEqual(trace(around(body), memoryEvaluator({}, never)));
  });

  it('counts calls and depth as the interpreter does', () => {
    const bodies = [...values.map(([body]) => body), 'let f = n: if n == 0 then 0 else f (n - 1) + 1; in f 20'];
    const outcome = (body: string, generateCode: 'always' | 'never', maxCallDepth: number): string[] | number => {
      const ev = memoryEvaluator({}, { generateCode, maxCallDepth });
      try {
        show(around(body), ev);
        return ev.spent;
      } catch {
        return trace(around(body), memoryEvaluator({}, { generateCode, maxCallDepth }));
      }
    };
    for (const body of bodies) {
      for (const depth of [1, 2, 3, 4, 5, 6, 7, 8, 12, 20, 10_000]) {
        expect([body, depth, outcome(body, 'always', depth)]).toEqual([body, depth, outcome(body, 'never', depth)]);
      }
    }
  });

  it('leaves what is nested deeper than it may to the interpreter', () => {
    for (const generatedDepth of [0, 1, 2, 5]) {
      for (const [body, expected] of values) {
        expect([body, show(around(body), memoryEvaluator({}, { ...always, generatedDepth }))]).toEqual([
          body,
          expected,
        ]);
      }
    }
  });

  it('calls itself in the end without growing the stack', () => {
    const ev = memoryEvaluator({}, always);
    expect(show('let f = n: m: if n == 0 then m else f (n - 1) [ n ]; in f 9900 0', ev)).toBe('[ 1 ]');
    expect(
      show('let f = { n, m ? 0 }: if n == 0 then m else f { n = n - 1; m = [ n ]; }; in f { n = 9900; }', ev),
    ).toBe('[ 1 ]');
    expect(() => show('let f = n: f (n + 1); in f 0', ev)).toThrow('max-call-depth exceeded');
  });

  it('has no text of the program', () => {
    const ev = memoryEvaluator({}, always);
    const evil = '*/}"`\\${process.exit()}';
    const name = JSON.stringify(evil).replaceAll('$', '\\$');
    expect(show(`let f = x: { ${name} = x; }.${name} + ${name}; in f "a"`, ev)).toContain('process.exit');
    const code = generatedCode(ev);
    expect(code.length).toBeGreaterThan(0);
    for (const text of code) expect(text).not.toContain('exit');
  });
});

describe('the second tier', () => {
  const loop = (n: number): string => `let f = a: b: a + b; in builtins.foldl' f 0 (builtins.genList (x: x) ${n})`;

  it('is for what is called often', () => {
    const ev = memoryEvaluator();
    expect(show(loop(100), ev)).toBe('4950');
    expect(generatedCode(ev)).toEqual([]);
    expect(show(loop(10_000), ev)).toBe('49995000');
    expect(generatedCode(ev)).toHaveLength(2);
  });

  it('… and not only one in many', () => {
    const ev = memoryEvaluator();
    const many = Array.from({ length: 50 }, (_, i) => `(x: x + ${i})`).join(' ');
    const sums = `builtins.foldl' (a: _: builtins.foldl' (a: f: a + f 1) a [ ${many} ]) 0 (builtins.genList (x: x) 600)`;
    expect(show(sums, ev)).toBe(String(600 * (50 + (49 * 50) / 2)));
    expect(generatedCode(ev)).toHaveLength(1);
  });

  it('leaves off where calls are to be watched', () => {
    const ev = memoryEvaluator({}, always);
    const failing = 'let f = x: x + (throw "no"); in f 1';
    expect(trace(failing, ev).join('\n')).not.toContain("while calling 'f'");
    expect(generatedCode(ev).length).toBeGreaterThan(0);
    ev.setCallFrames(true);
    expect(generatedCode(ev)).toEqual([]);
    expect(trace(failing, ev).join('\n')).toContain("while calling 'f'");
  });

  it('does without where the host forbids code made of text', () => {
    vi.stubGlobal('Function', FORBIDDEN_CODE);
    try {
      const ev = memoryEvaluator({}, always);
      expect(show(loop(10), ev)).toBe('45');
      expect(show(loop(10_000), memoryEvaluator())).toBe('49995000');
      expect(generatedCode(ev)).toEqual([]);
    } finally {
      vi.unstubAllGlobals();
    }
  });

  it('leaves what is long to the interpreter', () => {
    const ev = memoryEvaluator({}, always);
    const sum = Array.from({ length: 500 }, (_, i) => `(if x == ${i} then ${i} else 1)`).join(' + ');
    expect(show(`let f = x: ${sum}; in f 3`, ev)).toBe('502');
    expect(show(`let f = x: [ ${'x '.repeat(500)}]; in builtins.length (f 3)`, ev)).toBe('500');
    expect(show(`let f = x: ${'['.repeat(200)} x ${']'.repeat(200)}; in builtins.length (f 3)`, ev)).toBe('1');
    expect(show(`let f = x: ${'!'.repeat(200)}x; in f true`, ev)).toBe('true');
  });
});
