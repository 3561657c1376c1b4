// The second tier: JavaScript for code that runs often, made of its flat code. It does what `Interpreter.evaluate` does,
// step by step and in the same order, so that nobody sees which of the two runs: laziness, frames of errors, depth,
// fuel. What is rare, or long, it leaves to the interpreter.
//
// No text of the program gets into the code: names are numbers, and strings are values that the code is given.
import { Op, type Direct, type LambdaRecord } from '../../parser/code.ts';
import { Attrs } from '../attrs.ts';
import type { Evaluator } from '../evaluator.ts';
import type { Env } from '../lambda.ts';
import { LARGEST, MAX_ARGUMENTS } from './calls.ts';
import { SelectWriter } from './select.ts';
import { support, supportNames } from './support.ts';
import type { Content } from './frame.ts';
import { LEAVE } from './writer.ts';

/** What is longer is left to the interpreter. */
const MAX_NODES = 400;
const MAX_DEPTH = 30;
const MAX_ELEMENTS = 64;
const MAX_PARTS = 12;

class Unfit extends Error {}

/**
 * The function for the body of a lambda, or for the code of a thunk; undefined where it would be too long.
 * @param around an environment that is around it, as a sample: functions that are found there are probably called again
 * @throws globalThis.EvalError where the host allows no code that is made of text
 */
export function generate(ev: Evaluator, of: LambdaRecord | number, around: Env | null): Direct | undefined {
  return write(ev, of, around, true) ?? write(ev, of, around, false);
}

function write(ev: Evaluator, of: LambdaRecord | number, around: Env | null, inlines: boolean): Direct | undefined {
  const generator = new Generator(ev, around, inlines);
  let body: string;
  try {
    body = typeof of === 'number' ? generator.thunk(of) : generator.lambda(of, around);
  } catch (error) {
    if (error instanceof Unfit) return undefined;
    throw error;
  }
  const { caches, constants } = generator;
  const source = `"use strict";${caches.length === 0 ? '' : `let ${caches.join()};`}return ${body}`;
  // eslint-disable-next-line @typescript-eslint/no-implied-eval
  const make = new Function('ev', ...supportNames, ...constants.map((_, i) => `k${i}`), source);
  return (make as (...args: unknown[]) => Direct)(ev, ...support, ...constants);
}

class Generator extends SelectWriter {
  private nodes = 0;
  private depth = 0;

  /** The function for a thunk's code: of its environment. */
  thunk(off: number): string {
    this.tail(off);
    return this.whole(['up']);
  }

  /** The function for a lambda's body: see Direct. */
  lambda(record: LambdaRecord, around: Env | null): string {
    this.record = record;
    this.open.push(record);
    const frame = this.push(record.envSize, 'up', around);
    const parameters = ['up'];
    for (let i = 1; i <= record.base; i++) {
      parameters.push(`s${i}`);
      frame.slots[i] = `s${i}`;
    }
    if (record.formals !== null) this.bindFormals(record, frame);
    this.tail(record.body);
    return this.whole([...parameters, 'pos']);
  }

  private count(): void {
    if (++this.nodes > MAX_NODES) throw new Unfit();
  }

  /** What gives the value of the whole. */
  private tail(off: number): void {
    const { words } = this;
    this.count();
    switch (words[off]) {
      case Op.IF:
        this.fork(
          this.bool(words[off + 2]!, 'while evaluating a branch condition'),
          () => {
            this.tail(words[off + 3]!);
          },
          () => {
            this.tail(words[off + 4]!);
          },
        );
        return;
      case Op.LET:
      case Op.LET_HERE:
      case Op.WITH:
        this.enter(off);
        this.tail(words[off + 3]!);
        if (words[off] !== Op.LET_HERE) this.frames.pop();
        return;
      case Op.ASSERT:
        this.assert(off);
        this.tail(words[off + 3]!);
        return;
      default:
        this.inTail = [Op.CALL1, Op.CALL2, Op.CALLN].includes(words[off] as 18);
        this.emit(`${LEAVE}return ${this.value(off)};`);
    }
  }

  protected override value(off: number): string {
    this.count();
    const literal = this.literal(off);
    if (literal !== undefined) return literal;
    if (this.isVariable(off)) return this.forced(off);
    if (this.depth > MAX_DEPTH) return this.interpreted(off);
    this.depth++;
    const result = this.node(off);
    this.depth--;
    return result;
  }

  private interpreted(off: number): string {
    const env = this.env();
    return this.store(`ev.evaluate(${off},${env})`);
  }

  private node(off: number): string {
    const { words } = this;
    const op = words[off]!;
    switch (op) {
      case Op.WITH_VAR:
        return this.withVariable(off);
      case Op.SELECT1:
        return this.selectOne(off);
      case Op.SELECT:
        return this.selectPath(off);
      case Op.HAS:
        return this.has(off);
      case Op.ATTRS:
        return this.attrs(off);
      case Op.LIST: {
        const n = words[off + 2]!;
        if (n > MAX_ELEMENTS) return this.interpreted(off);
        const elements = Array.from({ length: n }, (_, i) => this.delay(words[off + 3 + i]!));
        return this.store(`[${elements.join()}]`);
      }
      case Op.LAMBDA: {
        const env = this.env();
        return this.store(`new Lambda(${this.constant(this.ev.code.lambdas[words[off + 2]!])},${env})`);
      }
      case Op.CALL1:
        return this.call(off, [words[off + 3]!]);
      case Op.CALL2:
        return this.call(off, [words[off + 3]!, words[off + 4]!]);
      case Op.CALLN: {
        const n = words[off + 3]!;
        return n > MAX_ARGUMENTS ? this.interpreted(off) : this.call(off, [...words.subarray(off + 4, off + 4 + n)]);
      }
      case Op.LET:
      case Op.LET_HERE:
      case Op.WITH: {
        this.enter(off);
        const result = this.value(words[off + 3]!);
        if (op !== Op.LET_HERE) this.frames.pop();
        return result;
      }
      case Op.IF: {
        const condition = this.bool(words[off + 2]!, 'while evaluating a branch condition');
        return this.either(
          condition,
          () => this.value(words[off + 3]!),
          () => this.value(words[off + 4]!),
        );
      }
      case Op.ASSERT:
        this.assert(off);
        return this.value(words[off + 3]!);
      case Op.NOT:
        return this.store(`!${this.bool(words[off + 2]!, "in the argument of '!'")}`);
      case Op.EQ:
      case Op.NEQ:
        return this.equal(off);
      case Op.AND:
      case Op.OR:
      case Op.IMPL: {
        const sign = op === Op.AND ? '&&' : op === Op.OR ? '||' : '->';
        const left = this.bool(words[off + 2]!, `in the left operand of '${sign}'`);
        const right = (): string => this.bool(words[off + 3]!, `in the right operand of '${sign}'`);
        if (op === Op.OR) return this.either(left, () => 'true', right);
        return this.either(left, right, () => String(op === Op.IMPL));
      }
      case Op.UPDATE:
        return this.update(off);
      case Op.CONCAT_LISTS: {
        const a = this.operand(words[off + 2]!, "in the left operand of '++'");
        const b = this.operand(words[off + 3]!, "in the right operand of '++'");
        return this.store(`joinLists(ev,${a},${b},${words[off + 1]!})`);
      }
      case Op.ADD:
        return this.add(off);
      case Op.CONCAT:
        return this.concat(off);
      case Op.SUB:
      case Op.MUL:
      case Op.DIV:
      case Op.LESS:
        return this.arithmetic(off);
      default:
        return this.interpreted(off);
    }
  }

  private either(condition: string, yes: () => string, no: () => string): string {
    const result = this.variable();
    this.fork(
      condition,
      () => {
        this.emit(`${result}=${yes()};`);
      },
      () => {
        this.emit(`${result}=${no()};`);
      },
    );
    return result;
  }

  /** A condition. */
  private bool(off: number, why: string): string {
    const literal = this.literal(off);
    if (literal === 'true' || literal === 'false') return literal;
    const result = this.variable();
    const pos = this.ev.positionOf(off);
    this.framed(why, pos, () => {
      this.emit(`${result}=${this.value(off)};if(typeof ${result}!=='boolean')notABoolean(ev,${result},${pos});`);
    });
    return result;
  }

  private assert(off: number): void {
    const condition = this.bool(this.words[off + 2]!, 'in the condition of the assert statement');
    this.fork(`!${condition}`, () => {
      this.emit(`assertionFailed(ev,${off},${this.env()});`);
    });
  }

  private equal(off: number): string {
    const { words } = this;
    const isEqual = words[off] === Op.EQ;
    const sign = isEqual ? '==' : '!=';
    const a = this.operand(words[off + 2]!, `in the left operand of '${sign}'`);
    const b = this.operand(words[off + 3]!, `in the right operand of '${sign}'`);
    const simple = ['number', 'string'].map((type) => `typeof ${a}==='${type}'&&typeof ${b}==='${type}'`).join('||');
    const slow = `${isEqual ? '' : '!'}equalValues(ev,${a},${b},${words[off + 1]!})`;
    return this.store(`${simple}?${a}${sign}=${b}:${slow}`);
  }

  private add(off: number): string {
    const { words } = this;
    const why = "in an operand of '+'";
    const a = this.operand(words[off + 3]!, why);
    const result = this.variable();
    this.fork(
      `typeof ${a}==='number'||typeof ${a}==='string'`,
      () => {
        const b = this.operand(words[off + 5]!, why);
        const fits = `typeof ${result}==='string'||${result}<=${LARGEST}&&${result}>=-${LARGEST}`;
        const slow = `concatParts(ev,${off},null,[${a},${b}])`;
        this.emit(`${result}=typeof ${a}===typeof ${b}&&(${result}=${a}+${b},${fits})?${result}:${slow};`);
      },
      () => {
        this.emit(`${result}=concatParts(ev,${off},${this.env()},[${a}]);`);
      },
    );
    return result;
  }

  private arithmetic(off: number): string {
    const { words } = this;
    const op = words[off]!;
    const pos = words[off + 1]!;
    const operands = [words[off + 2]!, words[off + 3]!] as const;
    const why = `while calling the '${this.ev.operators[op - Op.SUB]!.name}' builtin`;
    const evaluated = (body: () => void): void => {
      this.emit(`if(ev.depth>ev.maxDepth)ev.checkLimits(${pos});ev.depth++;`);
      this.framed(why, pos, body);
      this.emit('ev.depth--;');
    };
    let a = '';
    let b = '';
    // The interpreter evaluates other constants than small ints.
    const isQuick = (operand: number): boolean => words[operand] === Op.INT || words[operand]! > Op.EMPTY_LIST;
    if (operands.every((operand) => this.isAtom(operand) && isQuick(operand))) {
      const open = operands.filter((operand) => !this.isKnown(operand));
      const values = operands.map((operand) => this.quick(operand));
      [a, b] = values as [string, string];
      if (open.length > 0) {
        const of = (operand: number): string => values[operands.indexOf(operand)]!;
        this.emit(`if(${open.map((operand) => `${of(operand)}===undefined`).join('||')}){`);
        evaluated(() => {
          for (const operand of open) {
            const slot = this.place(operand).text;
            this.emit(`if(${of(operand)}===undefined)${of(operand)}=ev.force(${slot},${words[operand + 1]!});`);
          }
        });
        this.emit('}');
        for (const operand of open) this.known.set(this.place(operand).key, of(operand));
      }
    } else {
      evaluated(() => {
        a = this.value(operands[0]);
        b = this.value(operands[1]);
      });
    }
    const slow = `compute(ev,${op},${a},${b},${pos})`;
    const numbers = `typeof ${a}==='number'&&typeof ${b}==='number'`;
    if (op === Op.DIV) return this.store(slow);
    if (op === Op.LESS) return this.store(`${numbers}?${a}<${b}:${slow}`);
    const result = this.variable();
    const computed = op === Op.SUB ? `${a}-${b}` : `${a}*${b}+0`;
    const fits = `(${result}=${computed})<=${LARGEST}&&${result}>=-${LARGEST}`;
    this.emit(`${result}=${numbers}&&${fits}?${result}:${slow};`);
    return result;
  }

  protected override attrs(off: number): string {
    const { words, ev } = this;
    const n = words[off + 3]!;
    if (n === 0) return this.constant(Attrs.EMPTY);
    if (n > MAX_ELEMENTS) return this.interpreted(off);
    const { keys, positions } = ev.template(words[off + 2]!, n, off + 4, words[off + 1]!);
    const values = Array.from({ length: n }, (_, i) => this.delay(words[off + 6 + 3 * i]!));
    return this.store(`new Attrs(${this.constant(keys)},[${values.join()}],${this.constant(positions)})`);
  }

  private update(off: number): string {
    const [first, ...others] = this.updateOperands(off, []).reverse();
    return this.store(first! + others.map((set) => `.update(${set})`).join(''));
  }

  /** Operands of a chain of `//`, rightmost first. */
  private updateOperands(off: number, out: string[]): string[] {
    this.count();
    for (const [at, side] of [
      [3, 'right'],
      [2, 'left'],
    ] as const) {
      const operand = this.words[off + at]!;
      if (this.words[operand] === Op.UPDATE) {
        this.updateOperands(operand, out);
        continue;
      }
      const set = this.variable();
      this.framed(`in the ${side} operand of '//'`, this.ev.positionOf(operand), () => {
        this.emit(`${set}=${this.value(operand)};if(!(${set} instanceof Attrs))notASet(ev,${set});`);
      });
      out.push(set);
    }
    return out;
  }

  /** `"${a}b"`: fast while all parts are strings. */
  private concat(off: number): string {
    const { words } = this;
    const n = words[off + 3]!;
    if (n > MAX_PARTS) return this.interpreted(off);
    const result = this.variable();
    const parts: string[] = [];
    const next = (): void => {
      if (parts.length === n) {
        this.emit(`${result}=${parts.join('+')};`);
        return;
      }
      const part = this.operand(words[off + 5 + 2 * parts.length]!, "in an operand of '+'");
      parts.push(part);
      if (typeof this.constantOf(part) === 'string') {
        next();
        return;
      }
      const all = parts.join();
      this.fork(`typeof ${part}==='string'`, next, () => {
        this.emit(`${result}=concatParts(ev,${off},${this.env()},[${all}]);`);
      });
    };
    next();
    return result;
  }

  /** LET, LET_HERE, WITH: makes what their bodies see. */
  private enter(off: number): void {
    const { words } = this;
    const op = words[off]!;
    if (op === Op.WITH) {
      const set = words[off + 2]!;
      // Only names are looked up in it: a literal needs no thunk.
      const n = words[set + 3]!;
      const isLiteral = words[set] === Op.ATTRS && n > 0 && n <= MAX_ELEMENTS;
      const { late } = this.isVariable(set) ? this.place(set) : {};
      let content: Content;
      if (isLiteral || late !== undefined) {
        const made = late ?? this.lateSet(set, false);
        content = { text: made.slot, late: made };
      } else content = { text: this.store(words[set] === Op.ATTRS ? this.attrs(set) : this.delay(set)) };
      this.fillSlot(this.push(words[off + 4]!), 1, content);
      return;
    }
    if (op === Op.LET) this.push(words[off + 2]!);
    const frame = this.frames.at(-1);
    if (frame === undefined) throw new Unfit();
    const first = op === Op.LET ? 1 : words[off + 2]!;
    const n = words[off + 4]!;
    const nodes = words.subarray(off + 5, off + 5 + n);
    const names: (string | undefined)[] = [];
    for (let i = 0; i < n; i++) {
      // An array that may be there already would have to be filled, too: then it is all there is.
      if (this.isMade(frame.array) === 'no') this.locals.push((names[i] = `${frame.array}s${first + i}`));
      frame.slots[first + i] = names[i];
    }
    const isThunk = (node: number): boolean =>
      words[node]! > Op.GLOBAL ||
      (words[node] === Op.VAR0 && words[node + 2]! >= first && words[node + 2]! < first + n);
    const isArrayWanted = this.isMade(frame.array) !== 'no' || nodes.some(isThunk);
    const array = isArrayWanted ? this.env() : '';
    nodes.forEach((node, i) => {
      const slot = this.delay(node, first + i, first + n);
      this.emit(
        `${isArrayWanted ? `${array}[${first + i}]=` : ''}${names[i] === undefined ? '' : `${names[i]}=`}${slot};`,
      );
    });
  }
}
