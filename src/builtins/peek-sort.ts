// Peeksort (Munro and Wild, "Nearly-optimal mergesorts", 2018): a stable mergesort that uses runs already there. Nix
// sorts this way, and which pairs are compared in which order can be seen (traces, errors, inconsistent orders), so
// the steps here are Nix's: insertion sort up to 16 elements, runs found from the middle, merges through a buffer.

export type Less<T> = (a: T, b: T) => boolean;

const INSERTION_LIMIT = 16;

/** Sorts in place. Whatever `less` says, the result is a permutation of the input. */
export function peekSort<T>(items: T[], less: Less<T>): void {
  const length = items.length;
  if (length < 2) return;
  if (length === 2) {
    if (less(items[1]!, items[0]!)) swap(items, 0, 1);
    return;
  }
  new Sorter(items, less).sort(0, length, 0, length);
}

function swap(items: unknown[], i: number, j: number): void {
  const item = items[i];
  items[i] = items[j];
  items[j] = item;
}

class Sorter<T> {
  private readonly items: T[];
  private readonly less: Less<T>;
  private readonly buffer: T[] = [];

  constructor(items: T[], less: Less<T>) {
    this.items = items;
    this.less = less;
  }

  /** [begin, end), where [begin, leftRunEnd) and [rightRunBegin, end) are in order already. */
  sort(begin: number, end: number, leftRunEnd: number, rightRunBegin: number): void {
    if (leftRunEnd === end || rightRunBegin === begin) return;
    const length = end - begin;
    if (length <= INSERTION_LIMIT) {
      this.insertionSort(begin, end);
      return;
    }
    const { items, less } = this;
    const middle = begin + (length >> 1);
    if (middle <= leftRunEnd) {
      this.sort(leftRunEnd, end, leftRunEnd + 1, rightRunBegin);
      this.merge(begin, leftRunEnd, end);
      return;
    }
    if (middle >= rightRunBegin) {
      this.sort(begin, rightRunBegin, leftRunEnd, rightRunBegin - 1);
      this.merge(begin, rightRunBegin, end);
      return;
    }
    // The run across the middle is [i, j).
    const decreasing = less(items[middle]!, items[middle - 1]!);
    let i = middle;
    while (i - 1 > leftRunEnd && less(items[i - 1]!, items[i - 2]!) === decreasing) i--;
    i = leftRunEnd === middle ? middle : i - 1;
    let j = middle - 1;
    while (j + 1 !== rightRunBegin && less(items[j + 1]!, items[j]!) === decreasing) j++;
    j++;
    if (decreasing) for (let a = i, b = j - 1; a < b; a++, b--) swap(items, a, b);
    if (i === begin && j === end) return;
    if (middle - i < j - middle) {
      this.sort(begin, i, leftRunEnd, i - 1);
      this.sort(i, end, j, rightRunBegin);
      this.merge(begin, i, end);
    } else {
      this.sort(begin, j, leftRunEnd, i);
      this.sort(j, end, j + 1, rightRunBegin);
      this.merge(begin, j, end);
    }
  }

  private insertionSort(begin: number, end: number): void {
    const { items, less } = this;
    for (let current = begin + 1; current < end; current++) {
      for (let at = current; at !== begin && less(items[at]!, items[at - 1]!); at--) swap(items, at, at - 1);
    }
  }

  private merge(begin: number, middle: number, end: number): void {
    const { items, less, buffer } = this;
    const leftEnd = middle - begin;
    const rightEnd = end - begin;
    for (let k = 0; k < rightEnd; k++) buffer[k] = items[begin + k]!;
    let out = begin;
    let left = 0;
    let right = leftEnd;
    while (left !== leftEnd && right !== rightEnd) {
      items[out++] = less(buffer[right]!, buffer[left]!) ? buffer[right++]! : buffer[left++]!;
    }
    while (left !== leftEnd) items[out++] = buffer[left++]!;
    while (right !== rightEnd) items[out++] = buffer[right++]!;
  }
}
