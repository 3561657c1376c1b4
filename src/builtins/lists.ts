// Lists. Order of checks follows Nix: what is forced first decides which error is seen and what stays lazy.
import { Attrs, AttrsBuilder } from '../eval/attrs.ts';
import type { Evaluator } from '../eval/evaluator.ts';
import { outOfMemory } from '../eval/host-error.ts';
import { Items, takeItems } from '../eval/items.ts';
import { Primop, type BuiltinRecord, type List, type Slot, type Value } from '../eval/value.ts';
import { EvalError } from '../util/errors.ts';
import { intern } from '../util/symbols.ts';
import { peekSort } from './peek-sort.ts';

const EMPTY: List = [];
const RIGHT = intern('right');
const WRONG = intern('wrong');

function anyOrAll(name: 'any' | 'all', doc: string): BuiltinRecord {
  const stop = name === 'any';
  const why1 = `while evaluating the first argument passed to builtins.${name}`;
  const why2 = `while evaluating the second argument passed to builtins.${name}`;
  const why3 = `while evaluating the return value of the function passed to builtins.${name}`;
  return {
    name,
    args: ['pred', 'list'],
    doc,
    takesItems: 1,
    impl(ev, _pos, pred, list) {
      const f = ev.expectFunction(pred, 0, why1);
      const items = takeItems(ev, list, why2);
      for (let i = 0; i < items.length; i++) {
        const result = ev.callOne(f, items.slot(i), 0);
        if ((typeof result === 'boolean' ? result : ev.expectBool(result, 0, why3)) === stop) return stop;
      }
      return !stop;
    },
  };
}

function foldl(ev: Evaluator, op: Slot, nul: Slot, list: Slot): Value {
  const f = ev.expectFunction(op, 0, 'while evaluating the first argument passed to builtins.foldlStrict');
  const items = takeItems(ev, list, 'while evaluating the third argument passed to builtins.foldlStrict');
  if (items.length === 0) return ev.force(nul);
  let accumulator = ev.callTwo(f, nul, items.slot(0), 0);
  for (let i = 1; i < items.length; i++) accumulator = ev.callTwo(f, accumulator, items.slot(i), 0);
  return accumulator;
}

function filter(ev: Evaluator, pred: Slot, list: Slot): Value {
  const items = takeItems(ev, list, 'while evaluating the second argument passed to builtins.filter');
  if (items.length === 0) return EMPTY;
  const f = ev.expectFunction(pred, 0, 'while evaluating the first argument passed to builtins.filter');
  const kept: Slot[] = [];
  for (let i = 0; i < items.length; i++) {
    const item = items.slot(i);
    const result = ev.callOne(f, item, 0);
    if (
      typeof result === 'boolean'
        ? result
        : ev.expectBool(
            result,
            0,
            'while evaluating the return value of the filtering function passed to builtins.filter',
          )
    ) {
      kept.push(item);
    }
  }
  return kept;
}

function map(ev: Evaluator, fn: Slot, list: Slot): Items {
  const items = takeItems(ev, list, 'while evaluating the second argument passed to builtins.map');
  if (items.length === 0) return items;
  return Items.map(ev.expectFunction(fn, 0, 'while evaluating the first argument passed to builtins.map'), items);
}

/** So many items are looked at as a whole before they are made. */
const MANY = 1 << 20;
/** A thunk in a list. */
const ITEM_BYTES = 64;

function listOf(ev: Evaluator, items: Items): List {
  if (items.length > MANY) ev.expectRoom(items.length * ITEM_BYTES);
  return items.list();
}

/** Longer lists would not fit into V8's heap with what is in them: refused as Nix refuses what does not fit in memory. */
const MAX_LENGTH = 1 << 26;

function genList(ev: Evaluator, generator: Slot, length: Slot): Items {
  const count = ev.expectInt(length, 0, 'while evaluating the second argument passed to builtins.genList');
  if (count < 0) throw new EvalError(`cannot create list of size ${count.toString()}`);
  const f = ev.expectFunction(generator, 0, 'while evaluating the first argument passed to builtins.genList');
  if (count > MAX_LENGTH) throw outOfMemory();
  return Items.generate(f, count as number);
}

/** Items whose values are all strings without context, or all small integers: their order is total. */
function sortPlain(items: List, values: readonly Value[]): Slot[] | null {
  const type = typeof values[0];
  if (type !== 'string' && type !== 'number') return null;
  for (let i = 1; i < values.length; i++) if (typeof values[i] !== type) return null;
  const keys = values as readonly (string | number)[];
  const order: number[] = [];
  for (let i = 0; i < keys.length; i++) order.push(i);
  order.sort((i, j) => (keys[i]! < keys[j]! ? -1 : keys[i]! > keys[j]! ? 1 : 0));
  const out: Slot[] = [];
  for (let i = 0; i < order.length; i++) out.push(items[order[i]!]!);
  return out;
}

/** Of one item, in all that sorting makes. */
const SORT_BYTES = 40;

function sort(ev: Evaluator, comparator: Slot, list: Slot): Value {
  const items = ev.expectList(list, 0, 'while evaluating the second argument passed to builtins.sort');
  if (items.length === 0) return items;
  ev.takes(items.length * SORT_BYTES);
  const f = ev.expectFunction(comparator, 0, 'while evaluating the first argument passed to builtins.sort');
  const values: Value[] = [];
  for (let i = 0; i < items.length; i++) values.push(ev.force(items[i]!));
  const out = items.slice();
  if (f instanceof Primop && f.name === 'lessThan') {
    const plain = sortPlain(items, values);
    if (plain !== null) return plain;
    const why = 'while evaluating the ordering function passed to builtins.sort';
    peekSort(out, (a, b) => ev.lessThan(a, b, 0, why));
  } else {
    const why = 'while evaluating the return value of the sorting function passed to builtins.sort';
    peekSort(out, (a, b) => {
      const result = ev.callTwo(f, a, b, 0);
      return typeof result === 'boolean' ? result : ev.expectBool(result, 0, why);
    });
  }
  return out;
}

function partition(ev: Evaluator, pred: Slot, list: Slot): Value {
  const f = ev.expectFunction(pred, 0, 'while evaluating the first argument passed to builtins.partition');
  const items = ev.expectList(list, 0, 'while evaluating the second argument passed to builtins.partition');
  const right: Slot[] = [];
  const wrong: Slot[] = [];
  for (let i = 0; i < items.length; i++) {
    const item = items[i]!;
    ev.force(item);
    const result = ev.callOne(f, item, 0);
    const holds =
      typeof result === 'boolean'
        ? result
        : ev.expectBool(
            result,
            0,
            'while evaluating the return value of the partition function passed to builtins.partition',
          );
    (holds ? right : wrong).push(item);
  }
  return new AttrsBuilder().set(RIGHT, right).set(WRONG, wrong).build();
}

function groupBy(ev: Evaluator, fn: Slot, list: Slot): Value {
  const f = ev.expectFunction(fn, 0, 'while evaluating the first argument passed to builtins.groupBy');
  const items = ev.expectList(list, 0, 'while evaluating the second argument passed to builtins.groupBy');
  const groups = new Map<string, Slot[]>();
  for (let i = 0; i < items.length; i++) {
    const item = items[i]!;
    const result = ev.callOne(f, item, 0);
    const name =
      typeof result === 'string'
        ? result
        : ev.expectStringNoContext(
            result,
            0,
            'while evaluating the return value of the grouping function passed to builtins.groupBy',
          );
    const group = groups.get(name);
    if (group === undefined) groups.set(name, [item]);
    else group.push(item);
  }
  return Attrs.from(groups);
}

function concatMap(ev: Evaluator, fn: Slot, list: Slot): Value {
  const f = ev.expectFunction(fn, 0, 'while evaluating the first argument passed to builtins.concatMap');
  const items = takeItems(ev, list, 'while evaluating the second argument passed to builtins.concatMap');
  const out: Slot[] = [];
  for (let i = 0; i < items.length; i++) {
    const result = ev.callOne(f, items.slot(i), 0);
    const why = 'while evaluating the return value of the function passed to builtins.concatMap';
    const part = Array.isArray(result)
      ? (result as List)
      : ev.expectList(result, ev.determinePos(result, ev.determinePos(f)), why);
    for (let j = 0; j < part.length; j++) out.push(part[j]!);
  }
  return out;
}

function concatLists(ev: Evaluator, lists: Slot): Value {
  const items = takeItems(ev, lists, 'while evaluating the first argument passed to builtins.concatLists');
  const out: Slot[] = [];
  for (let i = 0; i < items.length; i++) {
    const part = ev.expectList(
      items.force(ev, i),
      0,
      'while evaluating a value of the list passed to builtins.concatLists',
    );
    for (let j = 0; j < part.length; j++) out.push(part[j]!);
  }
  return out;
}

export const listBuiltins: readonly BuiltinRecord[] = [
  {
    name: 'map',
    args: ['f', 'list'],
    doc: 'The list of *f* applied to each element of *list*; each application is evaluated when it is needed.',
    global: true,
    takesItems: 1,
    makeItems: map,
    impl: (ev, _pos, f, list) => listOf(ev, map(ev, f, list)),
  },
  {
    name: 'filter',
    args: ['f', 'list'],
    doc: 'The elements of *list* for which *f* returns `true`, in order.',
    takesItems: 1,
    impl: (ev, _pos, f, list) => filter(ev, f, list),
  },
  {
    name: "foldl'",
    args: ['op', 'nul', 'list'],
    doc:
      'Reduces *list* from the left: `op (op (op nul x0) x1) x2 …`. Each intermediate result is evaluated before the ' +
      'next step; *nul* itself is not, unless the list is empty.',
    takesItems: 2,
    impl: (ev, _pos, op, nul, list) => foldl(ev, op, nul, list),
  },
  anyOrAll('any', 'Whether *pred* holds for at least one element of *list*; stops at the first.'),
  anyOrAll('all', 'Whether *pred* holds for every element of *list*; stops at the first for which it does not.'),
  {
    name: 'elem',
    args: ['x', 'xs'],
    doc: 'Whether an element of *xs* equals *x*.',
    takesItems: 1,
    impl(ev, _pos, x, xs) {
      const items = takeItems(ev, xs, 'while evaluating the second argument passed to builtins.elem');
      const why = 'while searching for the presence of the given element in the list';
      for (let i = 0; i < items.length; i++) {
        if (ev.equal(x, items.slot(i), 0, why)) return true;
      }
      return false;
    },
  },
  {
    name: 'elemAt',
    args: ['xs', 'n'],
    doc: 'The element of *xs* at index *n*, counting from 0.',
    impl(ev, _pos, xs, n) {
      const index = ev.expectInt(n, 0, "while evaluating the second argument passed to 'builtins.elemAt'");
      const items = ev.expectList(xs, 0, "while evaluating the first argument passed to 'builtins.elemAt'");
      if (index < 0 || index >= items.length) {
        throw new EvalError(
          `'builtins.elemAt' called with index ${index.toString()} on a list of size ${items.length}`,
        );
      }
      return ev.force(items[index as number]!);
    },
  },
  {
    name: 'head',
    args: ['list'],
    doc: 'The first element of *list*. An error if there is none.',
    impl(ev, _pos, list) {
      const items = ev.expectList(list, 0, "while evaluating the first argument passed to 'builtins.head'");
      if (items.length === 0) throw new EvalError("'builtins.head' called on an empty list");
      return ev.force(items[0]!);
    },
  },
  {
    name: 'tail',
    args: ['list'],
    doc:
      'The list without its first element. An error if it is empty. Each call copies the list: do not walk a long ' +
      'list this way.',
    impl(ev, _pos, list) {
      const items = ev.expectList(list, 0, "while evaluating the first argument passed to 'builtins.tail'");
      if (items.length === 0) throw new EvalError("'builtins.tail' called on an empty list");
      return items.length === 1 ? EMPTY : items.slice(1);
    },
  },
  {
    name: 'length',
    args: ['e'],
    doc: 'The number of elements of the list *e*.',
    takesItems: 0,
    impl: (ev, _pos, e) => takeItems(ev, e, 'while evaluating the first argument passed to builtins.length').length,
  },
  {
    name: 'genList',
    args: ['generator', 'length'],
    doc: 'The list of *generator* applied to 0, 1, … up to *length* - 1; each evaluated when it is needed.',
    makeItems: genList,
    impl: (ev, _pos, generator, length) => listOf(ev, genList(ev, generator, length)),
  },
  {
    name: 'sort',
    args: ['comparator', 'list'],
    doc:
      '*list* in the order of *comparator*, a function of two elements that says whether the first comes before the ' +
      'second. Equal elements keep their order.',
    impl: (ev, _pos, comparator, list) => sort(ev, comparator, list),
  },
  {
    name: 'partition',
    args: ['pred', 'list'],
    doc: '`{ right, wrong }`: the elements for which *pred* holds, and the others.',
    impl: (ev, _pos, pred, list) => partition(ev, pred, list),
  },
  {
    name: 'groupBy',
    args: ['f', 'list'],
    doc: 'A set of lists: each element of *list* is in the one named by the string that *f* returns for it.',
    impl: (ev, _pos, f, list) => groupBy(ev, f, list),
  },
  {
    name: 'concatMap',
    args: ['f', 'list'],
    doc: 'The concatenation of the lists that *f* returns for the elements of *list*.',
    takesItems: 1,
    impl: (ev, _pos, f, list) => concatMap(ev, f, list),
  },
  {
    name: 'concatLists',
    args: ['lists'],
    doc: 'The concatenation of a list of lists.',
    takesItems: 0,
    impl: (ev, _pos, lists) => concatLists(ev, lists),
  },
];
