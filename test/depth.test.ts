// Everything that nests, nested deep: a value, or an error of Nix's; never an exception of JavaScript's. (How deep it
// gets depends on the host's stack, which the command line makes as large as it may.)
import { describe, expect, it } from 'vitest';
import { ContextBuilder } from '../src/eval/context.ts';
import { valueToJson } from '../src/eval/json.ts';
import { printAmbiguous } from '../src/eval/print-ambiguous.ts';
import { printValue, tracePrintOptions } from '../src/eval/print.ts';
import { valueToXml } from '../src/eval/print-xml.ts';
import type { Slot } from '../src/eval/value.ts';
import { NixError } from '../src/util/errors.ts';
import { memoryEvaluator } from './support/evaluator.ts';

const range = (n: number): string => `(builtins.genList (x: x) ${n})`;
const list = (n: number): string => `(builtins.foldl' (a: _: [ a ]) [ ] ${range(n)})`;
const set = (n: number): string => `(builtins.foldl' (a: _: { x = a; }) { } ${range(n)})`;
const text = (open: string, middle: string, close: string, n: number): string =>
  `(let s = c: builtins.concatStringsSep "" (builtins.genList (_: c) ${n}); in s ${open} + ${middle} + s ${close})`;

/** f calls itself n times: [what it is made of, where it ends]. */
const recursions: readonly (readonly [body: string, base: string])[] = [
  ...[
    '1 + F',
    'F',
    '-F',
    '1 * F',
    '1 / (1 + F)',
    'if F == 0 then 0 else 0',
    'if F < 5 then 1 else 2',
    'if !(F == 1) then 0 else 1',
  ],
  ...[
    '{ a = F; }.a',
    '{ }.a or F',
    '{ a = F; } ? a && F == 0',
    'with { a = F; }; a',
    'let a = F; in a',
    'assert true; F',
  ],
  ...[
    'let inherit ({ a = F; }) a; in a',
    '[ F ]',
    'let r = F; in builtins.seq r [ r ]',
    '{ x = F; }',
    'rec { x = F; y = 1; }',
  ],
  ...[
    '{ __functor = self: x: F; } 1',
    'builtins.seq F 0',
    'builtins.head (map (_: F) [ 1 ])',
    "builtins.foldl' (a: _: F) 0 [ 1 ]",
  ],
  ...['builtins.length (builtins.filter (_: F == 0) [ 1 ])', 'builtins.head (builtins.sort (a: b: F == 0) [ 1 2 ])'],
  ...['(builtins.tryEval F).value', 'builtins.addErrorContext "a" F', '(builtins.mapAttrs (_: _: F) { a = 1; }).a'],
  ...['(builtins.zipAttrsWith (_: _: F) [ { a = 1; } ]).a', '(builtins.listToAttrs [ { name = "a"; value = F; } ]).a'],
  ...[
    'builtins.length (builtins.genericClosure { startSet = [ { key = F; } ]; operator = _: [ ]; })',
    '({ n, a ? F }: a) { n = 1; }',
  ],
].map((body) => [body, '0'] as const);
const others: readonly (readonly [body: string, base: string])[] = [
  ['{ a = n; } // F', '{ }'],
  ['F // { a = n; }', '{ }'],
  ['[ n ] ++ F', '[ ]'],
  ['F ++ [ n ]', '[ ]'],
  ['builtins.concatMap (_: F) [ 1 ]', '[ ]'],
  ['"a" + F', '""'],
  ['"${F}a"', '""'],
  ['builtins.head (builtins.attrNames { ${F} = 1; })', '"a"'],
  ['builtins.replaceStrings [ "a" ] [ F ] "a"', '"b"'],
  ['toString { __toString = _: F; }', '"a"'],
  ['toString { outPath = F; }', '"/a"'],
  ['true && F', 'true'],
  ['false || F', 'true'],
  ['true -> F', 'true'],
  ['builtins.any (_: F) [ 1 ]', 'true'],
  ['1 + F', 'throw "x"'],
  ['1 + F', 'abort "x"'],
];

const shapes: ((n: number) => string)[] = [
  (n) => `builtins.stringLength (toString ${list(n)})`,
  (n) => `builtins.deepSeq ${list(n)} 1`,
  (n) => `builtins.deepSeq ${set(n)} 1`,
  (n) => `${list(n)} == ${list(n)}`,
  (n) => `${set(n)} == ${set(n)}`,
  (n) => `${list(n)} < ${list(n)}`,
  (n) => `throw ${list(n)}`,
  (n) => `1 + ${set(n)}`,
  (n) => `builtins.trace ${list(n)} 1`,
  (n) => `builtins.deepSeq (builtins.fromJSON ${text('"["', '""', '"]"', n)}) 1`,
  (n) => `builtins.deepSeq (builtins.fromTOML ("a = " + ${text('"["', '""', '"]"', n)})) 1`,
  (n) => `builtins.deepSeq (builtins.fromTOML ("a = " + ${text('"{a="', '"1"', '"}"', n)})) 1`,
  (n) => `builtins.deepSeq (builtins.fromTOML ("[a" + ${text('".a"', '""', '""', n)} + "]")) 1`,
  (n) => `builtins.elemAt (builtins.foldl' (a: i: [ (builtins.head a + 1) ]) [ 0 ] ${range(n)}) 0`,
  (n) => `(builtins.foldl' (f: i: x: f (x + 1)) (x: x) ${range(n)}) 0`,
  (n) => `(builtins.foldl' (f: i: x: 1 + f x) (x: x) ${range(n)}) 0`,
  (n) => `builtins.head (builtins.foldl' (l: i: map (x: x + 1) l) [ 0 ] ${range(n)})`,
  (n) => `(builtins.foldl' (l: i: builtins.mapAttrs (_: x: x + 1) l) { a = 0; } ${range(n)}).a`,
  (n) => `(derivation { name = "a"; builder = "b"; system = "c"; args = ${list(n)}; }).drvPath`,
  (n) => `(derivation { name = "a"; builder = "b"; system = "c"; __structuredAttrs = true; x = ${set(n)}; }).drvPath`,
  () => 'let x = x; in x',
  () => 'let a = { inherit a; }; in builtins.toJSON a',
  () => 'let a = [ a ]; b = [ b ]; in a == b',
  () => 'let a = [ a ]; b = [ b ]; in a < b',
  () => 'let a = [ a ]; in toString a',
  () => 'let a = [ a ]; in 1 + a',
  () => 'let a.outPath = a; in "${a}"',
  () => 'let a = { __toString = _: a; }; in toString a',
  () => 'let a.__functor = a; in a 1',
];

/** Runs what may fail as Nix may. @throws whatever else it fails with */
function attempt<T>(run: () => T): T | undefined {
  try {
    return run();
  } catch (error) {
    if (error instanceof NixError) return undefined;
    throw error;
  }
}

function evaluate(expression: string): void {
  const ev = memoryEvaluator();
  const value = attempt(() => ev.evalString(expression, '/', { kind: 'string' }));
  if (value === undefined) return;
  const ways: ((slot: Slot) => unknown)[] = [
    (slot) => ev.forceDeep(slot),
    (slot) => printAmbiguous(ev, slot, new ContextBuilder()),
    (slot) => printValue(ev, slot, tracePrintOptions),
    (slot) => valueToJson(ev, slot, { context: new ContextBuilder() }),
    (slot) => valueToXml(ev, slot, { context: new ContextBuilder() }),
  ];
  for (const way of ways) attempt(() => way(value));
}

describe('deep nesting', () => {
  it.each([...recursions, ...others])('of %s, ending in %s', { timeout: 60_000 }, (body, base) => {
    for (const n of [50, 3000, 12_000]) {
      evaluate(`let f = n: if n == 0 then ${base} else ${body.replaceAll('F', '(f (n - 1))')}; in f ${n}`);
    }
  });
  it.each(shapes.map((shape) => [shape(3000), shape] as const))('%s', { timeout: 60_000 }, (_, shape) => {
    for (const n of [50, 3000, 12_000]) evaluate(shape(n));
  });
  it('is a value where it is not too deep', () => {
    expect(
      attempt(() => memoryEvaluator().evalString(`builtins.deepSeq ${list(200)} 1`, '/', { kind: 'string' })),
    ).toBe(1);
  });
});
