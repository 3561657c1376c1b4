// Attribute sets. Sets share sorted id arrays (eval/attrs.ts): everything here is a merge or a copy of them.
import {
  Attrs,
  AttrsBuilder,
  MIN_LARGE_SIZE,
  pickPositions,
  sharedKeySet,
  workSpace,
  type KeySet,
} from '../eval/attrs.ts';
import { newSlots } from '../eval/environment.ts';
import type { Evaluator } from '../eval/evaluator.ts';
import { positionAt, type AnyPositions } from '../eval/key-set.ts';
import { Lambda } from '../eval/lambda.ts';
import { takeItems } from '../eval/items.ts';
import { commonPieces, remainingPieces } from '../eval/pieces.ts';
import { printAttrName } from '../eval/print-string.ts';
import { Thunk } from '../eval/thunk.ts';
import { Primop, PrimopApp, type BuiltinRecord, type Slot, type Value } from '../eval/value.ts';
import { MissingAttributeError, TypeMismatchError } from '../util/errors.ts';
import type { Pos } from '../util/positions.ts';
import { findSymbol, intern, symbolName, type Sym } from '../util/symbols.ts';
import { requireAttr } from './required-attr.ts';

const NAME = intern('name');
const VALUE = intern('value');
const FILE = intern('file');
const LINE = intern('line');
const COLUMN = intern('column');

function attrNames(ev: Evaluator, set: Slot): Value {
  const attrs = ev.expectAttrs(set, 0, 'while evaluating the argument passed to builtins.attrNames');
  const { ids } = attrs.keys;
  const order = attrs.keys.nameOrder();
  const out = new Array<Slot>(order.length);
  for (let i = 0; i < order.length; i++) out[i] = symbolName(ids[order[i]!] as Sym);
  return out;
}

function attrValues(ev: Evaluator, set: Slot): Value {
  const attrs = ev.expectAttrs(set, 0, 'while evaluating the argument passed to builtins.attrValues');
  const order = attrs.keys.nameOrder();
  const { values } = attrs;
  const out = new Array<Slot>(order.length);
  for (let i = 0; i < order.length; i++) out[i] = values[order[i]!]!;
  return out;
}

function getAttr(ev: Evaluator, s: Slot, set: Slot): Value {
  const name = ev.expectStringNoContext(s, 0, 'while evaluating the first argument passed to builtins.getAttr');
  const attrs = ev.expectAttrs(set, 0, 'while evaluating the second argument passed to builtins.getAttr');
  const sym = findSymbol(name);
  const slot = sym === undefined ? undefined : attrs.get(sym);
  if (slot === undefined) {
    throw new MissingAttributeError(`attribute '${printAttrName(name)}' missing`).addFrame(
      'in the attribute set under consideration',
      0,
    );
  }
  return ev.force(slot);
}

/** The set `{ file, line, column }` that __curPos and unsafeGetAttrPos give; null outside files. */
export function positionValue(ev: Evaluator, pos: Pos): Value {
  const origin = ev.positions.originOf(pos);
  if (origin?.kind.kind !== 'file') return null;
  const resolve = (pick: 'line' | 'column') => Thunk.native(() => ev.positions.resolve(pos)![pick]);
  return new AttrsBuilder()
    .set(FILE, origin.kind.path)
    .set(LINE, resolve('line'))
    .set(COLUMN, resolve('column'))
    .build();
}

function removeAttrs(ev: Evaluator, set: Slot, list: Slot): Value {
  const attrs = ev.expectAttrs(set, 0, 'while evaluating the first argument passed to builtins.removeAttrs');
  const items = ev.expectList(list, 0, 'while evaluating the second argument passed to builtins.removeAttrs');
  const { keys } = attrs;
  /** Indexes to drop. */
  const dropped: number[] = [];
  for (let i = 0; i < items.length; i++) {
    const item = items[i]!;
    const name =
      typeof item === 'string'
        ? item
        : ev.expectStringNoContext(
            item,
            0,
            'while evaluating the values of the second argument passed to builtins.removeAttrs',
          );
    const sym = findSymbol(name);
    const index = sym === undefined ? -1 : keys.indexOf(sym);
    if (index >= 0) dropped.push(index);
  }
  if (dropped.length === 0) return attrs;
  dropped.sort((a, b) => a - b);
  if (attrs.size >= MIN_LARGE_SIZE) {
    const pieces = remainingPieces(attrs.size, dropped);
    if (pieces !== null) return Attrs.assemble(attrs, attrs, pieces);
  }
  const { values } = attrs;
  const { ids } = keys;
  const count = ids.length;
  const keptValues: Slot[] = [];
  const { ids: keptIds, picks } = workSpace(count);
  let d = 0;
  let n = 0;
  for (let i = 0; i < count; i++) {
    if (i === dropped[d]) {
      do d++;
      while (dropped[d] === i);
      continue;
    }
    keptIds[n] = ids[i]!;
    keptValues.push(values[i]!);
    picks[n++] = i;
  }
  return new Attrs(sharedKeySet(keptIds, n), keptValues, pickPositions(picks, n, attrs.anyPositions));
}

function listToAttrs(ev: Evaluator, list: Slot): Value {
  const items = takeItems(ev, list, 'while evaluating the argument passed to builtins.listToAttrs');
  const { length } = items;
  if (length === 0) return Attrs.EMPTY;
  // First definitions only, in list order; what `value` is matters only for these, and only once all names are known.
  // Names that are new, or come from a set, ascend mostly: then none is there twice.
  const names = new Int32Array(length);
  const values = newSlots(length);
  const positions = new Int32Array(length);
  /** Pairs without a value. */
  let incomplete: Map<number, Attrs> | null = null;
  let ascending = true;
  let known = false;
  // Most pairs are of one literal: where its attributes are is looked up once.
  let keys: KeySet | null = null;
  let nameIndex = -1;
  let valueIndex = -1;
  let pairPositions: AnyPositions = null;
  let valuePos = 0;
  for (let i = 0; i < length; i++) {
    const why = 'while evaluating an element of the list passed to builtins.listToAttrs';
    const pair = ev.expectAttrs(items.force(ev, i), 0, why);
    if (pair.keys !== keys || pair.anyPositions !== pairPositions) {
      keys = pair.keys;
      pairPositions = pair.anyPositions;
      nameIndex = keys.indexOf(NAME);
      valueIndex = keys.indexOf(VALUE);
      valuePos = valueIndex < 0 ? 0 : positionAt(pairPositions, valueIndex);
      known ||= valuePos !== 0;
    }
    const nameSlot =
      nameIndex < 0 ? requireAttr(pair, NAME, 'in a {name=...; value=...;} pair') : pair.values[nameIndex]!;
    const name =
      typeof nameSlot === 'string'
        ? nameSlot
        : ev.expectStringNoContext(
            nameSlot,
            pair.posOf(NAME),
            'while evaluating the `name` attribute of an element of the list passed to builtins.listToAttrs',
          );
    const sym = intern(name);
    if (i > 0 && sym <= names[i - 1]!) ascending = false;
    names[i] = sym;
    if (valueIndex < 0) (incomplete ??= new Map()).set(i, pair);
    values[i] = valueIndex < 0 ? null : pair.values[valueIndex]!;
    positions[i] = valuePos;
  }
  const order = ascending ? null : firstsInOrder(names);
  if (incomplete !== null) {
    for (const i of order ?? names.keys()) {
      const pair = incomplete.get(i);
      if (pair !== undefined) requireAttr(pair, VALUE, 'in a {name=...; value=...;} pair');
    }
  }
  if (order === null) return new Attrs(sharedKeySet(names), values, known ? positions : null);
  const ids = new Int32Array(order.length);
  const firsts = newSlots(order.length);
  const places = new Int32Array(order.length);
  for (let i = 0; i < order.length; i++) {
    ids[i] = names[order[i]!]!;
    firsts[i] = values[order[i]!]!;
    places[i] = positions[order[i]!]!;
  }
  return new Attrs(sharedKeySet(ids), firsts, known ? places : null);
}

/** More than a list has elements. */
const PLACES = 2 ** 26;

/** Where each name stands first, by ascending name. */
function firstsInOrder(names: Int32Array): number[] {
  const sorted = new Float64Array(names.length);
  for (let i = 0; i < names.length; i++) sorted[i] = names[i]! * PLACES + i;
  sorted.sort();
  const firsts: number[] = [];
  let last = -1;
  for (let k = 0; k < sorted.length; k++) {
    const i = sorted[k]! % PLACES;
    if (names[i] === last) continue;
    last = names[i]!;
    firsts.push(i);
  }
  return firsts;
}

/** Layers of smaller sets are merged sooner than looked through for each package. */
const MIN_PICKED_SIZE = 4096;

function intersectAttrs(ev: Evaluator, e1: Slot, e2: Slot): Value {
  const left = ev.expectAttrs(e1, 0, 'while evaluating the first argument passed to builtins.intersectAttrs');
  const right = ev.expectAttrs(e2, 0, 'while evaluating the second argument passed to builtins.intersectAttrs');
  if (left.size >= MIN_LARGE_SIZE && right.size >= MIN_LARGE_SIZE) {
    const pieces = commonPieces(left.keys.ids, right.keys.ids);
    if (pieces !== null) return Attrs.assemble(left, right, pieces);
  }
  if (right.size >= MIN_PICKED_SIZE && right.isLayered && left.size * 8 < right.size)
    return pickAttrs(left.keys, right);
  const { ids, picks } = workSpace(Math.min(left.size, right.size));
  const count = findCommon(left.keys, right.keys, picks);
  if (count === right.size) return right;
  const values = newSlots(count);
  for (let i = 0; i < count; i++) {
    const index = picks[i]!;
    ids[i] = right.keys.ids[index]!;
    values[i] = right.at(index);
  }
  return new Attrs(sharedKeySet(ids, count), values, pickPositions(picks, count, right.anyPositions));
}

/** Those with these names, each looked up. */
function pickAttrs({ ids }: KeySet, from: Attrs): Attrs {
  const builder = new AttrsBuilder();
  for (let i = 0; i < ids.length; i++) {
    const sym = ids[i] as Sym;
    const slot = from.get(sym);
    if (slot !== undefined) builder.set(sym, slot, from.posOf(sym));
  }
  return builder.build();
}

/** Indexes in `right` of what both have, and how many: a merge, or look-ups where one side is far smaller. */
function findCommon(left: KeySet, right: KeySet, indexes: Int32Array): number {
  let count = 0;
  const a = left.ids;
  const b = right.ids;
  if (a.length * 8 < b.length) {
    for (let i = 0; i < a.length; i++) {
      const index = right.indexOf(a[i] as Sym);
      if (index >= 0) indexes[count++] = index;
    }
  } else if (b.length * 8 < a.length) {
    for (let j = 0; j < b.length; j++) if (left.indexOf(b[j] as Sym) >= 0) indexes[count++] = j;
  } else {
    let i = 0;
    let j = 0;
    while (i < a.length && j < b.length) {
      const x = a[i]!;
      const y = b[j]!;
      if (x === y) {
        indexes[count++] = j++;
        i++;
      } else if (x < y) i++;
      else j++;
    }
  }
  return count;
}

function catAttrs(ev: Evaluator, attr: Slot, list: Slot): Value {
  const name = ev.expectStringNoContext(attr, 0, 'while evaluating the first argument passed to builtins.catAttrs');
  const items = takeItems(ev, list, 'while evaluating the second argument passed to builtins.catAttrs');
  const sym = intern(name);
  const out: Slot[] = [];
  for (let i = 0; i < items.length; i++) {
    const why = 'while evaluating an element in the list passed as second argument to builtins.catAttrs';
    const attrs = ev.expectAttrs(items.force(ev, i), 0, why);
    const slot = attrs.get(sym);
    if (slot !== undefined) out.push(slot);
  }
  return out;
}

function functionArgs(ev: Evaluator, f: Slot): Value {
  const fn = ev.force(f);
  if (fn instanceof Primop || fn instanceof PrimopApp) return Attrs.EMPTY;
  if (!(fn instanceof Lambda)) throw new TypeMismatchError("'functionArgs' requires a function");
  const { formals } = fn.record;
  if (formals === null) return Attrs.EMPTY;
  if (formals.asSet === null) {
    const builder = new AttrsBuilder();
    formals.names.forEach((name, i) => builder.set(name, formals.fallbacks[i]! >= 0, formals.positions[i]));
    formals.asSet = builder.build();
  }
  return formals.asSet as Attrs;
}

function mapAttrs(ev: Evaluator, f: Slot, set: Slot): Value {
  const attrs = ev.expectAttrs(set, 0, 'while evaluating the second argument passed to builtins.mapAttrs');
  const { ids } = attrs.keys;
  const { values } = attrs;
  const out = new Array<Slot>(ids.length);
  for (let i = 0; i < ids.length; i++) out[i] = Thunk.applyNamed(f, ids[i] as Sym, values[i]!);
  return new Attrs(attrs.keys, out, null);
}

function zipAttrsWith(ev: Evaluator, f: Slot, list: Slot): Value {
  ev.expectFunction(f, 0, 'while evaluating the first argument passed to builtins.zipAttrsWith');
  const items = ev.expectList(list, 0, 'while evaluating the second argument passed to builtins.zipAttrsWith');
  const groups = new Map<number, Slot[]>();
  for (let i = 0; i < items.length; i++) {
    const attrs = ev.expectAttrs(
      items[i]!,
      0,
      'while evaluating a value of the list passed as second argument to builtins.zipAttrsWith',
    );
    const { ids } = attrs.keys;
    const { values } = attrs;
    for (let j = 0; j < ids.length; j++) {
      const group = groups.get(ids[j]!);
      if (group === undefined) groups.set(ids[j]!, [values[j]!]);
      else group.push(values[j]!);
    }
  }
  if (groups.size === 0) return Attrs.EMPTY;
  const ids = Int32Array.from(groups.keys()).sort();
  const values = new Array<Slot>(ids.length);
  for (let i = 0; i < ids.length; i++) values[i] = Thunk.applyNamed(f, ids[i] as Sym, groups.get(ids[i]!)!);
  return new Attrs(sharedKeySet(ids), values, null);
}

export const attrBuiltins: readonly BuiltinRecord[] = [
  {
    name: 'attrNames',
    args: ['set'],
    doc: 'The names of the attributes of *set*, sorted bytewise.',
    impl: (ev, _pos, set) => attrNames(ev, set),
  },
  {
    name: 'attrValues',
    args: ['set'],
    doc: 'The values of the attributes of *set*, in the order of `attrNames`.',
    impl: (ev, _pos, set) => attrValues(ev, set),
  },
  {
    name: 'getAttr',
    args: ['s', 'set'],
    doc: 'The attribute of *set* named by the string *s*; an error if there is none.',
    impl: (ev, _pos, s, set) => getAttr(ev, s, set),
  },
  {
    name: 'hasAttr',
    args: ['s', 'set'],
    doc: 'Whether *set* has an attribute named *s*.',
    impl(ev, _pos, s, set) {
      const name = ev.expectStringNoContext(s, 0, 'while evaluating the first argument passed to builtins.hasAttr');
      const attrs = ev.expectAttrs(set, 0, 'while evaluating the second argument passed to builtins.hasAttr');
      const sym = findSymbol(name);
      return sym !== undefined && attrs.has(sym);
    },
  },
  {
    name: 'unsafeGetAttrPos',
    args: ['s', 'set'],
    doc:
      'Where the attribute *s* of *set* was written: `{ file; line; column; }`, or `null` where that is not known. ' +
      'Unsafe because the result changes when the source is moved about.',
    impl(ev, _pos, s, set) {
      const name = ev.expectStringNoContext(
        s,
        0,
        'while evaluating the first argument passed to builtins.unsafeGetAttrPos',
      );
      const attrs = ev.expectAttrs(set, 0, 'while evaluating the second argument passed to builtins.unsafeGetAttrPos');
      const sym = findSymbol(name);
      return sym === undefined ? null : positionValue(ev, attrs.posOf(sym));
    },
  },
  {
    name: 'removeAttrs',
    args: ['set', 'list'],
    doc: '*set* without the attributes named in *list*. Names that it has not got are ignored.',
    global: true,
    impl: (ev, _pos, set, list) => removeAttrs(ev, set, list),
  },
  {
    name: 'listToAttrs',
    args: ['e'],
    doc: 'The set made of a list of `{ name; value; }` pairs. Of several pairs with one name the first counts.',
    takesItems: 0,
    impl: (ev, _pos, e) => listToAttrs(ev, e),
  },
  {
    name: 'intersectAttrs',
    args: ['e1', 'e2'],
    doc: 'The attributes of *e2* whose names *e1* has too.',
    impl: (ev, _pos, e1, e2) => intersectAttrs(ev, e1, e2),
  },
  {
    name: 'catAttrs',
    args: ['attr', 'list'],
    doc: 'The values of the attribute *attr* of those sets in *list* that have it.',
    takesItems: 1,
    impl: (ev, _pos, attr, list) => catAttrs(ev, attr, list),
  },
  {
    name: 'functionArgs',
    args: ['f'],
    doc:
      'The formals of a function `{ a, b ? 1 }: …` as a set: `{ a = false; b = true; }`, true where there is a ' +
      'default. Empty for functions without a set pattern and for builtins.',
    impl: (ev, _pos, f) => functionArgs(ev, f),
  },
  {
    name: 'mapAttrs',
    args: ['f', 'attrset'],
    doc: 'The set with each value replaced by `f name value`, evaluated when it is needed.',
    impl: (ev, _pos, f, set) => mapAttrs(ev, f, set),
  },
  {
    name: 'zipAttrsWith',
    args: ['f', 'list'],
    doc:
      'Merges a list of sets: each attribute is `f name values`, where *values* are those of the sets that have it, ' +
      'in the order of the list.',
    impl: (ev, _pos, f, list) => zipAttrsWith(ev, f, list),
  },
];
