// Attribute sets: ids of names in a shared, immutable key set, and values beside it. Keys are sorted by symbol id;
// the order of names, which only enumeration needs, is found once a key set.
import type { Pos } from '../util/positions.ts';
import { intern, symbolName, type Sym } from '../util/symbols.ts';
import type { Slot } from './value.ts';

export class KeySet {
  /** Ascending symbol ids. */
  readonly ids: Int32Array;
  private order: Int32Array | null = null;
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

export class Attrs {
  readonly keys: KeySet;
  readonly values: readonly Slot[];
  /** Where each attribute was defined (0 unknown), parallel to values; null: none known. */
  readonly positions: Int32Array | null;
  static readonly EMPTY = new Attrs(EMPTY_KEYS, [], null);

  constructor(keys: KeySet, values: readonly Slot[], positions: Int32Array | null) {
    this.keys = keys;
    this.values = values;
    this.positions = positions;
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
