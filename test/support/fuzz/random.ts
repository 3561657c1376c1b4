// A small generator of random numbers: a case is its seed and its number, and nothing else.

export class Random {
  private state: number;
  constructor(seed: number, index: number) {
    this.state = (Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) ^ Math.imul(index + 1, 0xc2b2ae35)) >>> 0;
  }
  /** 32 bits (mulberry32). */
  next(): number {
    this.state = (this.state + 0x6d2b79f5) >>> 0;
    let t = this.state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (t ^ (t >>> 14)) >>> 0;
  }
  below(n: number): number {
    return this.next() % n;
  }
  /** True once in n times. */
  oneIn(n: number): boolean {
    return this.below(n) === 0;
  }
  pick<T>(all: readonly T[]): T {
    return all[this.below(all.length)]!;
  }
  /** 0 and up; small ones are common. */
  size(max: number): number {
    return this.below(1 + this.below(max));
  }
  byte(): string {
    return String.fromCharCode(this.below(256));
  }
}
