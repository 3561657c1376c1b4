// Generated code for variables, operands and lazy places: what Interpreter's `delay`, `peek` and `operand` do.
import { Op } from '../../parser/code.ts';
import type { Sym } from '../../util/symbols.ts';
import { Attrs } from '../attrs.ts';
import type { Evaluator } from '../evaluator.ts';
import { Thunk, VALUE } from '../thunk.ts';
import { Primop } from '../value.ts';
import { Writer } from './writer.ts';

interface Place {
  /** Reads the slot. */
  readonly text: string;
  /** The same for all uses of the variable. */
  readonly key: string;
}

export abstract class SlotWriter extends Writer {
  protected readonly ev: Evaluator;

  constructor(ev: Evaluator) {
    super();
    this.ev = ev;
  }

  protected get words(): Int32Array {
    return this.ev.code.words;
  }

  /** Writes an evaluation; what it gives is the text of its value: a variable, a constant, or little more. */
  protected abstract value(off: number): string;

  /** An atom that may have to be evaluated. */
  protected isVariable(off: number): boolean {
    const op = this.words[off]!;
    return op >= Op.VAR0 && (op <= Op.VARN || (op === Op.GLOBAL && this.literal(off) === undefined));
  }

  protected place(off: number): Place {
    const { words } = this;
    const op = words[off]!;
    if (op === Op.GLOBAL) return { text: this.constantSlot(off)!, key: `g${words[off + 2]!}` };
    return this.slotAt(op === Op.VARN ? words[off + 3]! : op - Op.VAR0, words[off + 2]!);
  }

  /** A slot so many environments up. */
  protected slotAt(level: number, slot: number): Place {
    const at = this.frames.length - 1 - level;
    if (at < 0) return { text: `up${'[0]'.repeat(-at - 1)}[${slot}]`, key: `${-at}.${slot}` };
    const frame = this.frames[at]!;
    return { text: frame.slots[slot] ?? `${frame.array}[${slot}]`, key: `${frame.array}.${slot}` };
  }

  /** What an atom gives to a lazy place, if that is known now. */
  protected constantSlot(off: number): string | undefined {
    const { words, ev } = this;
    if (words[off]! <= Op.EMPTY_LIST) return this.constant(ev.evaluate(off, [null]));
    return words[off] === Op.GLOBAL ? this.constant(ev.globals[words[off + 2]!]) : undefined;
  }

  /** A value that is known now. */
  protected literal(off: number): string | undefined {
    const { words, ev } = this;
    let slot: unknown;
    switch (words[off]) {
      case Op.GLOBAL:
        slot = ev.globals[words[off + 2]!];
        if (slot instanceof Thunk) return slot.off === VALUE ? this.constant(slot.a) : undefined;
        return this.constant(slot);
      case Op.SELECT1: {
        // `builtins.map`
        const target = words[off + 2]!;
        const set = words[target] === Op.GLOBAL ? ev.globals[words[target + 2]!] : undefined;
        slot = set instanceof Attrs ? set.get(words[off + 3]! as Sym) : undefined;
        return slot instanceof Primop ? this.constant(slot) : undefined;
      }
      default:
        return this.constantSlot(off);
    }
  }

  /**
   * What a lazy place gets.
   * @param unfilled slots of this environment from here to `end` are not filled yet
   */
  protected delay(off: number, unfilled = 0, end = 0): string {
    const constant = this.constantSlot(off);
    if (constant !== undefined) return constant;
    const { words } = this;
    const slot = words[off + 2]!;
    if (!this.isVariable(off) || (words[off] === Op.VAR0 && slot >= unfilled && slot < end)) {
      const env = this.env();
      return `new Thunk(${this.ev.tier.thunk(off)},${env})`;
    }
    const { text, key } = this.place(off);
    const value = this.known.get(key);
    if (value !== undefined) return `(typeof ${value}==='object'?${text}:${value})`;
    const result = this.variable();
    const isDone = `${result} instanceof Thunk&&${result}.off===${VALUE}`;
    this.emit(`${result}=${text};if(${isDone}&&typeof ${result}.a!=='object')${result}=${result}.a;`);
    return result;
  }

  /** The value of a variable. `why`: it is an operand. */
  protected forced(off: number, why?: string): string {
    const { text, key } = this.place(off);
    const known = this.known.get(key);
    if (known !== undefined) return known;
    const value = this.variable();
    const pos = this.words[off + 1]!;
    const force =
      why === undefined ? `ev.forceThunk(${value},${pos})` : `forceOperand(ev,${value},${pos},${JSON.stringify(why)})`;
    this.emit(`${value}=${text};if(${value} instanceof Thunk)${value}=${value}.off===${VALUE}?${value}.a:${force};`);
    this.known.set(key, value);
    return value;
  }

  protected operand(off: number, why: string): string {
    const literal = this.literal(off);
    if (literal !== undefined) return literal;
    if (this.isVariable(off)) return this.forced(off, why);
    const result = this.variable();
    this.framed(why, this.ev.positionOf(off), () => {
      this.emit(`${result}=${this.value(off)};`);
    });
    return result;
  }

  protected isAtom(off: number): boolean {
    return this.words[off]! <= Op.GLOBAL;
  }
  /** An atom that is sure to have a value here. */
  protected isKnown(off: number): boolean {
    return !this.isVariable(off) || this.known.has(this.place(off).key);
  }
  /** The value of an atom; undefined where it has none yet. */
  protected quick(off: number): string {
    if (!this.isVariable(off)) return this.literal(off)!;
    const { text, key } = this.place(off);
    const known = this.known.get(key);
    if (known !== undefined) return known;
    const value = this.variable();
    this.emit(`${value}=${text};if(${value} instanceof Thunk)${value}=${value}.off===${VALUE}?${value}.a:undefined;`);
    return value;
  }

  /** A slot that holds an attribute, or undefined. */
  protected attribute(set: string, sym: number, site: number): string {
    const cache = `q${this.caches.length}`;
    this.caches.push(`${cache}k=0`, `${cache}i=0`);
    const slot = this.variable();
    this.emit(
      `if(${set}.flatKeys===${cache}k)${slot}=${set}.values[${cache}i];` +
        `else{${slot}=ev.attr(${set},${sym},${site});` +
        `if(${slot}!==undefined&&${set}.flatKeys!==null&&ev.siteKeys[${site}]===${set}.flatKeys)` +
        `{${cache}k=${set}.flatKeys;${cache}i=ev.siteIndexes[${site}];}}`,
    );
    return slot;
  }
}
