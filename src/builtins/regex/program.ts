// Syntax tree → automaton: libstdc++'s, without its dummy states. Lies in flat arrays for the matcher.
import type { ByteSet, ParsedRegex, RegexNode } from './syntax.ts';

export const ACCEPT = 0;
/** arg = index of the set. */
export const SET = 1;
export const BEGIN = 2;
export const END = 3;
/** arg = group. */
export const OPEN = 4;
export const CLOSE = 5;
/** Both are tried, `alt` first. */
export const ALTERNATIVE = 6;
/** `alt` is the body, `next` the way out, which is tried only where the body leads nowhere. */
export const REPEAT = 7;
/** A REPEAT whose body is one set (arg): `[a-z]*`. */
export const LOOP = 8;
/** A LOOP behind which nothing can begin with a byte of its set: all rounds or none. */
export const RUN = 9;

export interface Program {
  readonly op: readonly number[];
  readonly next: readonly number[];
  readonly alt: readonly number[];
  readonly arg: readonly number[];
  readonly sets: readonly ByteSet[];
  readonly start: number;
  readonly groups: number;
}

export function compileRegex(regex: ParsedRegex): Program {
  const compiler = new Compiler();
  const accept = compiler.state(ACCEPT, -1);
  const start = compiler.compile(regex.root, accept);
  compiler.markRuns();
  return {
    op: compiler.op,
    next: compiler.next,
    alt: compiler.alt,
    arg: compiler.arg,
    sets: compiler.sets,
    start,
    groups: regex.groups,
  };
}

class Compiler {
  readonly op: number[] = [];
  readonly next: number[] = [];
  readonly alt: number[] = [];
  readonly arg: number[] = [];
  readonly sets: ByteSet[] = [];
  private readonly setIndexes = new Map<ByteSet, number>();

  state(op: number, next: number, arg = 0): number {
    this.op.push(op);
    this.next.push(next);
    this.alt.push(-1);
    this.arg.push(arg);
    return this.op.length - 1;
  }

  private setIndex(set: ByteSet): number {
    let index = this.setIndexes.get(set);
    if (index === undefined) {
      index = this.sets.length;
      this.sets.push(set);
      this.setIndexes.set(set, index);
    }
    return index;
  }

  /** States for `node` that lead on to `next`; returns the first. */
  compile(node: RegexNode, next: number): number {
    switch (node.kind) {
      case 'set':
        return this.state(SET, next, this.setIndex(node.set));
      case 'begin':
        return this.state(BEGIN, next);
      case 'end':
        return this.state(END, next);
      case 'group':
        return this.state(OPEN, this.compile(node.body, this.state(CLOSE, next, node.index)), node.index);
      case 'sequence': {
        let start = next;
        for (let i = node.items.length - 1; i >= 0; i--) start = this.compile(node.items[i]!, start);
        return start;
      }
      case 'alternatives': {
        let start = this.compile(node.branches.at(-1)!, next);
        for (let i = node.branches.length - 2; i >= 0; i--) {
          const state = this.state(ALTERNATIVE, start);
          this.alt[state] = this.compile(node.branches[i]!, next);
          start = state;
        }
        return start;
      }
      case 'repeat':
        return this.repeat(node, next);
    }
  }

  private repeat(node: RegexNode & { kind: 'repeat' }, next: number): number {
    const { min, max, body } = node;
    let start = next;
    let copies = min;
    if (max === Infinity && body.kind === 'set') {
      start = this.state(LOOP, next, this.setIndex(body.set));
    } else if (max === Infinity) {
      const loop = this.state(REPEAT, next);
      const bodyStart = this.compile(body, loop);
      this.alt[loop] = bodyStart;
      start = loop;
      // It enters its loop through the body.
      if (node.plus === true) {
        start = bodyStart;
        copies = 0;
      }
    } else {
      for (let i = min; i < max; i++) {
        const option = this.state(REPEAT, next);
        this.alt[option] = this.compile(body, start);
        start = option;
      }
    }
    for (let i = 0; i < copies; i++) start = this.compile(body, start);
    return start;
  }

  /** Finds the loops that need not give back what they took. */
  markRuns(): void {
    for (let state = 0; state < this.op.length; state++) {
      if (this.op[state] !== LOOP) continue;
      const own = this.sets[this.arg[state]!]!;
      if (!this.canBegin(this.next[state]!, own, new Set())) this.op[state] = RUN;
    }
  }

  /** Whether what follows from `state` on can need what a loop over `set` took: a byte of `set` first, or the start. */
  private canBegin(start: number, set: ByteSet, seen: Set<number>): boolean {
    const pending = [start];
    while (pending.length > 0) {
      const state = pending.pop()!;
      if (state < 0 || seen.has(state)) continue;
      seen.add(state);
      switch (this.op[state]) {
        case ACCEPT:
          break;
        case BEGIN:
          // Holds only where the loop gave everything back.
          return true;
        case SET:
          if (overlap(this.sets[this.arg[state]!]!, set)) return true;
          break;
        case LOOP:
        case RUN:
          if (overlap(this.sets[this.arg[state]!]!, set)) return true;
          pending.push(this.next[state]!);
          break;
        default:
          pending.push(this.next[state]!, this.alt[state]!);
      }
    }
    return false;
  }
}

function overlap(a: ByteSet, b: ByteSet): boolean {
  for (let i = 0; i < 256; i++) if (a[i] === 1 && b[i] === 1) return true;
  return false;
}
