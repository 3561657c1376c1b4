// LALR(1) automata as bison makes them: precedences resolve conflicts, and the most frequent reduction of a state is
// its default. Only syntax errors need one: what Nix says is expected are the actions of such a state that are not
// its default.

export type Associativity = 'left' | 'right' | 'none';

export interface LalrGrammar {
  /** In bison's order, which is that of the words in a message. */
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

interface Rule {
  readonly left: number;
  readonly right: readonly number[];
  readonly precedence: number;
}

/** Symbols are numbers: terminals first, in their order (0 is the end of input), then left-hand sides. */
export class LalrAutomaton {
  readonly states: LalrState[] = [];
  readonly rules: readonly Rule[];
  private readonly terminals: number;
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
    this.build(start + 1);
  }

  /** States are sets of items; an item is rule * 64 + dot. */
  private build(symbols: number): void {
    const { rules, terminals } = this;
    const byLeft: number[][] = Array.from({ length: symbols }, () => []);
    rules.forEach((rule, i) => byLeft[rule.left]!.push(i));
    const first = this.firstSets(symbols);

    const kernels: number[][] = [];
    const lookaheads: Map<number, Set<number>>[] = [];
    const known = new Map<string, number>();
    const gotos: Map<number, number>[] = [];
    const stateOf = (kernel: number[]): number => {
      const key = kernel.join();
      let n = known.get(key);
      if (n === undefined) {
        n = kernels.push(kernel) - 1;
        known.set(key, n);
        lookaheads.push(new Map(kernel.map((item) => [item, new Set<number>()])));
      }
      return n;
    };

    /** Items of a state with what may follow them, from its kernel's. */
    const close = (items: Map<number, Set<number>>): Map<number, Set<number>> => {
      const all = new Map([...items].map(([item, set]) => [item, new Set(set)]));
      const queue = [...all.keys()];
      while (queue.length > 0) {
        const item = queue.pop()!;
        const { right } = rules[item >> 6]!;
        const dot = item & 63;
        const next = right[dot];
        if (next === undefined || next < terminals) continue;
        const follow = new Set<number>();
        let nullable = true;
        for (let i = dot + 1; nullable && i < right.length; i++) {
          const set = first[right[i]!]!;
          nullable = set.has(-1);
          for (const terminal of set) if (terminal >= 0) follow.add(terminal);
        }
        if (nullable) for (const terminal of all.get(item)!) follow.add(terminal);
        for (const rule of byLeft[next]!) {
          const added = rule << 6;
          const set = all.get(added);
          if (set === undefined) {
            all.set(added, new Set(follow));
            queue.push(added);
            continue;
          }
          const before = set.size;
          for (const terminal of follow) set.add(terminal);
          if (set.size > before) queue.push(added);
        }
      }
      return all;
    };

    stateOf([ACCEPT_RULE << 6]);
    const work = [0];
    const closures: Map<number, Set<number>>[] = [];
    while (work.length > 0) {
      const s = work.pop()!;
      const closure = (closures[s] = close(lookaheads[s]!));
      const bySymbol = new Map<number, number[]>();
      for (const item of closure.keys()) {
        const next = rules[item >> 6]!.right[item & 63];
        if (next === undefined) continue;
        const items = bySymbol.get(next);
        if (items === undefined) bySymbol.set(next, [item + 1]);
        else items.push(item + 1);
      }
      const isNew = gotos[s] === undefined;
      const goto = (gotos[s] ??= new Map());
      for (const [symbol, items] of bySymbol) {
        const before = kernels.length;
        const target = isNew ? stateOf(items.sort((a, b) => a - b)) : goto.get(symbol)!;
        goto.set(symbol, target);
        let grown = kernels.length > before;
        for (const item of items) {
          const set = lookaheads[target]!.get(item)!;
          for (const terminal of closure.get(item - 1)!) {
            if (!set.has(terminal)) {
              set.add(terminal);
              grown = true;
            }
          }
        }
        if (grown) work.push(target);
      }
    }
    closures.forEach((closure, s) => this.states.push(this.state(closure, gotos[s]!)));
  }

  /** What each symbol may begin with; -1 is nothing. */
  private firstSets(symbols: number): Set<number>[] {
    const first = Array.from({ length: symbols }, (_, i) => new Set<number>(i < this.terminals ? [i] : []));
    for (let changed = true; changed;) {
      changed = false;
      for (const { left, right } of this.rules) {
        const set = first[left]!;
        const before = set.size;
        let nullable = true;
        for (let i = 0; nullable && i < right.length; i++) {
          for (const terminal of first[right[i]!]!) if (terminal >= 0) set.add(terminal);
          nullable = first[right[i]!]!.has(-1);
        }
        if (nullable) set.add(-1);
        changed ||= set.size > before;
      }
    }
    return first;
  }

  private state(closure: ReadonlyMap<number, ReadonlySet<number>>, goto: ReadonlyMap<number, number>): LalrState {
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
