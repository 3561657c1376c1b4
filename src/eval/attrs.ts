// Attribute sets: ids of names in a shared, immutable key set, and values beside it. Keys are sorted by symbol id;
// the order of names, which only enumeration needs, is found once a key set.
import type { Pos } from '../util/positions.ts';
import { intern, symbolName, type Sym } from '../util/symbols.ts';
import type { Slot } from './value.ts';

export class KeySet {
  /** Ascending symbol ids. */
  readonly ids: Int32Array;
  private order: Int32Array | null = null;
  /** What `//` made of this and that key set. */
  merges: Map<KeySet, Merge> | null = null;
  constructor(ids: Int32Array) {
    this.ids = ids;
  }
  /** Index of a symbol, or -1. */
  indexOf(sym: Sym): number {
    const ids = this.ids;
    let low = 0;
    let high = ids.length - 1;
    while (low <= high) {
      const middle = (low + high) >>> 1;
      const id = ids[middle]!;
      if (id === sym) return middle;
      if (id < sym) low = middle + 1;
      else high = middle - 1;
    }
    return -1;
  }
  /** Indexes in bytewise order of names. */
  nameOrder(): Int32Array {
    if (this.order === null) {
      const ids = this.ids;
      const indexes = Array.from(ids, (_, i) => i);
      indexes.sort((i, j) => (symbolName(ids[i] as Sym) < symbolName(ids[j] as Sym) ? -1 : 1));
      this.order = Int32Array.from(indexes);
    }
    return this.order;
  }
}

const EMPTY_KEYS = new KeySet(new Int32Array(0));
const interned = new Map<string, KeySet>();

/** The one key set of these (ascending) symbols: for literals, so that sets of one shape share it. */
export function internKeySet(ids: Int32Array): KeySet {
  if (ids.length === 0) return EMPTY_KEYS;
  const key = ids.join();
  let keys = interned.get(key);
  if (keys === undefined) interned.set(key, (keys = new KeySet(ids)));
  return keys;
}

/** How two key sets merge: pick >= 0 is that value of the left set, else ~pick of the right one. */
interface Merge {
  readonly keys: KeySet;
  readonly picks: Int32Array;
  /** Positions merged last: literals share theirs, so that mostly they are the same again. */
  left: Int32Array | null;
  right: Int32Array | null;
  positions: Int32Array | null;
}

/** Merges remembered a left key set. */
const MAX_MERGES = 64;
/** Larger results are rarely made twice, and cost memory. */
const MAX_MERGE_SIZE = 512;

function merge(left: KeySet, right: KeySet): Merge {
  const known = left.merges?.get(right);
  if (known !== undefined) return known;
  const a = left.ids;
  const b = right.ids;
  const ids = new Int32Array(a.length + b.length);
  const picks = new Int32Array(a.length + b.length);
  let i = 0;
  let j = 0;
  let n = 0;
  while (i < a.length && j < b.length) {
    const x = a[i]!;
    const y = b[j]!;
    if (x < y) {
      ids[n] = x;
      picks[n++] = i++;
    } else {
      if (x === y) i++;
      ids[n] = y;
      picks[n++] = ~j++;
    }
  }
  for (; i < a.length; i++) {
    ids[n] = a[i]!;
    picks[n++] = i;
  }
  for (; j < b.length; j++) {
    ids[n] = b[j]!;
    picks[n++] = ~j;
  }
  const small = n <= MAX_MERGE_SIZE;
  const keys = n === a.length ? left : n === b.length ? right : new KeySet(ids.slice(0, n));
  const result: Merge = { keys, picks: picks.subarray(0, n), left: null, right: null, positions: null };
  if (small) {
    if (left.merges === null || left.merges.size >= MAX_MERGES) left.merges = new Map();
    left.merges.set(right, result);
  }
  return result;
}

function mergePositions(merged: Merge, left: Int32Array | null, right: Int32Array | null): Int32Array | null {
  if (left === null && right === null) return null;
  if (merged.positions !== null && merged.left === left && merged.right === right) return merged.positions;
  const { picks } = merged;
  const positions = new Int32Array(picks.length);
  for (let i = 0; i < picks.length; i++) {
    const pick = picks[i]!;
    positions[i] = pick >= 0 ? (left === null ? 0 : left[pick]!) : right === null ? 0 : right[~pick]!;
  }
  merged.left = left;
  merged.right = right;
  merged.positions = positions;
  return positions;
}

/** `a // b`. */
export function updateAttrs(a: Attrs, b: Attrs): Attrs {
  if (a.size === 0) return b;
  if (b.size === 0) return a;
  const merged = merge(a.keys, b.keys);
  const { picks } = merged;
  const left = a.values;
  const right = b.values;
  const values: Slot[] = [];
  for (let i = 0; i < picks.length; i++) {
    const pick = picks[i]!;
    values.push(pick >= 0 ? left[pick]! : right[~pick]!);
  }
  return new Attrs(merged.keys, values, mergePositions(merged, a.positions, b.positions));
}

export class Attrs {
  readonly keys: KeySet;
  readonly values: readonly Slot[];
  /** Where each attribute was defined (0 unknown), parallel to values; null: none known. */
  readonly positions: Int32Array | null;
  /** Where the literal stood that made the set; 0 unknown. */
  readonly pos: Pos;
  static readonly EMPTY = new Attrs(EMPTY_KEYS, [], null);

  constructor(keys: KeySet, values: readonly Slot[], positions: Int32Array | null, pos: Pos = 0) {
    this.keys = keys;
    this.values = values;
    this.positions = positions;
    this.pos = pos;
  }
  get size(): number {
    return this.values.length;
  }
  get(sym: Sym): Slot | undefined {
    const i = this.keys.indexOf(sym);
    return i < 0 ? undefined : this.values[i];
  }
  has(sym: Sym): boolean {
    return this.keys.indexOf(sym) >= 0;
  }
  posOf(sym: Sym): Pos {
    const i = this.keys.indexOf(sym);
    return i < 0 || this.positions === null ? 0 : this.positions[i]!;
  }
  /** Calls f in bytewise order of names. */
  forEachByName(f: (name: string, slot: Slot, pos: Pos, sym: Sym) => void): void {
    for (const i of this.keys.nameOrder()) {
      const sym = this.keys.ids[i] as Sym;
      f(symbolName(sym), this.values[i]!, this.positions === null ? 0 : this.positions[i]!, sym);
    }
  }
  static single(sym: Sym, slot: Slot, pos: Pos): Attrs {
    return new Attrs(new KeySet(Int32Array.of(sym)), [slot], Int32Array.of(pos));
  }
  /** From [name, slot] pairs with distinct names; any order. */
  static from(entries: Iterable<readonly [string, Slot]>): Attrs {
    const builder = new AttrsBuilder();
    for (const [name, slot] of entries) builder.set(intern(name), slot);
    return builder.build();
  }
}

/** Collects attributes in any order. */
export class AttrsBuilder {
  private readonly map = new Map<Sym, { slot: Slot; pos: Pos }>();
  has(sym: Sym): boolean {
    return this.map.has(sym);
  }
  posOf(sym: Sym): Pos {
    return this.map.get(sym)?.pos ?? 0;
  }
  /** The last definition of a name wins; callers that want another rule ask has() first. */
  set(sym: Sym, slot: Slot, pos: Pos = 0): this {
    this.map.set(sym, { slot, pos });
    return this;
  }
  build(): Attrs {
    if (this.map.size === 0) return Attrs.EMPTY;
    const ids = Int32Array.from(this.map.keys()).sort();
    const positions = new Int32Array(ids.length);
    let known = false;
    const values = Array.from(ids, (id, i) => {
      const { slot, pos } = this.map.get(id as Sym)!;
      positions[i] = pos;
      if (pos !== 0) known = true;
      return slot;
    });
    return new Attrs(new KeySet(ids), values, known ? positions : null);
  }
}
