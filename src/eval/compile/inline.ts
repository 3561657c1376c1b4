// Generated code for calls of functions that are known: where the lambda that was seen before is called again, its body
// stands in the caller's code. Its arguments are evaluated where the body wants them first, without a thunk, and a set
// that it takes apart is made only where something else wants it, too.
import { Op, type LambdaRecord } from '../../parser/code.ts';
import type { Sym } from '../../util/symbols.ts';
import { Lambda, nestedRecord } from '../lambda.ts';
import type { Content, Frame, Late } from './frame.ts';
import { SlotWriter } from './slots.ts';

/** How deep bodies stand in each other. */
const MAX_INLINED = 4;
const MAX_ATTRIBUTES = 16;

export abstract class InlineWriter extends SlotWriter {
  /** Lambdas whose bodies are being written, outermost first. */
  protected readonly open: LambdaRecord[] = [];
  /** Whether bodies are written into others. */
  private readonly inlines: boolean;

  constructor(...[ev, around, inlines]: [...ConstructorParameters<typeof SlotWriter>, boolean]) {
    super(ev, around);
    this.inlines = inlines;
  }

  /** An argument that is computed at once where the lambda is sure to want it. */
  protected abstract computed(off: number, record: LambdaRecord, before: number): string | undefined;

  /** The lambda, and the one below it that gets the last argument, whose body may stand in the place of a call. */
  protected target(off: number, args: readonly number[]): { fn: Lambda; record: LambdaRecord } | undefined {
    if (!this.inlines || this.open.length > MAX_INLINED) return undefined;
    const fn = this.sample(this.words[off + 2]!);
    if (!(fn instanceof Lambda)) return undefined;
    const record = nestedRecord(fn.record, args.length - 1);
    if (record?.base !== args.length || record.inner !== null || this.open.includes(record)) return undefined;
    return record.formals === null || this.fits(record, args.at(-1)!) ? { fn, record } : undefined;
  }

  /** Whether a node is a literal that has the formals, and such fallbacks as need no look at the arguments. */
  private fits(record: LambdaRecord, off: number): boolean {
    const { words } = this;
    const { names, fallbacks, ellipsis } = record.formals!;
    if (words[off] !== Op.ATTRS || words[off + 3]! > MAX_ATTRIBUTES) return false;
    const given = this.attributeNames(off);
    if (!ellipsis && given.some((sym) => !names.includes(sym))) return false;
    return names.every((name, i) => {
      if (given.includes(name)) return true;
      const fallback = fallbacks[i]!;
      return fallback >= 0 && (words[fallback]! > Op.GLOBAL || this.constantSlot(fallback) !== undefined);
    });
  }

  private attributeNames(off: number): Sym[] {
    return Array.from({ length: this.words[off + 3]! }, (_, i) => this.words[off + 4 + 3 * i]! as Sym);
  }

  /** A set literal that may never be made. `isCell`: in a slot whose identity shows. */
  protected lateSet(off: number, isCell: boolean): Late {
    const { words } = this;
    const n = words[off + 3]!;
    const template = this.ev.template(words[off + 2]!, n, off + 4, words[off + 1]!);
    const contents = Array.from({ length: n }, (_, i) => this.content(words[off + 6 + 3 * i]!));
    return this.late(off, { template, contents, isCell });
  }

  /** The set that a variable is sure to be, and where it has the attribute; -1: nowhere. */
  protected knownAttribute(target: number, sym: number): { late: Late; index: number } | undefined {
    const { late } = this.isVariable(target) ? this.place(target) : {};
    return late?.set === undefined ? undefined : { late, index: this.attributeNames(late.off).indexOf(sym as Sym) };
  }

  /** Writes the body of `record`, for a call at `pos` of `fn`, which is like `sample`. */
  protected inlined(fn: string, sample: Lambda, record: LambdaRecord, args: readonly number[], pos: number): string {
    const outer = this.variable();
    this.emit(`${outer}=${fn}.env;`);
    const { formals, base } = record;
    const contents = args.map((arg, i): Content => {
      if (i === args.length - 1 && formals !== null) {
        const late = this.lateSet(arg, true);
        return { text: late.slot, late };
      }
      const text = this.computed(arg, record, args.length - 1 - i);
      return text === undefined ? this.content(arg) : { text };
    });
    this.emit(`if(ev.depth>ev.maxDepth||--ev.fuel<0)ev.checkLimits(${pos});ev.depth++;`);
    const value = this.within([], () => {
      const frame = this.push(record.envSize, outer, sample.env);
      contents.forEach((content, i) => {
        if (i + 1 < base || formals === null || record.arg !== null) this.fillSlot(frame, i + 1, content);
      });
      if (formals !== null) this.fillFormals(frame, record, contents[base - 1]!.late!);
      this.open.push(record);
      const result = this.value(record.body);
      this.open.pop();
      return result;
    });
    this.emit('ev.depth--;');
    return value;
  }

  private fillFormals(frame: Frame, record: LambdaRecord, late: Late): void {
    const { names, slots, first, fallbacks } = record.formals!;
    const given = this.attributeNames(late.off);
    names.forEach((name, i) => {
      const index = given.indexOf(name);
      const content = index >= 0 ? late.set!.contents[index]! : this.fallback(fallbacks[i]!);
      this.fillSlot(frame, slots?.[i] ?? first + i, content);
    });
  }

  /** As for an argument, but a thunk for it sees slots that are not filled yet. */
  private fallback(off: number): Content {
    if (this.constantSlot(off) !== undefined) return this.content(off);
    const late = this.late(off);
    return { text: late.slot, late };
  }

  protected fillSlot(frame: Frame, slot: number, { text, late, value }: Content): void {
    frame.slots[slot] = text;
    frame.late[slot] = late;
    if (late === undefined && value !== undefined) this.known.set(`${frame.array}.${slot}`, value);
  }
}
