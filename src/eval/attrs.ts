// Attribute sets: ids of names in a shared, immutable key set, and values beside it. Keys are sorted by symbol id;
// the order of names, which only enumeration needs, is found once a key set.
//
// A `//` of a small set on a large one makes a *layered* set: sets on top of each other, each less than half as large
// as the one below, so that a fold of n steps costs n log n. Looking up goes through the layers; who asks for keys,
// values or positions gets them merged, once.
//
// A large literal (all packages of nixpkgs) is *partial*: thunks of its attributes are made when they are looked at, for
// most never are. Who wants all values gets them made.
import type { Pos } from '../util/positions.ts';
import { intern, symbolName, type Sym } from '../util/symbols.ts';
import {
  KeySet,
  listPositions,
  mergeKeys,
  MergedPositions,
  mergePositions,
  positionAt,
  sharedKeySet,
  type AnyPositions,
  type Positions,
} from './key-set.ts';
import { newSlots } from './environment.ts';
import { mergedPieces, type Pieces } from './pieces.ts';
import type { Slot } from './value.ts';

export { KeySet, internKeySet, pickPositions, sharedKeySet, workSpace } from './key-set.ts';

/** Sets smaller than this are always copied: merging them is remembered by their key sets. */
const MIN_LAYERED_SIZE = 256;
/** From this size on sets are put together from pieces where few are enough. */
export const MIN_LARGE_SIZE = 512;

class Layers {
  /** Lowest first, and largest first, but that below all there may be a small one; none layered. */
  readonly sets: readonly Attrs[];
  readonly size: number;
  /** Merging pays once there were more of these than attributes. */
  lookups = 0;
  constructor(sets: readonly Attrs[], size: number) {
    this.sets = sets;
    this.size = size;
  }
}

/**
 * Attributes of a large literal that are not made. It stands in their slots, in the literal's own set and in sets that were
 * put together from it, and gives all of them the same thunks.
 */
class Unmade {
  private readonly keys: KeySet;
  /** The literal's. */
  private readonly slots: MaybeSlot[];
  private readonly make: (index: number) => Slot;
  constructor(keys: KeySet, slots: MaybeSlot[], make: (index: number) => Slot) {
    this.keys = keys;
    this.slots = slots;
    this.make = make;
  }
  slot(sym: Sym): Slot {
    const i = this.keys.indexOf(sym);
    const known = this.slots[i]!;
    return known instanceof Unmade ? (this.slots[i] = this.make(i)) : known;
  }
}

type MaybeSlot = Slot | Unmade;

class Partial {
  readonly keys: KeySet;
  readonly slots: MaybeSlot[];
  /** Making all pays once there were more of these than attributes: then select caches work. */
  lookups = 0;
  constructor(keys: KeySet, slots: MaybeSlot[]) {
    this.keys = keys;
    this.slots = slots;
  }
  get size(): number {
    return this.slots.length;
  }
  at(i: number): Slot {
    const slot = this.slots[i]!;
    return slot instanceof Unmade ? (this.slots[i] = slot.slot(this.keys.ids[i] as Sym)) : slot;
  }
  get(sym: Sym): Slot | undefined {
    const i = this.keys.indexOf(sym);
    return i < 0 ? undefined : this.at(i);
  }
  complete(): readonly Slot[] {
    for (let i = 0; i < this.slots.length; i++) this.at(i);
    return this.slots as Slot[];
  }
}

export class Attrs {
  /** null: `content` is no array of values yet. Read by the interpreter's select caches. */
  flatKeys: KeySet | null;
  private content: readonly Slot[] | Layers | Partial;
  private places: AnyPositions;

  static readonly EMPTY = new Attrs(new KeySet(new Int32Array(0)), [], null);

  /** `values` and `positions` (where each attribute was defined, 0 unknown; null: none known) are parallel to `keys`. */
  constructor(keys: KeySet, values: readonly Slot[], positions: AnyPositions) {
    this.flatKeys = keys;
    this.content = values;
    this.places = positions;
  }

  private static notFlat(content: Layers | Partial, positions: AnyPositions): Attrs {
    const set = new Attrs(Attrs.EMPTY.keys, Attrs.EMPTY.values, positions);
    set.flatKeys = null;
    set.content = content;
    return set;
  }

  /**
   * The set of a large literal.
   * @param ready the slot of an attribute that needs no thunk, by its index; undefined for another one
   * @param make that of another one, asked for once at most
   */
  static partial(
    keys: KeySet,
    positions: Positions,
    ready: (index: number) => Slot | undefined,
    make: (index: number) => Slot,
  ): Attrs {
    const { size } = keys;
    const slots = new Array<MaybeSlot>(size);
    const unmade = new Unmade(keys, slots, make);
    for (let i = 0; i < size; i++) {
      const slot = ready(i);
      slots[i] = slot === undefined ? unmade : slot;
    }
    return Attrs.notFlat(new Partial(keys, slots), positions);
  }

  get size(): number {
    return this.flatKeys === null ? (this.content as Layers | Partial).size : (this.content as readonly Slot[]).length;
  }
  get keys(): KeySet {
    return this.flatKeys ?? this.mergeLayers();
  }
  get values(): readonly Slot[] {
    if (this.flatKeys === null) this.flatten();
    return this.content as readonly Slot[];
  }
  /** The values, as far as they are made. */
  get slots(): readonly MaybeSlot[] {
    if (this.flatKeys !== null) return this.content as readonly Slot[];
    this.mergeLayers();
    return this.content instanceof Partial ? this.content.slots : (this.content as readonly Slot[]);
  }
  get positions(): Positions {
    if (this.flatKeys === null) this.mergeLayers();
    if (this.places instanceof MergedPositions) this.places = listPositions(this.places);
    return this.places;
  }

  /** Positions as they are; flat sets only. */
  get anyPositions(): AnyPositions {
    if (this.flatKeys === null) this.mergeLayers();
    return this.places;
  }

  get isLayered(): boolean {
    return this.content instanceof Layers;
  }

  /** @returns the keys */
  private mergeLayers(): KeySet {
    if (this.content instanceof Layers) {
      const { sets } = this.content;
      let result = sets[sets.length - 1]!;
      for (let i = sets.length - 2; i >= 0; i--) result = mergeFlat(sets[i]!, result);
      this.content = result.content;
      this.places = result.places;
      this.flatKeys = result.flatKeys;
    }
    return this.flatKeys ?? (this.content as Partial).keys;
  }

  private flatten(): void {
    const keys = this.mergeLayers();
    if (this.content instanceof Partial) this.content = this.content.complete();
    this.flatKeys = keys;
  }

  get(sym: Sym): Slot | undefined {
    if (this.flatKeys === null) {
      const { content } = this;
      if (content instanceof Partial) {
        if (content.lookups++ <= content.size) return content.get(sym);
      } else if ((content as Layers).lookups++ <= (content as Layers).size) {
        const { sets } = content as Layers;
        for (let i = sets.length - 1; i >= 0; i--) {
          const slot = sets[i]!.get(sym);
          if (slot !== undefined) return slot;
        }
        return undefined;
      }
      this.flatten();
    }
    const i = this.flatKeys!.indexOf(sym);
    return i < 0 ? undefined : (this.content as readonly Slot[])[i];
  }
  has(sym: Sym): boolean {
    if (this.flatKeys !== null) return this.flatKeys.indexOf(sym) >= 0;
    const { content } = this;
    if (content instanceof Layers) {
      if (content.lookups++ <= content.size) return content.sets.some((set) => set.has(sym));
      this.flatten();
    }
    return this.keys.indexOf(sym) >= 0;
  }
  /** The slot of the attribute with this index in `keys`. */
  at(index: number): Slot {
    if (this.flatKeys !== null) return (this.content as readonly Slot[])[index]!;
    this.mergeLayers();
    return this.content instanceof Partial ? this.content.at(index) : (this.content as readonly Slot[])[index]!;
  }
  /** Where the attribute was defined; 0 where that is not known. */
  posOf(sym: Sym): Pos {
    if (this.flatKeys === null && this.content instanceof Layers) {
      const { sets } = this.content;
      for (let i = sets.length - 1; i >= 0; i--) if (sets[i]!.has(sym)) return sets[i]!.posOf(sym);
      return 0;
    }
    const i = this.keys.indexOf(sym);
    return i < 0 ? 0 : positionAt(this.places, i);
  }
  /** As posOf(), by the attribute's index in `keys`. */
  positionOf(index: number): Pos {
    return positionAt(this.anyPositions, index);
  }
  /** Calls f in bytewise order of names. */
  forEachByName(f: (name: string, slot: Slot, pos: Pos, sym: Sym) => void): void {
    const { keys, values, anyPositions } = this;
    const { ids } = keys;
    const order = keys.nameOrder();
    for (let k = 0; k < order.length; k++) {
      const i = order[k]!;
      const sym = ids[i] as Sym;
      f(symbolName(sym), values[i]!, positionAt(anyPositions, i), sym);
    }
  }

  static single(sym: Sym, slot: Slot, pos: Pos): Attrs {
    return new Attrs(KeySet.single(sym), [slot], pos === 0 ? null : [pos]);
  }
  /** From [name, slot] pairs with distinct names; any order. */
  static from(entries: Iterable<readonly [string, Slot]>): Attrs {
    const builder = new AttrsBuilder();
    for (const [name, slot] of entries) builder.set(intern(name), slot);
    return builder.build();
  }

  /** What `pieces` take from two sets: all names of both, or none that one of them lacks. */
  static assemble(left: Attrs, right: Attrs, pieces: Pieces): Attrs {
    let size = 0;
    for (let k = 0; k < pieces.length; k += 3) size += pieces[k + 2]! - pieces[k + 1]!;
    const ids = new Int32Array(size);
    const places = left.anyPositions === null && right.anyPositions === null ? null : new Int32Array(size);
    const parts: (readonly MaybeSlot[])[] = [];
    let n = 0;
    for (let k = 0; k < pieces.length; k += 3) {
      const { keys, slots, positions } = pieces[k] === 0 ? left : right;
      const start = pieces[k + 1]!;
      const end = pieces[k + 2]!;
      ids.set(keys.ids.subarray(start, end), n);
      if (positions !== null) places!.set(positions.slice(start, end), n);
      parts.push(slots.slice(start, end));
      n += end - start;
    }
    const keys = size === left.size ? left.keys : size === right.size ? right.keys : sharedKeySet(ids);
    return Attrs.ofSlots(left, right, keys, ([] as MaybeSlot[]).concat(...parts), places);
  }

  /** Of slots that come from two sets. */
  static ofSlots(left: Attrs, right: Attrs, keys: KeySet, slots: MaybeSlot[], positions: AnyPositions): Attrs {
    return left.flatKeys === null || right.flatKeys === null
      ? Attrs.notFlat(new Partial(keys, slots), positions)
      : new Attrs(keys, slots as Slot[], positions);
  }

  /** `this // over`. */
  update(over: Attrs): Attrs {
    const size = this.size;
    if (size === 0) return over;
    const added = over.size;
    if (added === 0) return this;
    if (size >= MIN_LAYERED_SIZE && added * 8 <= size) return this.addLayer(over, size);
    if (added >= MIN_LARGE_SIZE && size * 8 <= added && !over.isLayered) return this.underLayer(over, added);
    return mergeFlat(this, over);
  }

  /** Below a set that is far larger. */
  private underLayer(over: Attrs, added: number): Attrs {
    const { ids } = this.keys;
    let total = added;
    for (let i = 0; i < ids.length; i++) if (!over.has(ids[i] as Sym)) total++;
    return Attrs.notFlat(new Layers([this, over], total), null);
  }

  private addLayer(over: Attrs, size: number): Attrs {
    const { keys } = over; // not layered from here on
    let total = size;
    if (keys.single >= 0) {
      if (!this.has(keys.single as Sym)) total++;
    } else {
      const { ids } = keys;
      for (let i = 0; i < ids.length; i++) if (!this.has(ids[i] as Sym)) total++;
    }
    const sets: Attrs[] = this.content instanceof Layers ? [...this.content.sets] : [this];
    let top = over;
    while (sets.length > 1 && sets[sets.length - 1]!.size < 2 * top.size) top = mergeFlat(sets.pop()!, top);
    if (sets.length === 1 && sets[0]!.size < 2 * top.size) return mergeFlat(sets[0]!, top);
    sets.push(top);
    return Attrs.notFlat(new Layers(sets, total), null);
  }
}

/** Neither may be layered. */
function mergeFlat(a: Attrs, b: Attrs): Attrs {
  if (Math.max(a.size, b.size) >= MIN_LARGE_SIZE) {
    const pieces = mergedPieces(a.keys.ids, b.keys.ids);
    if (pieces !== null) return Attrs.assemble(a, b, pieces);
  }
  const merged = mergeKeys(a.keys, b.keys);
  const { picks } = merged;
  const left = a.slots;
  const right = b.slots;
  const values: MaybeSlot[] = newSlots(picks.length);
  for (let i = 0; i < picks.length; i++) {
    const pick = picks[i]!;
    values[i] = pick >= 0 ? left[pick]! : right[~pick]!;
  }
  return Attrs.ofSlots(a, b, merged.keys, values, mergePositions(merged, a.anyPositions, b.anyPositions));
}

/** Collects attributes in any order. */
export class AttrsBuilder {
  /** Index into the arrays below. */
  private readonly indexes = new Map<Sym, number>();
  private readonly slots: Slot[] = [];
  private readonly places: Pos[] = [];
  private sorted = true;
  private last = -1;

  has(sym: Sym): boolean {
    return this.indexes.has(sym);
  }
  posOf(sym: Sym): Pos {
    const i = this.indexes.get(sym);
    return i === undefined ? 0 : this.places[i]!;
  }
  /** The last definition of a name wins; callers that want another rule ask has() first. */
  set(sym: Sym, slot: Slot, pos: Pos = 0): this {
    const i = this.indexes.get(sym);
    if (i !== undefined) {
      this.slots[i] = slot;
      this.places[i] = pos;
      return this;
    }
    this.indexes.set(sym, this.slots.length);
    this.slots.push(slot);
    this.places.push(pos);
    if (sym < this.last) this.sorted = false;
    this.last = sym;
    return this;
  }
  /** Call once: the set takes what was collected. */
  build(): Attrs {
    if (this.slots.length === 0) return Attrs.EMPTY;
    const ids = new Int32Array(this.slots.length);
    let n = 0;
    for (const sym of this.indexes.keys()) ids[n++] = sym;
    const known = this.places.some((pos) => pos !== 0);
    if (this.sorted) return new Attrs(sharedKeySet(ids), this.slots, known ? this.places : null);
    ids.sort();
    const values: Slot[] = [];
    const positions: Pos[] = [];
    for (let i = 0; i < ids.length; i++) {
      const index = this.indexes.get(ids[i] as Sym)!;
      values.push(this.slots[index]!);
      if (known) positions.push(this.places[index]!);
    }
    return new Attrs(sharedKeySet(ids), values, known ? positions : null);
  }
}
