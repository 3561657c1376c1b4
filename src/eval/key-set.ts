// The names of a set, shared by all sets of its shape, and how two of them merge.
import { symbolName, type Sym } from '../util/symbols.ts';
import { copyInts, newInts } from './ints.ts';

/** Position of each attribute (0 unknown), parallel to the keys; null: none known. */
export type Positions = readonly number[] | Int32Array | null;

/** Key sets of one name, each where its number says, until another one falls there. */
const singles: (KeySet | undefined)[] = [];
/** A power of two. */
const SINGLE_PLACES = 256;

export class KeySet {
  private all: Int32Array | null;
  private order: Int32Array | null = null;
  /** The only symbol; -1 where there is not exactly one. */
  readonly single: number;
  /** What `//` made of this and that key set. */
  merges: Map<KeySet, Merge> | null = null;

  /** @param ids ascending; or the only symbol */
  constructor(ids: Int32Array | number) {
    if (typeof ids === 'number') {
      this.all = null;
      this.single = ids;
    } else {
      this.all = ids;
      this.single = ids.length === 1 ? ids[0]! : -1;
    }
  }
  /** Mostly the same object for the same name. */
  static single(sym: Sym): KeySet {
    const place = sym & (SINGLE_PLACES - 1);
    const known = singles[place];
    if (known?.single === sym) return known;
    while (singles.length <= place) singles.push(undefined);
    return (singles[place] = new KeySet(sym));
  }
  /** Ascending symbol ids. */
  get ids(): Int32Array {
    return (this.all ??= Int32Array.of(this.single));
  }
  get size(): number {
    return this.all === null ? 1 : this.all.length;
  }
  /** Index of a symbol, or -1. */
  indexOf(sym: Sym): number {
    if (this.single >= 0) return this.single === sym ? 0 : -1;
    const ids = this.all!;
    const last = ids.length - 1;
    if (last < 0) return -1;
    // Ids ascend by one at least: what was interned in a row is found at once.
    let low = Math.max(0, last - (ids[last]! - sym));
    let high = Math.min(last, sym - ids[0]!);
    while (low <= high) {
      const middle = (low + high) >>> 1;
      const id = ids[middle]!;
      if (id === sym) return middle;
      if (id < sym) low = middle + 1;
      else high = middle - 1;
    }
    return -1;
  }
  /** Whether these are the first `count` of the ids. */
  consistsOf(ids: Int32Array, count: number): boolean {
    const mine = this.ids;
    if (mine.length !== count) return false;
    for (let i = 0; i < count; i++) if (mine[i] !== ids[i]) return false;
    return true;
  }
  /** Indexes in bytewise order of names. */
  nameOrder(): Int32Array {
    return (this.order ??= sortByName(this.ids));
  }
}

function sortByName(ids: Int32Array): Int32Array {
  const names = new Array<string>(ids.length);
  const order = new Array<number>(ids.length);
  let sorted = true;
  for (let i = 0; i < ids.length; i++) {
    names[i] = symbolName(ids[i] as Sym);
    order[i] = i;
    if (i > 0 && names[i]! < names[i - 1]!) sorted = false;
  }
  if (!sorted) order.sort((i, j) => (names[i]! < names[j]! ? -1 : 1));
  return copyInts(order);
}

const EMPTY_KEYS = new KeySet(new Int32Array(0));
/** Those of literals, in order, and where they are by the hash of their ids: number + 1; 0 nowhere. A power of two long. */
const interned: KeySet[] = [];
let internedPlaces = new Int32Array(2 ** 10);

/** Computed key sets, each where the hash of its ids says, until another one falls there. */
const recent: (KeySet | undefined)[] = [];
/** A power of two. */
const RECENT_PLACES = 4096;
/** Larger ones are rarely made twice, and cost memory. */
const MAX_SHARED_SIZE = 512;

/**
 * The key set of the first `count` ids (ascending): mostly the same object for the same names, so that merges and
 * look-ups that are remembered by key set are found again. The array stays the caller's.
 */
export function sharedKeySet(ids: Int32Array, count = ids.length): KeySet {
  if (count === 0) return EMPTY_KEYS;
  if (count > MAX_SHARED_SIZE) return new KeySet(copyInts(ids, count));
  const place = hashOf(ids, count) & (RECENT_PLACES - 1);
  const known = recent[place];
  if (known?.consistsOf(ids, count) === true) return known;
  while (recent.length <= place) recent.push(undefined);
  return (recent[place] = new KeySet(copyInts(ids, count)));
}

function hashOf(ids: Int32Array, count: number): number {
  let hash = count;
  for (let i = 0; i < count; i++) {
    hash = Math.imul(hash ^ ids[i]!, 0x9e3779b1);
    hash ^= hash >>> 15;
  }
  return hash;
}

/**
 * The one key set of the first `count` (ascending) symbols: for literals, so that sets of one shape share it. The array
 * stays the caller's.
 */
export function internKeySet(ids: Int32Array, count = ids.length): KeySet {
  if (count === 0) return EMPTY_KEYS;
  const mask = internedPlaces.length - 1;
  let place = hashOf(ids, count) & mask;
  for (let number = internedPlaces[place]!; number !== 0; number = internedPlaces[place]!) {
    const known = interned[number - 1]!;
    if (known.consistsOf(ids, count)) return known;
    place = (place + 1) & mask;
  }
  const keys = new KeySet(copyInts(ids, count));
  internedPlaces[place] = interned.push(keys);
  if (interned.length * 2 > internedPlaces.length) placeInterned(internedPlaces.length * 2);
  return keys;
}

function placeInterned(room: number): void {
  internedPlaces = new Int32Array(room);
  interned.forEach(({ ids }, i) => {
    let place = hashOf(ids, ids.length) & (room - 1);
    while (internedPlaces[place] !== 0) place = (place + 1) & (room - 1);
    internedPlaces[place] = i + 1;
  });
}

/** How many are interned. */
export function keySetCount(): number {
  return interned.length;
}

/** Forgets those from number `count` on, and all merges. For the start-up snapshot only. */
export function forgetKeySets(count: number): void {
  forgetMerges();
  interned.length = count;
  placeInterned(2 ** Math.ceil(Math.log2(Math.max(2 ** 10, 2 * count + 1))));
}

/** How two key sets merge: pick >= 0 is that value of the left set, else ~pick of the right one. */
export interface Merge {
  readonly keys: KeySet;
  readonly picks: Int32Array;
  /** Positions merged last: literals share theirs, so that mostly they are the same again. */
  left: AnyPositions;
  right: AnyPositions;
  positions: AnyPositions;
}

/** Positions of a set that was made of others, which nobody may ever ask for. */
export class MergedPositions {
  readonly picks: Int32Array;
  readonly left: AnyPositions;
  readonly right: AnyPositions;
  /** How many of these lie on top of each other, at most. */
  readonly depth: number;
  constructor(picks: Int32Array, left: AnyPositions, right: AnyPositions) {
    this.picks = picks;
    this.left = left;
    this.right = right;
    this.depth = 1 + Math.max(depthOf(left), depthOf(right));
  }
}

export type AnyPositions = Positions | MergedPositions;

const MAX_POSITIONS_DEPTH = 8;

function depthOf(positions: AnyPositions): number {
  return positions instanceof MergedPositions ? positions.depth : 0;
}

/** The position at an index. */
export function positionAt(positions: AnyPositions, i: number): number {
  let from = positions;
  let index = i;
  while (from instanceof MergedPositions) {
    const pick = from.picks[index]!;
    if (pick >= 0) {
      from = from.left;
      index = pick;
    } else {
      from = from.right;
      index = ~pick;
    }
  }
  return from === null ? 0 : from[index]!;
}

/** Those of the set with only these of its attributes: the first `count` of `picks`, which stays the caller's. */
export function pickPositions(picks: Int32Array, count: number, from: AnyPositions): AnyPositions {
  return from === null ? null : shallow(new MergedPositions(copyInts(picks, count), from, null));
}

/** As they are, or listed where many lie on top of each other. */
function shallow(positions: MergedPositions): AnyPositions {
  return positions.depth > MAX_POSITIONS_DEPTH ? listPositions(positions) : positions;
}

/** All of them. */
export function listPositions(positions: AnyPositions): Positions {
  if (!(positions instanceof MergedPositions)) return positions;
  const out = newInts(positions.picks.length);
  for (let i = 0; i < out.length; i++) out[i] = positionAt(positions, i);
  return out;
}

/** Merges remembered a left key set. */
const MAX_MERGES = 64;
/** Larger results are rarely made twice, and cost memory. */
const MAX_MERGE_SIZE = 512;
/** Numbers in all remembered merges, their overhead counted as some more; about 16 MB. */
const MAX_REMEMBERED = 2 ** 21;
const MERGE_OVERHEAD = 32;

let remembered = 0;
/** Key sets with merges. */
let holders: KeySet[] = [];

/** What this remembers of merges keeps memory of evaluations that are over. */
export function forgetMerges(): void {
  for (const keys of holders) keys.merges = null;
  holders = [];
  remembered = 0;
  recent.length = 0;
  singles.length = 0;
}

/** The keys of `left // right`. */
export function mergeKeys(left: KeySet, right: KeySet): Merge {
  const known = left.merges?.get(right);
  if (known !== undefined) return known;
  const result = computeMerge(left, right);
  const { length } = result.picks;
  if (length <= MAX_MERGE_SIZE) {
    remembered += 2 * length + MERGE_OVERHEAD;
    if (remembered > MAX_REMEMBERED) forgetMerges();
    if (left.merges === null) holders.push(left);
    if (left.merges === null || left.merges.size >= MAX_MERGES) left.merges = new Map();
    left.merges.set(right, result);
  }
  return result;
}

/** Where ids and picks are collected before it is known how many there are. */
let idsAtWork = new Int32Array(0);
let picksAtWork = new Int32Array(0);

/** Room for `count` ids and picks, until the next call. Nothing may be evaluated meanwhile. */
export function workSpace(count: number): { readonly ids: Int32Array; readonly picks: Int32Array } {
  if (idsAtWork.length < count) {
    idsAtWork = new Int32Array(2 * count);
    picksAtWork = new Int32Array(2 * count);
  }
  return { ids: idsAtWork, picks: picksAtWork };
}

function computeMerge(left: KeySet, right: KeySet): Merge {
  const a = left.ids;
  const b = right.ids;
  const { ids, picks } = workSpace(a.length + b.length);
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
  const keys = n === a.length ? left : n === b.length ? right : sharedKeySet(ids, n);
  return { keys, picks: copyInts(picks, n), left: null, right: null, positions: null };
}

export function mergePositions(merged: Merge, left: AnyPositions, right: AnyPositions): AnyPositions {
  if (left === null && right === null) return null;
  if (merged.positions !== null && merged.left === left && merged.right === right) return merged.positions;
  const positions = shallow(new MergedPositions(merged.picks, left, right));
  merged.left = left;
  merged.right = right;
  merged.positions = positions;
  return positions;
}
