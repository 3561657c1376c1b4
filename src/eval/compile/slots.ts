// Generated code for variables, operands and lazy places: what Interpreter's `delay`, `peek` and `operand` do.
import { Op } from '../../parser/code.ts';
import type { Sym } from '../../util/symbols.ts';
import { Attrs } from '../attrs.ts';
import type { Evaluator } from '../evaluator.ts';
import { Thunk, VALUE } from '../thunk.ts';
import { Primop, type Slot, type Value } from '../value.ts';
import type { Env } from '../lambda.ts';
import type { Content, Late } from './frame.ts';
import { Writer } from './writer.ts';

export interface Place {
  /** Reads the slot. */
  readonly text: string;
  /** The same for all uses of the variable. */
  readonly key: string;
  readonly late?: Late | undefined;
}

export abstract class SlotWriter extends Writer {
  protected readonly ev: Evaluator;
  /** The environment around, as it was seen. */
  private readonly around: Env | null;

  constructor(ev: Evaluator, around: Env | null) {
    super();
    this.ev = ev;
    this.around = around;
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
    if (at < 0) {
      const outer = this.frames[0]?.outer ?? 'up';
      return { text: `${outer}${'[0]'.repeat(-at - 1)}[${slot}]`, key: `${outer}${at}.${slot}` };
    }
    const frame = this.frames[at]!;
    const late = frame.late[slot];
    if (late !== undefined) return { text: late.slot, key: late.value, late };
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
    const { text, key, late } = this.place(off);
    if (late !== undefined) return this.slotOf(late);
    const value = this.known.get(key);
    if (value !== undefined) return `(typeof ${value}==='object'?${text}:${value})`;
    const result = this.variable();
    const isDone = `${result} instanceof Thunk&&${result}.off===${VALUE}`;
    this.emit(`${result}=${text};if(${isDone}&&typeof ${result}.a!=='object')${result}=${result}.a;`);
    return result;
  }

  /** The value of a variable. `why`: it is an operand. */
  protected forced(off: number, why?: string): string {
    return this.forcedPlace(this.place(off), this.words[off + 1]!, why);
  }

  protected forcedPlace({ text, key, late }: Place, pos: number, why?: string): string {
    const known = this.known.get(key);
    if (known !== undefined) return known;
    const value = late?.value ?? this.variable();
    const slot = (): void => {
      const force =
        why === undefined
          ? `ev.forceThunk(${value},${pos})`
          : `forceOperand(ev,${value},${pos},${JSON.stringify(why)})`;
      this.emit(`${value}=${text};if(${value} instanceof Thunk)${value}=${value}.off===${VALUE}?${value}.a:${force};`);
    };
    if (late === undefined) slot();
    else this.forceLate(late, slot, pos, why);
    this.known.set(key, value);
    return value;
  }

  /** @param slot forces what is in the slot */
  private forceLate(late: Late, slot: () => void, pos: number, why?: string): void {
    const { value } = late;
    const evaluate = (): void => {
      if (late.set !== undefined) {
        this.slotOf(late);
        slot();
        return;
      }
      const body = (): void => {
        this.emit(`${value}=${this.within(late.frames, () => this.value(late.off))};`);
      };
      if (why === undefined) body();
      else this.framed(why, pos, body);
    };
    const isSlotMade = this.isMade(late.slot);
    const force = (): void => {
      if (isSlotMade === 'yes') slot();
      else if (isSlotMade === 'no') evaluate();
      else this.fork(`${late.slot}!==undefined`, slot, evaluate);
    };
    if (this.isMade(value) === 'no') force();
    else this.fork(`${value}===undefined`, force);
    this.made.set(value, 'yes');
  }

  protected override slotOf(late: Late): string {
    const { slot, value } = late;
    const cell = (): void => {
      this.emit(`${slot}=typeof ${value}==='object'?new Thunk(${VALUE},${value}):${value};`);
    };
    const thunk = (): void => {
      if (late.set === undefined) {
        const env = this.within(late.frames, () => this.env());
        this.emit(`${slot}=new Thunk(${this.ev.tier.thunk(late.off)},${env});`);
        return;
      }
      const { template, contents, isCell } = late.set;
      const values = contents.map((content) => (content.late === undefined ? content.text : this.slotOf(content.late)));
      const set = `new Attrs(${this.constant(template.keys)},[${values.join()}],${this.constant(template.positions)})`;
      this.emit(`${slot}=${isCell ? `new Thunk(${VALUE},${set})` : set};`);
    };
    const isEvaluated = this.isMade(value);
    const make = (): void => {
      if (isEvaluated === 'yes') cell();
      else if (isEvaluated === 'no') thunk();
      else this.fork(`${value}===undefined`, thunk, cell);
    };
    const isThere = this.isMade(slot);
    if (isThere === 'no') make();
    else if (isThere === 'maybe') this.fork(`${slot}===undefined`, make);
    this.made.set(slot, 'yes');
    return slot;
  }

  /** What is made when it is wanted: a node in the environments of this place, or a set. */
  protected late(off: number, set?: Late['set']): Late {
    const late = { slot: this.variable(), value: this.variable(), off, frames: [...this.frames], ...(set && { set }) };
    this.emit(`${late.slot}=${late.value}=undefined;`);
    return late;
  }

  /** The value of an attribute of a late set. */
  protected forcedContent(late: Late, index: number, pos: number): string {
    const content = late.set!.contents[index]!;
    if (content.value !== undefined) return content.value;
    return this.forcedPlace(
      { text: content.text, key: content.late?.value ?? `${late.slot}.${index}`, late: content.late },
      pos,
    );
  }

  /** What a node gave when it was looked at: a variable that had a value, or an attribute of one. */
  protected sample(off: number): Value | undefined {
    const { words } = this;
    let slot: Slot | undefined;
    if (words[off] === Op.SELECT1) {
      const set = this.sample(words[off + 2]!);
      slot = set instanceof Attrs ? set.get(words[off + 3]! as Sym) : undefined;
    } else if (words[off]! >= Op.VAR0 && words[off]! <= Op.VARN) {
      const level = words[off] === Op.VARN ? words[off + 3]! : words[off]! - Op.VAR0;
      let up = level - this.frames.length;
      let env = this.frames.length === 0 ? this.around : this.frames[0]!.around;
      for (; up > 0 && env !== null; up--) env = env[0] as Env | null;
      slot = up < 0 || env === null ? undefined : (env[words[off + 2]!] as Slot | undefined);
    }
    return slot instanceof Thunk ? (slot.off === VALUE ? (slot.a as Value) : undefined) : slot;
  }

  /** What a variable, constant or small expression puts into a slot of an environment that stands in this code. */
  protected content(off: number): Content {
    const constant = this.constantSlot(off);
    if (constant !== undefined) return { text: constant, value: this.literal(off) };
    if (this.isVariable(off)) {
      const { late, key } = this.place(off);
      if (late !== undefined) return { text: late.slot, late };
      return { text: this.store(this.delay(off)), value: this.known.get(key) };
    }
    if ([Op.LAMBDA, Op.LIST, Op.ATTRS, Op.SET].includes(this.words[off] as 14)) {
      return { text: this.store(this.delay(off)) };
    }
    const late = this.late(off);
    return { text: late.slot, late };
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

  /** What is in a slot that is there. */
  protected isAtom(off: number): boolean {
    if (this.words[off]! > Op.GLOBAL) return false;
    if (!this.isVariable(off)) return true;
    const { late, key } = this.place(off);
    return late === undefined || this.known.has(key);
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
