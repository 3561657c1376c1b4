// The engine: runs flat code (parser/code.ts) directly. `evaluate` is one switch over the kinds of nodes; what is rare
// or large lives in operations.ts, so that its JavaScript frame stays small: Nix recursion is JavaScript recursion.
// Tail positions (branches, bodies, calls of lambdas) loop instead of recursing, but count as calls all the same, so
// that depth is limited where Nix limits it.
// Frames are added where Nix's eval.cc adds them, in its words; a node's position is its second word.
import type { LambdaRecord } from '../parser/code.ts';
import { findStrictSlots } from '../parser/strictness.ts';
import type { Pos } from '../util/positions.ts';
import type { Sym } from '../util/symbols.ts';
import { Attrs, MIN_LARGE_SIZE } from './attrs.ts';
import { add, arithmetic } from './arithmetic.ts';
import { concatParts } from './concat.ts';
import { Calls } from './calls.ts';
import { SecondTier } from './compile/second-tier.ts';
import { newEnv, newFrame, newSlots } from './environment.ts';
import { equalValues } from './equality.ts';
import { Lambda, nestedRecord, type Env } from './lambda.ts';
import {
  assertionFailed,
  bindFormals,
  buildSet,
  largeSet,
  concatLists,
  currentPosition,
  hasPath,
  lookUpWith,
  selectOne,
  selectPath,
  updateSets,
} from './operations.ts';
import { notABoolean } from './failures.ts';
import type { SetTemplate } from './program.ts';
import { Thunk, VALUE } from './thunk.ts';
import { NixFloat, PathValue, Primop, type List, type Slot, type Value } from './value.ts';

const EMPTY_LIST: List = [];

export abstract class Interpreter extends Calls {
  override readonly code = this.program.code;
  override readonly tier = new SecondTier(this.self, this.code);
  /** Slots of the globals, as the emitter numbers them. */
  readonly globals: Slot[] = [];
  /** The builtins that operators stand for, by Op - Op.SUB: for what the fast path does not take. */
  readonly operators: Primop[] = [];
  // Side tables of the code: select caches by site, set templates, literals that are objects.
  readonly siteKeys = this.program.siteKeys;
  readonly siteIndexes = this.program.siteIndexes;
  readonly templates = this.program.templates;
  protected readonly literals = this.program.literals;

  /** Thunks of large literals are made when they are looked at. */
  readonly makesLate: boolean = true;

  /** The slot for an expression in a lazy place: a thunk, unless it is a constant or a variable that is filled. */
  delay(off: number, env: Env): Slot {
    const words = this.code.words;
    let slot: unknown;
    switch (words[off]) {
      case 0: // INT
        return words[off + 1]!;
      case 1: // CONST
        return this.code.constants[words[off + 1]!]!;
      case 2: // FLOAT
      case 3: // PATH
        return this.literal(off);
      case 4: // EMPTY_LIST
        return EMPTY_LIST;
      case 5: // VAR0
        slot = env[words[off + 2]!];
        break;
      case 6: // VAR1
        slot = (env[0] as Env)[words[off + 2]!];
        break;
      case 7: // VAR2
        slot = ((env[0] as Env)[0] as Env)[words[off + 2]!];
        break;
      case 8: // VARN
        slot = this.outerSlot(off, env);
        break;
      case 9: // GLOBAL
        return this.globals[words[off + 2]!]!;
      default:
        return new Thunk(off, env);
    }
    if (slot === undefined) return new Thunk(off, env);
    // A cell's identity shows only in functions, sets, lists and floats: the rest need not go through the thunk.
    if (slot instanceof Thunk && slot.off === VALUE && typeof slot.a !== 'object') return slot.a as Value;
    return slot as Slot;
  }

  /**
   * The slot for an argument: `n - 1` is computed at once where it will be evaluated and nothing can go wrong, and so is
   * a set whose attributes the call takes out.
   */
  private argument(off: number, env: Env, record: LambdaRecord, slot: number): Slot {
    const words = this.code.words;
    const op = words[off]!;
    if (op === 14 /* ATTRS */ && slot === record.base && record.formals !== null) {
      const set = this.attrs(off, env);
      return record.arg === null ? set : Thunk.evaluated(set);
    }
    if (op === 37 /* SUB */ || op === 34 /* ADD */ || op === 38 /* MUL */) {
      const strict = record.strict >= 0 ? record.strict : findStrictSlots(words, record);
      if ((strict & (1 << slot)) === 0) return new Thunk(off, env);
      const isAdd = op === 34;
      const a = this.quick(words[isAdd ? off + 3 : off + 2]!, env);
      const b = this.quick(words[isAdd ? off + 5 : off + 3]!, env);
      if (typeof a === 'number' && typeof b === 'number') {
        const result = op === 37 ? a - b : isAdd ? a + b : a * b + 0;
        if (result <= Number.MAX_SAFE_INTEGER && result >= Number.MIN_SAFE_INTEGER) return result;
      }
    }
    return this.delay(off, env);
  }

  /** Argument `index` of a call of a builtin that is made next: nobody else has it. */
  noteFresh(primop: Primop, index: number, off: number, arg: Slot): void {
    if (primop.takesItems === index && this.code.words[off] === 19 /* CALL2 */) this.fresh = arg;
  }

  /** The environment of a CALLN of lambdas that share a frame, `inner` being the last. */
  private enterMany(fn: Lambda, inner: LambdaRecord, off: number, env: Env): Env {
    const words = this.code.words;
    const { base } = fn.record;
    const callee = newFrame(fn, inner.envSize);
    const last = words[off + 3]! - 1;
    for (let i = 0; i < last; i++) callee[base + i] = this.argument(words[off + 4 + i]!, env, inner, base + i);
    const arg = this.argument(words[off + 4 + last]!, env, inner, base + last);
    if (inner.formals === null) callee[base + last] = arg;
    else bindFormals(this.self, inner, callee, arg, words[off + 1]!);
    return callee;
  }

  private outerSlot(off: number, env: Env): unknown {
    const words = this.code.words;
    for (let level = words[off + 3]!; level > 0; level--) env = env[0] as Env;
    return env[words[off + 2]!];
  }

  private literal(off: number): Value {
    const k = this.code.words[off + 1]!;
    const constant = this.code.constants[k];
    return (this.literals[k] ??=
      this.code.words[off] === 2 ? new NixFloat(constant as number) : new PathValue(constant as string));
  }

  /** The value of a variable that has one already; undefined for everything else. */
  private peek(off: number, env: Env): Value | undefined {
    const words = this.code.words;
    let slot: unknown;
    switch (words[off]) {
      case 5: // VAR0
        slot = env[words[off + 2]!];
        break;
      case 6: // VAR1
        slot = (env[0] as Env)[words[off + 2]!];
        break;
      case 7: // VAR2
        slot = ((env[0] as Env)[0] as Env)[words[off + 2]!];
        break;
      case 8: // VARN
        slot = this.outerSlot(off, env);
        break;
      case 9: // GLOBAL
        slot = this.globals[words[off + 2]!];
        break;
      default:
        return undefined;
    }
    if (slot instanceof Thunk) return slot.off === VALUE ? (slot.a as Value) : undefined;
    return slot as Value | undefined;
  }

  /** What needs no evaluation: values of variables that have one, small ints. */
  quick(off: number, env: Env): Value | undefined {
    return this.code.words[off] === 0 /* INT */ ? this.code.words[off + 1]! : this.peek(off, env);
  }

  evaluate(off: number, env: Env): Value {
    let words = this.code.words;
    let calls = 0;
    let value: Value;
    for (;;) {
      switch (words[off]) {
        case 0: // INT
          value = words[off + 1]!;
          break;
        case 1: // CONST
          value = this.code.constants[words[off + 1]!]!;
          break;
        case 2: // FLOAT
        case 3: // PATH
          value = this.literal(off);
          break;
        case 4: // EMPTY_LIST
          value = EMPTY_LIST;
          break;
        case 5: // VAR0
          value = this.force(env[words[off + 2]!] as Slot, words[off + 1]);
          break;
        case 6: // VAR1
          value = this.force((env[0] as Env)[words[off + 2]!] as Slot, words[off + 1]);
          break;
        case 7: // VAR2
          value = this.force(((env[0] as Env)[0] as Env)[words[off + 2]!] as Slot, words[off + 1]);
          break;
        case 8: // VARN
          value = this.force(this.outerSlot(off, env) as Slot, words[off + 1]);
          break;
        case 9: // GLOBAL
          value = this.force(this.globals[words[off + 2]!]!, words[off + 1]);
          break;
        case 10: // WITH_VAR
          value = this.force(lookUpWith(this.self, off, env), words[off + 1]);
          break;
        case 11: {
          // SELECT1
          const target = this.peek(words[off + 2]!, env);
          if (target instanceof Attrs) {
            const slot = this.attr(target, words[off + 3]! as Sym, words[off + 4]!);
            if (slot instanceof Thunk) {
              if (slot.off === VALUE) {
                value = slot.a as Value;
                break;
              }
            } else if (slot !== undefined) {
              value = slot;
              break;
            }
          }
          value = selectOne(this.self, off, env);
          break;
        }
        case 12: // SELECT
          value = selectPath(this.self, off, env);
          break;
        case 13: // HAS
          value = hasPath(this.self, off, env);
          break;
        case 14: // ATTRS
          value = this.attrs(off, env);
          break;
        case 15: // SET
          value = buildSet(this.self, off, env);
          break;
        case 16: {
          // LIST
          const n = words[off + 2]!;
          const list = newSlots(n);
          for (let i = 0; i < n; i++) list[i] = this.delay(words[off + 3 + i]!, env);
          value = list;
          break;
        }
        case 17: // LAMBDA
          value = new Lambda(this.code.lambdas[words[off + 2]!]!, env);
          break;
        case 18: {
          // CALL1
          const fn = this.peek(words[off + 2]!, env) ?? this.evaluate(words[off + 2]!, env);
          words = this.code.words;
          if (fn instanceof Lambda && !this.traceCalls) {
            const arg = this.argument(words[off + 3]!, env, fn.record, fn.record.base);
            if (this.depth > this.maxDepth || --this.fuel < 0) this.checkLimits(words[off + 1]!);
            this.depth++;
            calls++;
            const { record } = fn;
            if (record.code === null && ++record.calls === this.tier.hot) this.tier.heat(record, fn);
            if (record.code !== null && this.depth <= this.codeDepth) {
              value = this.run1(fn, record, arg, words[off + 1]!);
              break;
            }
            env = this.enter(fn, arg, words[off + 1]!);
            off = record.body;
            words = this.code.words;
            continue;
          }
          const arg = this.delay(words[off + 3]!, env);
          if (fn instanceof Primop && fn.arity === 1) {
            if (fn.takesItems === 0) this.noteFresh(fn, 0, words[off + 3]!, arg);
            value = this.invokeOne(fn, arg, words[off + 1]!);
          } else value = this.call(fn, [arg], words[off + 1]!);
          break;
        }
        case 19: {
          // CALL2
          const fn = this.peek(words[off + 2]!, env) ?? this.evaluate(words[off + 2]!, env);
          words = this.code.words;
          if (fn instanceof Lambda && !this.traceCalls) {
            const inner = fn.record.inner;
            if (inner !== null) {
              const { base } = fn.record;
              const first = this.argument(words[off + 3]!, env, inner, base);
              const second = this.argument(words[off + 4]!, env, inner, base + 1);
              if (this.depth > this.maxDepth || --this.fuel < 0) this.checkLimits(words[off + 1]!);
              this.depth++;
              calls++;
              if (inner.code === null && ++inner.calls === this.tier.hot) this.tier.heat(inner, fn);
              if (inner.code !== null && this.depth <= this.codeDepth) {
                value = this.run2(fn, inner, first, second, words[off + 1]!);
                break;
              }
              env = this.enterTwo(fn, inner, first, second, words[off + 1]!);
              off = inner.body;
              words = this.code.words;
              continue;
            }
          }
          const first = this.delay(words[off + 3]!, env);
          const second = this.delay(words[off + 4]!, env);
          if (fn instanceof Primop && fn.arity === 2) {
            if (fn.takesItems === 1) this.noteFresh(fn, 1, words[off + 4]!, second);
            value = this.invokeTwo(fn, first, second, words[off + 1]!);
          } else value = this.call(fn, [first, second], words[off + 1]!);
          break;
        }
        case 20: {
          // CALLN
          const fn = this.peek(words[off + 2]!, env) ?? this.evaluate(words[off + 2]!, env);
          words = this.code.words;
          const n = words[off + 3]!;
          if (fn instanceof Lambda && !this.traceCalls) {
            const inner = nestedRecord(fn.record, n - 1);
            if (inner !== null) {
              if (this.depth > this.maxDepth || --this.fuel < 0) this.checkLimits(words[off + 1]!);
              this.depth++;
              calls++;
              if (inner.code === null && ++inner.calls === this.tier.hot) this.tier.heat(inner, fn);
              if (inner.code !== null && this.depth <= this.codeDepth) {
                const args: Slot[] = [];
                for (let i = 0; i < n; i++) {
                  args.push(this.argument(words[off + 4 + i]!, env, inner, fn.record.base + i));
                }
                value = this.runMany(fn, inner, args, words[off + 1]!);
                break;
              }
              env = this.enterMany(fn, inner, off, env);
              off = inner.body;
              words = this.code.words;
              continue;
            }
          }
          const args: Slot[] = [];
          for (let i = 0; i < n; i++) args.push(this.delay(words[off + 4 + i]!, env));
          if (fn instanceof Primop && fn.arity === n && fn.takesItems >= 0) {
            this.noteFresh(fn, fn.takesItems, words[off + 4 + fn.takesItems]!, args[fn.takesItems]!);
          }
          value = this.call(fn, args, words[off + 1]!);
          break;
        }
        case 21: // LET
          env = newEnv(words[off + 2]!, env);
          this.fill(env, 1, off);
          off = words[off + 3]!;
          continue;
        case 22: // LET_HERE
          this.fill(env, words[off + 2]!, off);
          off = words[off + 3]!;
          continue;
        case 23: {
          // WITH
          const set = words[off + 2]!;
          // Only names are looked up in it: a literal needs no thunk.
          const slot = words[set] === 14 /* ATTRS */ && !this.traceCalls ? this.attrs(set, env) : this.delay(set, env);
          env = newEnv(words[off + 4]!, env);
          env[1] = slot;
          off = words[off + 3]!;
          continue;
        }
        case 24: // IF
          off = this.bool(words[off + 2]!, env, 'while evaluating a branch condition')
            ? words[off + 3]!
            : words[off + 4]!;
          continue;
        case 25: // ASSERT
          if (!this.bool(words[off + 2]!, env, 'in the condition of the assert statement')) {
            assertionFailed(this.self, off, env);
          }
          off = words[off + 3]!;
          continue;
        case 26: // NOT
          value = !this.bool(words[off + 2]!, env, "in the argument of '!'");
          break;
        case 27: // EQ
          value = this.equalOperands(off, env, "in the left operand of '=='", "in the right operand of '=='");
          break;
        case 28: // NEQ
          value = !this.equalOperands(off, env, "in the left operand of '!='", "in the right operand of '!='");
          break;
        case 29: // AND
          value =
            this.bool(words[off + 2]!, env, "in the left operand of '&&'") &&
            this.bool(words[off + 3]!, env, "in the right operand of '&&'");
          break;
        case 30: // OR
          value =
            this.bool(words[off + 2]!, env, "in the left operand of '||'") ||
            this.bool(words[off + 3]!, env, "in the right operand of '||'");
          break;
        case 31: // IMPL
          value =
            !this.bool(words[off + 2]!, env, "in the left operand of '->'") ||
            this.bool(words[off + 3]!, env, "in the right operand of '->'");
          break;
        case 32: // UPDATE
          value = updateSets(this.self, off, env);
          break;
        case 33: // CONCAT_LISTS
          value = concatLists(this.self, off, env);
          break;
        case 34: // ADD
          value = add(this.self, off, env);
          break;
        case 35: // CONCAT
          value = concatParts(this.self, off, env);
          break;
        case 36: // CUR_POS
          value = currentPosition(this.self, words[off + 1]!);
          break;
        case 37: // SUB
        case 38: // MUL
        case 39: // DIV
        case 40: // LESS
          value = arithmetic(this.self, off, env);
          break;
        default:
          throw new Error(`no such node: ${words[off] ?? 'none'}`);
      }
      break;
    }
    this.depth -= calls;
    return value;
  }

  /** The slot of an attribute, through the select cache `site`. */
  attr(set: Attrs, sym: Sym, site: number): Slot | undefined {
    const keys = set.flatKeys;
    if (keys === null) return set.get(sym);
    if (this.siteKeys[site] === keys) return set.values[this.siteIndexes[site]!];
    const i = keys.indexOf(sym);
    if (i < 0) return undefined;
    this.siteKeys[site] = keys;
    this.siteIndexes[site] = i;
    return set.values[i];
  }

  /** A set literal without `rec`, dynamic names or sources. */
  private attrs(off: number, env: Env): Value {
    const words = this.code.words;
    const n = words[off + 3]!;
    if (n === 0) return Attrs.EMPTY;
    const { keys, positions } = this.template(words[off + 2]!, n, off + 4, words[off + 1]!);
    if (n >= MIN_LARGE_SIZE && this.makesLate) return largeSet(this.self, keys, positions, off + 4, env, env);
    const values = newSlots(n);
    for (let i = 0, at = off + 6; i < n; i++, at += 3) values[i] = this.delay(words[at]!, env);
    return new Attrs(keys, values, positions);
  }

  abstract template(index: number, n: number, at: number, pos: Pos): SetTemplate;

  /** Values of a let. */
  protected fill(env: Env, first: number, off: number): void {
    const words = this.code.words;
    const n = words[off + 4]!;
    for (let i = 0; i < n; i++) env[first + i] = undefined;
    for (let i = 0; i < n; i++) env[first + i] = this.delay(words[off + 5 + i]!, env);
  }

  /** A condition. Comparisons of what is there already, which end most loops, need nothing of what follows. */
  protected bool(off: number, env: Env, why: string): boolean {
    const words = this.code.words;
    const op = words[off]!;
    if (op === 27 /* EQ */ || op === 40 /* LESS */) {
      const a = this.quick(words[off + 2]!, env);
      if (typeof a === 'number') {
        const b = this.quick(words[off + 3]!, env);
        if (typeof b === 'number') return op === 27 ? a === b : a < b;
      }
    }
    let value: Value;
    try {
      value = op === 40 ? arithmetic(this.self, off, env) : this.evaluate(off, env);
      if (typeof value !== 'boolean') notABoolean(this.self, value, this.positionOf(off));
    } catch (error) {
      throw this.frame(error, why, this.positionOf(off));
    }
    return value;
  }

  /** An operand: its errors say whose. */
  operand(off: number, env: Env, why: string): Value {
    const value = this.quick(off, env);
    if (value !== undefined) return value;
    try {
      return this.evaluate(off, env);
    } catch (error) {
      throw this.frame(error, why, this.positionOf(off));
    }
  }

  positionOf(off: number): Pos {
    return this.code.words[off]! <= 4 ? 0 : this.code.words[off + 1]!;
  }

  private equalOperands(off: number, env: Env, left: string, right: string): boolean {
    const words = this.code.words;
    const a = this.operand(words[off + 2]!, env, left);
    const b = this.operand(words[off + 3]!, env, right);
    if (typeof a === 'string' && typeof b === 'string') return a === b;
    return equalValues(this.self, a, b, words[off + 1]!);
  }
}
