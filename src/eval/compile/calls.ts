// Generated code for calls, their arguments, and formals.
import { Op, type LambdaRecord } from '../../parser/code.ts';
import { Primop } from '../value.ts';
import { VALUE } from '../thunk.ts';
import type { Frame } from './frame.ts';
import { findStrictSlots } from '../../parser/strictness.ts';
import { InlineWriter } from './inline.ts';

/** Calls with more arguments are left to the interpreter. */
export const MAX_ARGUMENTS = 4;
export const LARGEST = String(Number.MAX_SAFE_INTEGER);

export abstract class CallWriter extends InlineWriter {
  /** The lambda whose body this is; null: a thunk's code. */
  protected record: LambdaRecord | null = null;
  /** The call that comes next gives the value of the whole. */
  protected inTail = false;

  protected abstract attrs(off: number): string;

  /** CALL1, CALL2, CALLN of at most MAX_ARGUMENTS. */
  protected call(off: number, args: readonly number[]): string {
    const { words, inTail } = this;
    const pos = words[off + 1]!;
    this.inTail = false;
    const fn = this.value(words[off + 2]!);
    const known = this.constantOf(fn);
    if (known instanceof Primop) return this.callPrimop(known, fn, pos, args);
    const result = this.variable();
    const target = this.target(off, args);
    const other = (): void => {
      this.emit(`${result}=${this.callAny(off, fn, args, inTail)};`);
    };
    if (target === undefined) other();
    else {
      const record = this.constant(target.fn.record);
      const body = (): void => {
        this.emit(`${result}=${this.inlined(fn, target.fn, target.record, args, pos)};`);
      };
      this.fork(`${fn} instanceof Lambda&&${fn}.record===${record}`, body, other);
    }
    return result;
  }

  private callAny(off: number, fn: string, args: readonly number[], inTail: boolean): string {
    const pos = this.words[off + 1]!;
    const n = args.length;
    const result = this.variable();
    // What does not depend on who is called.
    const plain = args.map((arg) => (this.depends(arg) ? undefined : this.store(this.delay(arg))));
    const record = this.variable();
    const inner = n === 1 ? '' : n === 2 ? '.inner' : `,${record}=nested(${record},${n - 1})`;
    this.fork(
      `${fn} instanceof Lambda&&(${record}=${fn}.record${inner})!==null`,
      () => {
        const all = args.map((arg, i) => plain[i] ?? this.argument(arg, record, n - 1 - i));
        this.emit(`if(ev.depth>ev.maxDepth||--ev.fuel<0)ev.checkLimits(${pos});ev.depth++;`);
        if (inTail && this.record?.base === n) this.jump(fn, record, all, pos);
        const list = all.join();
        const shallow = this.ev.codeDepth === Infinity ? '' : `&&ev.depth<=${this.ev.codeDepth}`;
        const run = n > 2 ? `runMany(${fn},${record},[${list}],${pos})` : `run${n}(${fn},${record},${list},${pos})`;
        this.emit(
          `${result}=${record}.code!==null&&${record}.base===${n}${shallow}` +
            `?${record}.code(${fn}.env,${list},${pos}):ev.${run};ev.depth--;`,
        );
      },
      () => {
        const list = args.map((arg, i) => plain[i] ?? this.delay(arg)).join();
        this.emit(`${result}=callOther${n > 2 ? `N(ev,${fn},[${list}]` : `${n}(ev,${fn},${list}`},${off});`);
      },
    );
    return result;
  }

  /** A tail call of the lambda itself is a jump to the beginning. */
  private jump(fn: string, record: string, args: readonly string[], pos: number): void {
    this.jumps = true;
    const slots = args.map((arg, i) => `s${i + 1}=${arg};`).join('');
    this.emit(`if(${record}===${this.constant(this.record)}){up=${fn}.env;${slots}pos=${pos};calls++;continue;}`);
  }

  private callPrimop(primop: Primop, fn: string, pos: number, args: readonly number[]): string {
    const all = args.map((arg) => this.store(this.delay(arg)));
    const n = args.length;
    const { takesItems, arity } = primop;
    if (arity === n && takesItems >= 0 && this.words[args[takesItems]!] === Op.CALL2) {
      this.emit(`ev.fresh=${all[takesItems]!};`);
    }
    if (arity === n && n === 1) return this.store(`ev.invokeOne(${fn},${all.join()},${pos})`);
    if (arity === n && n === 2) return this.store(`ev.invokeTwo(${fn},${all.join()},${pos})`);
    return this.store(`ev.call(${fn},[${all.join()}],${pos})`);
  }

  /** Whether `argument` looks at the lambda that is called. */
  private depends(off: number): boolean {
    if (this.words[off] === Op.ATTRS) return true;
    return this.operands(off)?.every((operand) => this.isAtom(operand)) === true;
  }

  /** Of what is computed at once where the lambda is sure to want it. */
  private operands(off: number): [number, number] | undefined {
    const { words } = this;
    switch (words[off]) {
      case Op.ADD:
        return [words[off + 3]!, words[off + 5]!];
      case Op.SUB:
      case Op.MUL:
        return [words[off + 2]!, words[off + 3]!];
      default:
        return undefined;
    }
  }

  /** Interpreter's `argument`; `record` is the innermost lambda that is called, and this its last argument but `before`. */
  private argument(off: number, record: string, before: number): string {
    const { words } = this;
    const result = this.variable();
    if (words[off] === Op.ATTRS) {
      if (before > 0) return this.store(this.delay(off));
      this.fork(
        `${record}.formals!==null`,
        () => {
          this.emit(`${result}=${this.attrs(off)};`);
          this.emit(`if(${record}.arg!==null)${result}=new Thunk(${VALUE},${result});`);
        },
        () => {
          this.emit(`${result}=${this.delay(off)};`);
        },
      );
      return result;
    }
    const slot = before === 0 ? `${record}.base` : `${record}.base-${before}`;
    this.compute(off, result, `(strictSlots(ev,${record})&1<<${slot})!==0`);
    return result;
  }

  protected override computed(off: number, record: LambdaRecord, before: number): string | undefined {
    if (this.words[off] === Op.ATTRS || !this.depends(off)) return undefined;
    const strict = record.strict >= 0 ? record.strict : findStrictSlots(this.words, record);
    if ((strict & (1 << (record.base - before))) === 0) return undefined;
    const result = this.variable();
    this.compute(off, result, 'true');
    return result;
  }

  /** Arithmetic on what is there, if `condition` holds; a thunk where it is not as simple as that. */
  private compute(off: number, result: string, condition: string): void {
    const { words } = this;
    const [left, right] = this.operands(off)!;
    this.emit(`${result}=undefined;if(${condition}){`);
    const a = this.quick(left);
    const b = this.quick(right);
    const sum = words[off] === Op.ADD ? `${a}+${b}` : words[off] === Op.SUB ? `${a}-${b}` : `${a}*${b}+0`;
    this.emit(`if(typeof ${a}==='number'&&typeof ${b}==='number'){${result}=${sum};`);
    this.emit(`if(!(${result}<=${LARGEST}&&${result}>=-${LARGEST}))${result}=undefined;}}`);
    this.fork(`${result}===undefined`, () => {
      this.emit(`${result}=${this.delay(off)};`);
    });
  }

  /** Binds formals: at once where the set has one of the shapes that were seen last. */
  protected bindFormals(record: LambdaRecord, frame: Frame): void {
    const formals = record.formals!;
    const { base } = record;
    const arg = `s${base}`;
    if (record.arg === null) frame.slots[base] = undefined;
    const slots = formals.names.map((_, i) => formals.slots?.[i] ?? formals.first + i);
    const names = slots.map((slot) => `f${slot}`);
    const fallbacks = formals.fallbacks.map((off) => (off < 0 ? undefined : this.constantSlot(off)));
    const set = this.variable();
    const shapes: { keys: string; values: readonly (string | undefined)[] }[] = [];
    const note = (keys: object | null, indexes: Int32Array | null): void => {
      if (keys === null || indexes === null) return;
      const values = Array.from(indexes, (index, i) => (index < 0 ? fallbacks[i] : `${set}[${index}]`));
      if (!values.includes(undefined)) shapes.push({ keys: `${set}.flatKeys===${this.constant(keys)}`, values });
    };
    note(formals.cacheKeys, formals.cacheIndexes);
    note(formals.olderKeys, formals.olderIndexes);
    const bind = (): void => {
      const shared = Array.from({ length: base - 1 }, (_, i) => `${frame.array}[${i + 1}]=s${i + 1};`);
      this.emit(`${frame.array}=newEnv(${frame.size},up);${shared.join('')}`);
      this.emit(`bindFormals(ev,${this.constant(record)},${frame.array},${arg},pos);`);
      this.made.set(frame.array, 'yes');
    };
    if (shapes.length === 0) {
      bind();
      return;
    }
    this.emit(`${set}=${arg};if(${set} instanceof Thunk&&${set}.off===${VALUE})${set}=${set}.a;`);
    this.fork(
      `${set} instanceof Attrs&&(${shapes.map(({ keys }) => keys).join('||')})`,
      () => {
        const ways = shapes.map(
          ({ values }) => `${set}=${set}.values;${names.map((name, i) => `${name}=${values[i]!};`).join('')}`,
        );
        this.emit(ways.length === 1 ? ways[0]! : `if(${shapes[0]!.keys}){${ways[0]!}}else{${ways[1]!}}`);
      },
      () => {
        bind();
        this.emit(names.map((name, i) => `${name}=${frame.array}[${slots[i]!}];`).join(''));
      },
    );
    slots.forEach((slot, i) => (frame.slots[slot] = names[i]));
    this.locals.push(...names);
  }
}
