// Random programs are made from a row of numbers: each decision takes the next one, and 0 means what is simplest. So
// fast-check shrinks programs by shrinking the row, whatever depends on what in them.
export class Choices {
  readonly #row: readonly number[];
  #at = 0;

  constructor(row: readonly number[]) {
    this.#row = row;
  }

  /** 0 to `count` - 1. */
  below(count: number): number {
    const n = this.#row[this.#at++] ?? 0;
    return n % count;
  }

  /** True once in `count` times. */
  once(count: number): boolean {
    return this.below(count) === count - 1;
  }

  /** The first one is the simplest. */
  of<T>(...items: readonly [T, ...T[]]): T {
    return items[this.below(items.length)]!;
  }

  from<T>(items: readonly T[]): T {
    return items[this.below(items.length)]!;
  }

  /** One of the ways, each as likely as its weight. */
  way<T>(ways: readonly (readonly [weight: number, make: () => T])[]): T {
    let n = this.below(ways.reduce((sum, [weight]) => sum + weight, 0));
    for (const [weight, make] of ways) {
      n -= weight;
      if (n < 0) return make();
    }
    throw new Error('weights are not positive');
  }

  list<T>(max: number, make: (index: number) => T): T[] {
    return Array.from({ length: this.below(max + 1) }, (_, i) => make(i));
  }

  get exhausted(): boolean {
    return this.#at >= this.#row.length;
  }
}
