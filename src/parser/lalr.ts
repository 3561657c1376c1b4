// LALR(1) automata as bison makes them: precedences resolve conflicts, and the most frequent reduction of a state is
// its default. Only syntax errors need one: what Nix says is expected are the actions of such a state that are not
// its default.

export type Associativity = 'left' | 'right' | 'none';

export interface LalrGrammar {
  /** At most 64, in bison's order, which is that of the words in a message. */
  readonly terminals: readonly string[];
  /** The first is the start. */
  readonly rules: readonly LalrRule[];
  /** Lowest first. */
  readonly precedences: readonly (readonly [Associativity, ...string[]])[];
}
export interface LalrRule {
  readonly left: string;
  readonly right: readonly string[];
  /** The terminal whose precedence the rule has; its last terminal's if not given. */
  readonly precedence?: string;
}

/** What a state does for a terminal: shift to a state (>= 0), reduce by rule ~action, or ERROR. */
export const ERROR = -1_000_000;
const ACCEPT_RULE = 0;

export interface LalrState {
  /** By terminal; without what the default does. */
  readonly actions: ReadonlyMap<number, number>;
  /** Rule to reduce by where there is no action; -1: an error. */
  readonly fallback: number;
  /** Next state by left-hand side. */
  readonly gotos: ReadonlyMap<number, number>;
}

/** A set of terminals, at most 64 of them. */
class Terminals {
  low = 0;
  high = 0;
  add(terminal: number): void {
    if (terminal < 32) this.low |= 1 << terminal;
    else this.high |= 1 << (terminal - 32);
  }
  /** Whether that made it larger. */
  addAll(other: Terminals): boolean {
    const low = this.low | other.low;
    const high = this.high | other.high;
    if (low === this.low && high === this.high) return false;
    this.low = low;
    this.high = high;
    return true;
  }
  *[Symbol.iterator](): Generator<number> {
    for (let i = 0; i < 32; i++) if ((this.low & (1 << i)) !== 0) yield i;
    for (let i = 0; i < 32; i++) if ((this.high & (1 << i)) !== 0) yield i + 32;
  }
}

/** Items, `rule << 6 | dot`, and what may follow each. */
type Items = Map<number, Terminals>;

interface Rule {
  readonly left: number;
  readonly right: readonly number[];
  readonly precedence: number;
}

/** What each symbol may begin with, and whether it may be nothing. */
interface First {
  readonly sets: readonly Terminals[];
  readonly nullable: Uint8Array;
}

/** Symbols are numbers: terminals first, in their order (0 is the end of input), then left-hand sides. */
export class LalrAutomaton {
  readonly states: LalrState[] = [];
  readonly rules: readonly Rule[];
  private readonly terminals: number;
  private readonly byLeft: number[][];
  private readonly level: Int32Array;
  private readonly associativity: Associativity[] = [];

  constructor(grammar: LalrGrammar) {
    const numbers = new Map<string, number>(grammar.terminals.map((name, i) => [name, i]));
    this.terminals = grammar.terminals.length;
    this.level = new Int32Array(this.terminals);
    grammar.precedences.forEach(([associativity, ...names], i) => {
      for (const name of names) this.level[numbers.get(name)!] = i + 1;
      this.associativity[i + 1] = associativity;
    });
    for (const { left } of grammar.rules) if (!numbers.has(left)) numbers.set(left, numbers.size);
    const start = numbers.size;
    const number = (name: string): number => {
      const n = numbers.get(name);
      if (n === undefined) throw new Error(`no such symbol: ${name}`);
      return n;
    };
    const rules: Rule[] = [{ left: start, right: [number(grammar.rules[0]!.left), 0], precedence: 0 }];
    for (const { left, right, precedence } of grammar.rules) {
      const symbols = right.map(number);
      const last = symbols.findLast((symbol) => symbol < this.terminals);
      const terminal = precedence === undefined ? last : number(precedence);
      rules.push({
        left: number(left),
        right: symbols,
        precedence: terminal === undefined ? 0 : this.level[terminal]!,
      });
    }
    this.rules = rules;
    this.byLeft = Array.from({ length: start + 1 }, () => []);
    rules.forEach((rule, i) => this.byLeft[rule.left]!.push(i));
    this.build(start + 1);
  }

  private build(symbols: number): void {
    const first = this.firstSets(symbols);
    const kernels: Items[] = [];
    const known = new Map<string, number>();
    const gotos: Map<number, number>[] = [];
    const closures: Items[] = [];
    const stateOf = (items: readonly number[]): number => {
      const key = items.join();
      let n = known.get(key);
      if (n === undefined) {
        n = kernels.push(new Map(items.map((item) => [item, new Terminals()]))) - 1;
        known.set(key, n);
      }
      return n;
    };
    stateOf([ACCEPT_RULE << 6]);
    const work = [0];
    while (work.length > 0) {
      const s = work.pop()!;
      const closure = (closures[s] = this.close(kernels[s]!, first));
      const bySymbol = new Map<number, number[]>();
      for (const item of closure.keys()) {
        const next = this.rules[item >> 6]!.right[item & 63];
        if (next === undefined) continue;
        const items = bySymbol.get(next);
        if (items === undefined) bySymbol.set(next, [item + 1]);
        else items.push(item + 1);
      }
      const isNew = gotos[s] === undefined;
      const goto = (gotos[s] ??= new Map<number, number>());
      for (const [symbol, items] of bySymbol) {
        const before = kernels.length;
        const target = isNew ? stateOf(items.sort((a, b) => a - b)) : goto.get(symbol)!;
        goto.set(symbol, target);
        let grown = kernels.length > before;
        for (const item of items) grown = kernels[target]!.get(item)!.addAll(closure.get(item - 1)!) || grown;
        if (grown) work.push(target);
      }
    }
    closures.forEach((closure, s) => this.states.push(this.state(closure, gotos[s]!)));
  }

  /** Items of a state with what may follow them, from its kernel's. */
  private close(kernel: Items, first: First): Items {
    const all: Items = new Map();
    for (const [item, follow] of kernel) {
      const copy = new Terminals();
      copy.addAll(follow);
      all.set(item, copy);
    }
    const queue = [...all.keys()];
    while (queue.length > 0) {
      const item = queue.pop()!;
      const { right } = this.rules[item >> 6]!;
      const dot = item & 63;
      const next = right[dot];
      if (next === undefined || next < this.terminals) continue;
      const follow = new Terminals();
      let nullable = true;
      for (let i = dot + 1; nullable && i < right.length; i++) {
        follow.addAll(first.sets[right[i]!]!);
        nullable = first.nullable[right[i]!] === 1;
      }
      if (nullable) follow.addAll(all.get(item)!);
      for (const rule of this.byLeft[next]!) {
        const added = rule << 6;
        const set = all.get(added);
        if (set === undefined) {
          const copy = new Terminals();
          copy.addAll(follow);
          all.set(added, copy);
          queue.push(added);
        } else if (set.addAll(follow)) queue.push(added);
      }
    }
    return all;
  }

  private firstSets(symbols: number): First {
    const sets = Array.from({ length: symbols }, () => new Terminals());
    const nullable = new Uint8Array(symbols);
    for (let i = 0; i < this.terminals; i++) sets[i]!.add(i);
    for (let changed = true; changed;) {
      changed = false;
      for (const { left, right } of this.rules) {
        let empty = true;
        for (let i = 0; empty && i < right.length; i++) {
          changed = sets[left]!.addAll(sets[right[i]!]!) || changed;
          empty = nullable[right[i]!] === 1;
        }
        if (empty && nullable[left] === 0) {
          nullable[left] = 1;
          changed = true;
        }
      }
    }
    return { sets, nullable };
  }

  private state(closure: Items, goto: ReadonlyMap<number, number>): LalrState {
    const actions = new Map<number, number>();
    const gotos = new Map<number, number>();
    for (const [symbol, target] of goto) (symbol < this.terminals ? actions : gotos).set(symbol, target);
    const shifts = actions.size;
    const reductions: number[] = [];
    for (const [item, lookahead] of closure) {
      const n = item >> 6;
      const rule = this.rules[n]!;
      if ((item & 63) < rule.right.length) continue;
      reductions.push(n);
      for (const terminal of lookahead) {
        if (!actions.has(terminal)) actions.set(terminal, ~n);
        else this.resolve(actions, terminal, n, rule);
      }
    }
    reductions.sort((a, b) => a - b);
    let fallback = -1;
    if (reductions.length === 1 && shifts === 0) {
      return { actions: new Map(), fallback: reductions[0]!, gotos };
    }
    let most = 0;
    for (const n of reductions) {
      let count = 0;
      for (const action of actions.values()) if (action === ~n) count++;
      if (count > most) {
        most = count;
        fallback = n;
      }
    }
    for (const [terminal, action] of actions) {
      if (fallback >= 0 ? action === ~fallback : action === ERROR) actions.delete(terminal);
    }
    return { actions, fallback, gotos };
  }

  private resolve(actions: Map<number, number>, terminal: number, n: number, rule: Rule): void {
    const level = this.level[terminal]!;
    if (level === 0 || rule.precedence === 0) throw new Error(`conflict at terminal ${terminal} in rule ${n}`);
    if (rule.precedence < level) return;
    const associativity = this.associativity[level];
    if (rule.precedence > level || associativity === 'left') actions.set(terminal, ~n);
    else if (associativity === 'none') actions.set(terminal, ERROR);
  }

  /**
   * Runs over terminals until the first that can't be; `next` is asked only when the automaton looks at it.
   * @returns what is expected there, up to four terminals (none if there are more), or null if all is well
   */
  firstError(next: () => number): { readonly unexpected: number; readonly expected: readonly number[] } | null {
    const stack = [0];
    let ahead = -1;
    for (;;) {
      const state = this.states[stack[stack.length - 1]!]!;
      let reduce = state.fallback;
      if (state.actions.size > 0) {
        if (ahead < 0) ahead = next();
        const action = state.actions.get(ahead);
        if (action !== undefined && action >= 0) {
          if (ahead === 0) return null;
          stack.push(action);
          ahead = -1;
          continue;
        }
        if (action !== undefined) reduce = action === ERROR ? -1 : ~action;
      }
      if (reduce < 0) {
        const expected: number[] = [];
        for (const [terminal, action] of state.actions) if (action !== ERROR) expected.push(terminal);
        expected.sort((a, b) => a - b);
        return { unexpected: ahead, expected: expected.length > 4 ? [] : expected };
      }
      const rule = this.rules[reduce]!;
      stack.length -= rule.right.length;
      stack.push(this.states[stack[stack.length - 1]!]!.gotos.get(rule.left)!);
    }
  }
}
