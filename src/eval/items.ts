// Lists between two builtins: `concatStringsSep "," (map f list)` needs the elements one by one, and nobody else ever
// sees the list that map makes. So it is not made: its elements are, one at a time, as they are asked for, and die young
// (a list of thunks that wait is what the garbage collector copies most). Each is asked for once at most; what a builtin
// keeps it keeps as the thunk that would have been in the list.
import { Op } from '../parser/code.ts';
import type { Sym } from '../util/symbols.ts';
import { Attrs } from './attrs.ts';
import { newSlots } from './environment.ts';
import type { Evaluator } from './evaluator.ts';
import type { Env } from './lambda.ts';
import { Thunk } from './thunk.ts';
import { Primop, type List, type Slot, type Value } from './value.ts';

export class Items {
  readonly length: number;
  /** null: the elements are what `from` has. */
  private readonly fn: Value | null;
  /** null: 0, 1, 2 … */
  private readonly from: List | Items | null;

  private constructor(length: number, fn: Value | null, from: List | Items | null) {
    this.length = length;
    this.fn = fn;
    this.from = from;
  }

  static of(list: List): Items {
    return new Items(list.length, null, list);
  }
  static map(fn: Value, items: Items): Items {
    return new Items(items.length, fn, items.fn === null ? items.from : items);
  }
  static generate(fn: Value, length: number): Items {
    return new Items(length, fn, null);
  }

  private source(i: number): Slot {
    const { from } = this;
    return from === null ? i : from instanceof Items ? from.slot(i) : from[i]!;
  }
  /** At most once for each `i`, this or `force`. */
  slot(i: number): Slot {
    const source = this.source(i);
    return this.fn === null ? source : Thunk.applyOne(this.fn, source);
  }
  force(ev: Evaluator, i: number): Value {
    const { fn, from } = this;
    if (from instanceof Items && fn instanceof Primop && fn.takesValue) return ev.invokeOnItem(fn, from, i);
    const source = this.source(i);
    return this.fn === null ? ev.force(source) : ev.callOne(this.fn, source, 0);
  }
  list(): List {
    if (this.fn === null) return this.from as List;
    const out = newSlots(this.length);
    for (let i = 0; i < out.length; i++) out[i] = this.slot(i);
    return out;
  }
}

/** The argument of a builtin that says `takesItems` of it: as `expectList`, but the list need not be there. */
export function takeItems(ev: Evaluator, slot: Slot, why: string): Items {
  if (slot === ev.fresh && slot instanceof Thunk) {
    ev.fresh = null;
    const items = freshItems(ev, slot);
    if (items !== null) return items;
  }
  return Items.of(ev.expectList(slot, 0, why));
}

/** What a CALL2 that waits gives, where it calls a builtin that can do without a list. */
function freshItems(ev: Evaluator, thunk: Thunk): Items | null {
  const { words } = ev.code;
  let off = thunk.off;
  if (words[off] === Op.DIRECT) off = words[off + 2]!;
  if (off < 0 || words[off] !== Op.CALL2 || ev.traceCalls) return null;
  const env = thunk.a as Env;
  const fn = knownFunction(ev, words[off + 2]!, env);
  if (!(fn instanceof Primop) || fn.record.makeItems === undefined) return null;
  const first = ev.delay(words[off + 3]!, env);
  const second = ev.delay(words[off + 4]!, env);
  ev.noteFresh(fn, 1, words[off + 4]!, second);
  return ev.invokeForItems(fn, fn.record.makeItems, first, second, words[off + 1]!);
}

/** A function that needs no evaluation: `map`, `builtins.map`. */
function knownFunction(ev: Evaluator, off: number, env: Env): Value | undefined {
  const { words } = ev.code;
  if (words[off] !== Op.SELECT1) return ev.quick(off, env);
  const set = ev.quick(words[off + 2]!, env);
  const slot = set instanceof Attrs ? ev.attr(set, words[off + 3]! as Sym, words[off + 4]!) : undefined;
  return slot instanceof Thunk ? undefined : slot;
}
