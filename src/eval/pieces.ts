// Large sets are put together from *pieces*: stretches of one of two sets, copied as they are. Names that were new one after
// another have numbers one after another, so that those of two sets alternate seldom, and copying stretches is far less
// work than looking at each attribute.

/** Triples: 0 for the left set or 1 for the right one, and where in it the piece starts and ends. */
export type Pieces = readonly number[];

/** So many steps are tried for sets of `size` attributes: with more, pieces do not pay. */
function mostSteps(size: number): number {
  return Math.min(size / 16, 1000);
}

/** The first index at or after `from` whose id is `id` or more, in ascending ids; `from` is an index. */
function firstAtLeast(ids: Int32Array, id: number, from: number): number {
  const last = ids.length - 1;
  // Ids ascend by one at least.
  let low = Math.max(from, Math.min(last - (ids[last]! - id), last + 1));
  let high = Math.min(last + 1, Math.max(low, from + id - ids[from]!));
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (ids[middle]! < id) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** How long the stretch is that both have from `i` and `j` on. */
function commonLength(a: Int32Array, b: Int32Array, i: number, j: number): number {
  const most = Math.min(a.length - i, b.length - j);
  let n = 1;
  while (n < most && a[i + n] === b[j + n]) n++;
  return n;
}

function addPiece(pieces: number[], side: 0 | 1, start: number, end: number): void {
  const { length } = pieces;
  if (length > 0 && pieces[length - 3] === side && pieces[length - 1] === start) pieces[length - 1] = end;
  else if (end > start) pieces.push(side, start, end);
}

/** The pieces of `left // right`, of their ascending ids; null where that takes too many steps. */
export function mergedPieces(left: Int32Array, right: Int32Array): Pieces | null {
  const pieces: number[] = [];
  let steps = mostSteps(left.length + right.length);
  let i = 0;
  let j = 0;
  while (i < left.length && j < right.length) {
    if (--steps < 0) return null;
    const x = left[i]!;
    const y = right[j]!;
    if (x < y) {
      const end = firstAtLeast(left, y, i);
      addPiece(pieces, 0, i, end);
      i = end;
    } else {
      const both = x === y ? commonLength(left, right, i, j) : 0;
      const end = both > 0 ? j + both : firstAtLeast(right, x, j);
      addPiece(pieces, 1, j, end);
      i += both;
      j = end;
    }
  }
  addPiece(pieces, 0, i, left.length);
  addPiece(pieces, 1, j, right.length);
  return pieces;
}

/** The pieces of the right set whose names the left one has, too; null where that takes too many steps. */
export function commonPieces(left: Int32Array, right: Int32Array): Pieces | null {
  const pieces: number[] = [];
  let steps = mostSteps(left.length + right.length);
  let i = 0;
  let j = 0;
  while (i < left.length && j < right.length) {
    if (--steps < 0) return null;
    const x = left[i]!;
    const y = right[j]!;
    if (x < y) i = firstAtLeast(left, y, i);
    else if (y < x) j = firstAtLeast(right, x, j);
    else {
      const both = commonLength(left, right, i, j);
      addPiece(pieces, 1, j, j + both);
      i += both;
      j += both;
    }
  }
  return pieces;
}

/** What is left of a set of `size` attributes without those at some (ascending) indexes; null as above. */
export function remainingPieces(size: number, without: readonly number[]): Pieces | null {
  if (without.length > mostSteps(size)) return null;
  const pieces: number[] = [];
  let from = 0;
  for (const i of without) {
    addPiece(pieces, 0, from, i);
    from = i + 1;
  }
  addPiece(pieces, 0, from, size);
  return pieces;
}
