// Binary and prefix operators: precedences, and folding a flat sequence of them into a tree.
import type { Pos } from '../util/positions.ts';
import { intern, type Sym } from '../util/symbols.ts';
import type { AttrName, BinaryTag, Expr } from './ast.ts';
import * as t from './tokens.ts';

const LEFT = 0;
const RIGHT = 1;
const NONE = 2;

/** Stands for prefix minus, whose token is that of the binary one. */
const NEGATE = 255;
const NOT = t.index(t.Not);

const precedences = new Uint8Array(256);
const associativities = new Uint8Array(256);
const native = new Map<number, BinaryTag>();
/** `a op b` is `__name a b`; swapped: `__name b a`; negated: `!(…)`. */
const calls = new Map<number, { readonly name: Sym; readonly swapped: boolean; readonly negated: boolean }>();

function level(precedence: number, associativity: number, ...types: number[]): void {
  for (const type of types) {
    precedences[type] = precedence;
    associativities[type] = associativity;
  }
}
level(1, RIGHT, t.index(t.Implies));
level(2, LEFT, t.index(t.Or));
level(3, LEFT, t.index(t.And));
level(4, NONE, t.index(t.Equal), t.index(t.NotEqual));
level(5, NONE, t.index(t.Less), t.index(t.Greater), t.index(t.LessEqual), t.index(t.GreaterEqual));
level(6, RIGHT, t.index(t.Update));
level(7, LEFT, NOT);
level(8, LEFT, t.index(t.Plus), t.index(t.Minus));
level(9, LEFT, t.index(t.Times), t.index(t.Divide));
level(10, RIGHT, t.index(t.Concat));
level(11, NONE, t.index(t.Question));
level(12, NONE, NEGATE);

native.set(t.index(t.Equal), 'eq');
native.set(t.index(t.NotEqual), 'neq');
native.set(t.index(t.And), 'and');
native.set(t.index(t.Or), 'or');
native.set(t.index(t.Implies), 'impl');
native.set(t.index(t.Update), 'update');
native.set(t.index(t.Concat), 'concatLists');

const SUB = intern('__sub');
const LESS_THAN = intern('__lessThan');
calls.set(t.index(t.Minus), { name: SUB, swapped: false, negated: false });
calls.set(t.index(t.Times), { name: intern('__mul'), swapped: false, negated: false });
calls.set(t.index(t.Divide), { name: intern('__div'), swapped: false, negated: false });
calls.set(t.index(t.Less), { name: LESS_THAN, swapped: false, negated: false });
calls.set(t.index(t.Greater), { name: LESS_THAN, swapped: true, negated: false });
calls.set(t.index(t.LessEqual), { name: LESS_THAN, swapped: true, negated: true });
calls.set(t.index(t.GreaterEqual), { name: LESS_THAN, swapped: false, negated: true });

const PLUS = t.index(t.Plus);
const QUESTION = t.index(t.Question);
const MINUS = t.index(t.Minus);

/** One sequence of operands and operators, left to right. */
export class OperatorFold {
  private readonly operators: number[] = [];
  private readonly positions: Pos[] = [];
  private readonly operands: Expr[] = [];
  /** Where each operand begins, parentheses included. */
  private readonly starts: Pos[] = [];

  prefix(type: number, pos: Pos): void {
    this.operators.push(type === MINUS ? NEGATE : type);
    this.positions.push(pos);
  }

  operand(expr: Expr, start: Pos): void {
    this.operands.push(expr);
    this.starts.push(start);
  }

  /** False where the operator does not associate with the one before it. */
  binary(type: number, pos: Pos): boolean {
    if (!this.reduceAbove(type)) return false;
    this.operators.push(type);
    this.positions.push(pos);
    return true;
  }

  /** The operand so far `? path`. */
  hasAttr(path: readonly AttrName[]): void {
    this.reduceAbove(QUESTION);
    const top = this.operands.length - 1;
    this.operands[top] = { tag: 'hasAttr', target: this.operands[top]!, path, pos: this.starts[top]! };
  }

  finish(): Expr {
    while (this.operators.length > 0) this.reduce();
    return this.operands[0]!;
  }

  private reduceAbove(type: number): boolean {
    const precedence = precedences[type]!;
    while (this.operators.length > 0) {
      const top = this.operators[this.operators.length - 1]!;
      const above = precedences[top]!;
      if (above < precedence) return true;
      if (above === precedence) {
        if (associativities[type] === NONE) return false;
        if (associativities[type] === RIGHT) return true;
      }
      this.reduce();
    }
    return true;
  }

  private reduce(): void {
    const type = this.operators.pop()!;
    const pos = this.positions.pop()!;
    const top = this.operands.length - 1;
    if (type === NOT) {
      this.operands[top] = { tag: 'not', operand: this.operands[top]!, pos };
      this.starts[top] = pos;
      return;
    }
    if (type === NEGATE) {
      const zero: Expr = { tag: 'int', value: 0, pos };
      this.operands[top] = call(SUB, zero, this.operands[top]!, pos, 0);
      this.starts[top] = pos;
      return;
    }
    const right = this.operands.pop()!;
    const rightStart = this.starts.pop()!;
    const left = this.operands[top - 1]!;
    this.operands[top - 1] = combine(type, pos, left, this.starts[top - 1]!, right, rightStart);
  }
}

function call(name: Sym, a: Expr, b: Expr, pos: Pos, namePos: Pos): Expr {
  return { tag: 'call', fn: { tag: 'var', name, pos: namePos }, args: [a, b], pos };
}

function combine(type: number, pos: Pos, left: Expr, leftStart: Pos, right: Expr, rightStart: Pos): Expr {
  const tag = native.get(type);
  if (tag !== undefined) return { tag, left, right, pos };
  if (type === PLUS) {
    const parts = [
      { expr: left, pos: leftStart },
      { expr: right, pos: rightStart },
    ];
    return { tag: 'concat', forceString: false, parts, pos };
  }
  const { name, swapped, negated } = calls.get(type)!;
  const result = swapped ? call(name, right, left, pos, 0) : call(name, left, right, pos, 0);
  return negated ? { tag: 'not', operand: result, pos } : result;
}
