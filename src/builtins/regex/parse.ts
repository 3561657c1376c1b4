// Pattern → syntax tree, with libstdc++'s grammar: only `\` before a special character escapes, `{` must begin an
// interval, quantifiers apply to atoms (not to anchors) and to each other. States are counted as libstdc++ makes them,
// since it refuses patterns that need more than 100,000.
import { BracketParser } from './bracket.ts';
import { ANY, RegexSpaceError, RegexSyntaxError, singleton, type ParsedRegex, type RegexNode } from './syntax.ts';

const SPECIAL = '.[\\()*+?{|^$';
const STATE_LIMIT = 100_000;

/** A node and the number of automaton states that stand for it. */
interface Counted {
  readonly node: RegexNode;
  readonly states: number;
}

/** @throws RegexSyntaxError, RegexSpaceError */
export function parseRegex(pattern: string): ParsedRegex {
  return new Parser(pattern).parse();
}

class Parser {
  private readonly pattern: string;
  private at = 0;
  private groups = 0;
  private states = 0;

  constructor(pattern: string) {
    this.pattern = pattern;
  }

  parse(): ParsedRegex {
    this.spend(1);
    const { node } = this.disjunction();
    if (this.at < this.pattern.length) throw new RegexSyntaxError('unmatched )');
    this.spend(2);
    return { root: node, groups: this.groups };
  }

  private spend(states: number): number {
    this.states += states;
    if (this.states > STATE_LIMIT) throw new RegexSpaceError();
    return states;
  }

  private disjunction(): Counted {
    const first = this.alternative();
    if (this.pattern[this.at] !== '|') return first;
    const branches = [first.node];
    let states = first.states;
    while (this.pattern[this.at] === '|') {
      this.at++;
      const branch = this.alternative();
      branches.push(branch.node);
      states += branch.states + this.spend(2);
    }
    return { node: { kind: 'alternatives', branches }, states };
  }

  private alternative(): Counted {
    const items: RegexNode[] = [];
    let states = 0;
    for (;;) {
      const term = this.term();
      if (term === null) break;
      items.push(term.node);
      states += term.states;
    }
    states += this.spend(1);
    return { node: items.length === 1 ? items[0]! : { kind: 'sequence', items }, states };
  }

  private term(): Counted | null {
    const c = this.pattern[this.at];
    switch (c) {
      case undefined:
      case '|':
      case ')':
        return null;
      case '^':
        this.at++;
        return { node: { kind: 'begin' }, states: this.spend(1) };
      case '$':
        this.at++;
        return { node: { kind: 'end' }, states: this.spend(1) };
      case '*':
      case '+':
      case '?':
      case '{':
        throw new RegexSyntaxError('nothing to repeat');
      default:
    }
    let atom = this.atom(c);
    for (;;) {
      const quantified = this.quantifier(atom);
      if (quantified === null) return atom;
      atom = quantified;
    }
  }

  private atom(c: string): Counted {
    this.at++;
    switch (c) {
      case '.':
        return { node: { kind: 'set', set: ANY }, states: this.spend(1) };
      case '[': {
        const bracket = new BracketParser(this.pattern, this.at);
        const set = bracket.parse();
        this.at = bracket.at;
        return { node: { kind: 'set', set }, states: this.spend(1) };
      }
      case '(': {
        const index = ++this.groups;
        this.spend(2);
        const body = this.disjunction();
        if (this.pattern[this.at] !== ')') throw new RegexSyntaxError('unmatched (');
        this.at++;
        return { node: { kind: 'group', index, body: body.node }, states: body.states + 2 };
      }
      case '\\': {
        const escaped = this.pattern[this.at];
        if (escaped === undefined || !SPECIAL.includes(escaped)) throw new RegexSyntaxError('escape');
        this.at++;
        return this.byte(escaped);
      }
      default:
        return this.byte(c);
    }
  }

  private byte(c: string): Counted {
    return { node: { kind: 'set', set: singleton(c.charCodeAt(0)) }, states: this.spend(1) };
  }

  private quantifier(atom: Counted): Counted | null {
    const { node: body, states } = atom;
    switch (this.pattern[this.at]) {
      case '*':
        this.at++;
        return { node: { kind: 'repeat', min: 0, max: Infinity, body }, states: states + this.spend(1) };
      case '+':
        this.at++;
        return { node: { kind: 'repeat', min: 1, max: Infinity, body, plus: true }, states: states + this.spend(1) };
      case '?':
        this.at++;
        return { node: { kind: 'repeat', min: 0, max: 1, body }, states: states + this.spend(2) };
      case '{':
        this.at++;
        return this.interval(atom);
      default:
        return null;
    }
  }

  private interval({ node: body, states }: Counted): Counted {
    const min = this.count();
    let max = min;
    if (this.pattern[this.at] === ',') {
      this.at++;
      max = this.pattern[this.at] === '}' ? Infinity : this.count();
    }
    if (this.pattern[this.at] !== '}') throw new RegexSyntaxError('interval');
    this.at++;
    // The copies are made before the bounds are compared.
    let made = this.spend(1) + this.spend(min * states);
    if (max < min) throw new RegexSyntaxError('interval');
    made += this.spend(max === Infinity ? states + 1 : (max - min) * (states + 1) + 1);
    return { node: { kind: 'repeat', min, max, body }, states: made };
  }

  private count(): number {
    const start = this.at;
    while (this.pattern[this.at]! >= '0' && this.pattern[this.at]! <= '9') this.at++;
    if (this.at === start) throw new RegexSyntaxError('interval');
    const value = Number(this.pattern.slice(start, this.at));
    if (value > 0x7fffffff) throw new RegexSyntaxError('interval');
    return value;
  }
}
