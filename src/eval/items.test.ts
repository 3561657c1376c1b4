// A list that is made for one builtin only is not made; nothing else may tell. `(l: l) (map …)` has the list made.
import { describe, expect, it, vi } from 'vitest';
import { memoryEvaluator } from '../../test/support/evaluator.ts';
import { outcome } from '../../test/support/outcome.ts';
import { Items } from './items.ts';

const NUMBERS = '(builtins.genList (i: builtins.trace "element ${toString i}" (i * 3)) 4)';
const LISTS = [
  NUMBERS,
  `(map (x: builtins.trace "mapped" (x + 1)) ${NUMBERS})`,
  `(map toString (map (x: builtins.trace "twice" x) ${NUMBERS}))`,
  `(map (x: if x == 6 then throw "six" else x) ${NUMBERS})`,
  `(map toString (map (x: if x == 6 then throw "six" else x) ${NUMBERS}))`,
  `(map toString (map (x: if x == 6 then { } else x) ${NUMBERS}))`,
  `(map toString (builtins.genList (i: builtins.tryEval (throw "caught")) 2))`,
  '(map (x: { name = builtins.trace "name" "n${toString x}"; value = builtins.trace "value" x; }) [ 1 2 1 3 ])',
  '(map (x: [ x (x + 1) ]) [ 1 2 ])',
  '(map (x: x) [ ])',
  '(map { __functor = self: x: builtins.trace "functor" x; } [ 1 2 ])',
  '(map (builtins.trace "the function" (x: x)) (builtins.trace "the list" [ 1 2 ]))',
  '(map 1 [ 1 ])',
  '(map (x: x) 1)',
  '(map (x: x) (throw "no list"))',
  '(builtins.genList (i: i) (-1))',
  '(builtins.genList (i: i) "x")',
  '(builtins.genList 1 0)',
  '((if true then map else map) (x: x) [ 1 ])',
  '(let map = f: l: builtins.trace "own map" l; in map 1 [ 2 ])',
  '(map (x: builtins.head [ ]) [ 1 ])',
];
const CONSUMERS = [
  (list: string) => `builtins.concatStringsSep (builtins.trace "separator" ",") ${list}`,
  (list: string) => `builtins.foldl' (acc: x: acc ++ [ x ]) [ ] ${list}`,
  (list: string) => `builtins.foldl' (acc: x: x) null ${list}`,
  (list: string) => `builtins.filter (x: builtins.trace "filter" true) ${list}`,
  (list: string) => `builtins.filter (x: x == 3) ${list}`,
  (list: string) => `builtins.all (x: x != 3) ${list}`,
  (list: string) => `builtins.any (x: x == 3) ${list}`,
  (list: string) => `builtins.elem 3 ${list}`,
  (list: string) => `builtins.length ${list}`,
  (list: string) => `builtins.concatLists ${list}`,
  (list: string) => `builtins.concatMap (x: [ x x ]) ${list}`,
  (list: string) => `map (x: x) ${list}`,
  (list: string) => `builtins.listToAttrs ${list}`,
  (list: string) => `builtins.catAttrs "value" ${list}`,
  (list: string) => `builtins.catAttrs "value" (builtins.filter (p: true) ${list})`,
  (list: string) => `let f = builtins.concatStringsSep ","; in f ${list}`,
];

describe('lists between two builtins', () => {
  it.each(LISTS)('%s', (list) => {
    for (const consume of CONSUMERS) {
      expect(outcome(consume(list)), consume(list)).toEqual(outcome(consume(`((l: l) ${list})`)));
    }
  });

  it('are seen by who has a name for them', () => {
    expect(outcome('let l = map (x: x + 1) [ 1 2 ]; in [ (builtins.length l) l (builtins.elem 2 l) l ]').value).toBe(
      '[ <CODE> <CODE> <CODE> <CODE> ]',
    );
    const { value, traced } = outcome(
      'let l = map (x: builtins.trace "once" x) [ 1 2 ]; in builtins.seq (builtins.concatLists (map (x: [ x ]) l)) (builtins.foldl\' builtins.add 0 l + builtins.foldl\' builtins.add 0 l)',
    );
    expect(value).toBe('6');
    expect(traced).toEqual(['trace: once', 'trace: once']);
  });

  it('are not made', () => {
    const ev = memoryEvaluator();
    const made = vi.spyOn(ev, 'invokeForItems');
    const expressions = ['map (x: x) (map (x: x) [ 1 ])', 'builtins.length (builtins.map (x: x) [ 1 ])'];
    for (const expression of expressions) ev.evalString(expression, '/', { kind: 'string' });
    expect(made).toHaveBeenCalledTimes(2);
    ev.evalString('let l = map (x: x) [ 1 ]; in map (x: x) l', '/', { kind: 'string' });
    expect(made).toHaveBeenCalledTimes(2);
  });

  it('make their elements when these are asked for', () => {
    const ev = memoryEvaluator({});
    const asked: number[] = [];
    const fn = ev.evalString('x: x * 2', '/', { kind: 'string' });
    const source = Items.generate(fn, 3);
    const items = Items.map(fn, source);
    const slot = source.slot.bind(source);
    source.slot = (i) => {
      asked.push(i);
      return slot(i);
    };
    expect(asked).toEqual([]);
    expect(items.force(ev, 2)).toBe(8);
    expect(asked).toEqual([2]);
    expect(items.list().map((item) => ev.force(item))).toEqual([0, 4, 8]);
  });
});
