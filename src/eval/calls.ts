// How functions are called and thunks are forced, from wherever: the interpreter's own tail calls excepted.
import type { Code, LambdaRecord } from '../parser/code.ts';
import { NixError } from '../util/errors.ts';
import type { Pos } from '../util/positions.ts';
import type { SecondTier } from './compile/second-tier.ts';
import { newFrame } from './environment.ts';
import type { Evaluator } from './evaluator.ts';
import { evaluateTraced, failThunk, forceApply, forceOther, notAFunction } from './failures.ts';
import { hostError } from './host-error.ts';
import type { Items } from './items.ts';
import { Lambda, type Env } from './lambda.ts';
import { CallLimits } from './limits.ts';
import { bindFormals } from './operations.ts';
import { APPLY, APPLY_NAMED, BLACKHOLE, FAILED, Thunk, VALUE } from './thunk.ts';
import type { Program } from './program.ts';
import { Primop, PrimopApp, type BuiltinRecord, type Slot, type Value } from './value.ts';

export abstract class Calls extends CallLimits {
  readonly program: Program;
  /** Calls of lambdas take the way on which they can be watched. */
  traceCalls = false;
  /** A thunk that only the builtin has whose argument it is: takeItems's. */
  fresh: Slot | null = null;
  /** Calls of lambdas leave frames in errors; only with `traceCalls`. */
  callFrames = false;

  constructor(program: Program) {
    super();
    this.program = program;
  }

  /** From now on. */
  setCallFrames(on: boolean): void {
    this.traceCalls = on;
    this.callFrames = on;
    if (on) this.tier.stop();
  }

  abstract readonly code: Code;
  abstract readonly tier: SecondTier;

  /** Runs code. */
  abstract evaluate(off: number, env: Env): Value;

  protected get self(): Evaluator {
    return this as unknown as Evaluator;
  }

  /** To weak head normal form. */
  force(slot: Slot, pos: Pos = 0): Value {
    if (slot instanceof Thunk) return slot.off === VALUE ? (slot.a as Value) : this.forceThunk(slot, pos);
    return slot;
  }

  forceThunk(thunk: Thunk, pos: Pos): Value {
    const off = thunk.off;
    if (off < 0) {
      if (off === APPLY || off <= APPLY_NAMED) return forceApply(this.self, thunk, pos);
      return forceOther(this.self, thunk, pos);
    }
    const env = thunk.a as Env;
    thunk.off = BLACKHOLE;
    thunk.a = undefined;
    let value: Value;
    try {
      value = this.code.words[off] === 42 /* DIRECT */ ? this.tier.run(off, env) : this.evaluate(off, env);
    } catch (error) {
      thunk.off = FAILED;
      thunk.a = error;
      throw failThunk(thunk, error, off, env);
    }
    thunk.off = VALUE;
    thunk.a = value;
    return value;
  }

  /** The environment of a lambda's body. */
  protected enter(fn: Lambda, arg: Slot, pos: Pos): Env {
    const record = fn.record;
    const env = newFrame(fn, record.envSize);
    if (record.formals === null) env[record.base] = arg;
    else bindFormals(this.self, record, env, arg, pos);
    return env;
  }

  /** The same for a lambda and the one that is its body. */
  protected enterTwo(fn: Lambda, inner: LambdaRecord, first: Slot, second: Slot, pos: Pos): Env {
    const base = fn.record.base;
    const env = newFrame(fn, inner.envSize);
    env[base] = first;
    if (inner.formals === null) env[base + 1] = second;
    else bindFormals(this.self, inner, env, second, pos);
    return env;
  }

  /** The body of a lambda that is called; `record` is its. */
  run1(fn: Lambda, record: LambdaRecord, arg: Slot, pos: Pos): Value {
    const { code } = record;
    if (code !== null && this.depth <= this.codeDepth) {
      if (record.base === 1) return code(fn.env, arg, pos);
      if (record.base === 2) return code(fn.env[0] as Env, fn.env[1], arg, pos);
    } else if (code === null && ++record.calls === this.tier.hot) this.tier.heat(record, fn);
    return this.evaluate(record.body, this.enter(fn, arg, pos));
  }

  /** The same for a lambda and the one that is its body, whose is `record`. */
  run2(fn: Lambda, record: LambdaRecord, first: Slot, second: Slot, pos: Pos): Value {
    const { code } = record;
    if (code !== null && this.depth <= this.codeDepth) {
      if (record.base === 2) return code(fn.env, first, second, pos);
    } else if (code === null && ++record.calls === this.tier.hot) this.tier.heat(record, fn);
    return this.evaluate(record.body, this.enterTwo(fn, record, first, second, pos));
  }

  /** The same for more of them; `record` is the innermost's. */
  runMany(fn: Lambda, record: LambdaRecord, args: readonly Slot[], pos: Pos): Value {
    const { code } = record;
    if (code !== null && this.depth <= this.codeDepth) {
      if (record.base === args.length) return code(fn.env, ...args, pos);
    } else if (code === null && ++record.calls === this.tier.hot) this.tier.heat(record, fn);
    const { base } = fn.record;
    const env = newFrame(fn, record.envSize);
    const last = args.length - 1;
    for (let i = 0; i < last; i++) env[base + i] = args[i];
    if (record.formals === null) env[base + last] = args[last];
    else bindFormals(this.self, record, env, args[last]!, pos);
    return this.evaluate(record.body, env);
  }

  /** The body of a lambda whose calls are watched. */
  evaluateBody(record: LambdaRecord, env: Env): Value {
    return this.evaluate(record.body, env);
  }

  /** `fn arg`, forced. */
  callOne(fn: Slot, arg: Slot, pos: Pos): Value {
    const f = this.force(fn, pos);
    if (!(f instanceof Lambda) || this.traceCalls) {
      return f instanceof Primop && f.arity === 1 ? this.invokeOne(f, arg, pos) : this.call(f, [arg], pos);
    }
    if (this.depth > this.maxDepth || --this.fuel < 0) this.checkLimits(pos);
    this.depth++;
    const value = this.run1(f, f.record, arg, pos);
    this.depth--;
    return value;
  }

  /** `fn first second`, forced. */
  callTwo(fn: Slot, first: Slot, second: Slot, pos: Pos): Value {
    const f = this.force(fn, pos);
    if (!(f instanceof Lambda) || this.traceCalls) {
      return f instanceof Primop && f.arity === 2
        ? this.invokeTwo(f, first, second, pos)
        : this.call(f, [first, second], pos);
    }
    const inner = f.record.inner;
    if (inner === null) return this.call(f, [first, second], pos);
    if (this.depth > this.maxDepth || --this.fuel < 0) this.checkLimits(pos);
    this.depth++;
    const value = this.run2(f, inner, first, second, pos);
    this.depth--;
    return value;
  }

  /** fn may be a lambda, primop or functor set; the result is forced. */
  call(fn: Slot, args: readonly Slot[], pos: Pos): Value {
    if (this.depth > this.maxDepth || --this.fuel < 0) this.checkLimits(pos);
    this.depth++;
    let f = this.force(fn, pos);
    let i = 0;
    while (i < args.length) {
      if (f instanceof Lambda) {
        const inner = f.record.inner;
        if (inner !== null && args.length - i >= 2) {
          const first = args[i]!;
          const second = args[i + 1]!;
          i += 2;
          f = this.traceCalls
            ? evaluateTraced(this.self, inner, this.enterTwo(f, inner, first, second, pos), pos)
            : this.run2(f, inner, first, second, pos);
        } else {
          const record: LambdaRecord = f.record;
          const arg = args[i++]!;
          f = this.traceCalls
            ? evaluateTraced(this.self, record, this.enter(f, arg, pos), pos)
            : this.run1(f, record, arg, pos);
        }
      } else if (f instanceof Primop) {
        const n = args.length - i;
        if (n < f.arity) {
          f = new PrimopApp(f, i === 0 ? args : args.slice(i));
          break;
        }
        const end = i + f.arity;
        f = this.invoke(f, i === 0 && n === f.arity ? args : args.slice(i, end), pos);
        i = end;
      } else if (f instanceof PrimopApp) {
        const missing: number = f.primop.arity - f.args.length;
        if (args.length - i < missing) {
          f = new PrimopApp(f.primop, [...f.args, ...args.slice(i)]);
          break;
        }
        f = this.invoke(f.primop, [...f.args, ...args.slice(i, i + missing)], pos);
        i += missing;
      } else {
        f = notAFunction(this.self, f, args[i++]!, pos);
      }
    }
    this.depth--;
    return f;
  }

  /** A builtin that takes one argument. */
  invokeOne(primop: Primop, arg: Slot, pos: Pos): Value {
    if (this.depth > this.maxDepth || --this.fuel < 0) this.checkLimits(pos);
    const depth = this.depth++;
    try {
      const value = this.force(primop.impl(this.self, pos, arg), pos);
      this.depth = depth; // what tryEval caught may have left it higher
      return value;
    } catch (error) {
      throw this.invocationFailed(primop, error, pos);
    }
  }

  /** A builtin that evaluates its one argument first and keeps only its value, of item `i`, which nobody else has. */
  invokeOnItem(primop: Primop, items: Items, i: number): Value {
    if (this.depth > this.maxDepth || --this.fuel < 0) this.checkLimits(0);
    const depth = this.depth++;
    try {
      const value = this.force(primop.impl(this.self, 0, items.force(this.self, i)), 0);
      this.depth = depth;
      return value;
    } catch (error) {
      throw this.invocationFailed(primop, error, 0);
    }
  }

  /** A builtin that takes two. */
  invokeTwo(primop: Primop, first: Slot, second: Slot, pos: Pos): Value {
    if (this.depth > this.maxDepth || --this.fuel < 0) this.checkLimits(pos);
    const depth = this.depth++;
    try {
      const value = this.force(primop.impl(this.self, pos, first, second), pos);
      this.depth = depth;
      return value;
    } catch (error) {
      throw this.invocationFailed(primop, error, pos);
    }
  }

  /** A builtin that takes two, called for the elements of a list. */
  invokeForItems(
    primop: Primop,
    makeItems: NonNullable<BuiltinRecord['makeItems']>,
    first: Slot,
    second: Slot,
    pos: Pos,
  ): Items {
    if (this.depth > this.maxDepth || --this.fuel < 0) this.checkLimits(pos);
    const depth = this.depth++;
    try {
      const items = makeItems(this.self, first, second);
      this.depth = depth;
      return items;
    } catch (error) {
      throw this.invocationFailed(primop, error, pos);
    }
  }

  private invocationFailed(primop: Primop, error: unknown, pos: Pos): unknown {
    if (primop.record.noTrace === true) return error;
    return this.frame(error, `while calling the '${primop.name}' builtin`, pos);
  }

  /** A builtin with all its arguments. */
  invoke(primop: Primop, args: readonly Slot[], pos: Pos): Value {
    const depth = this.depth;
    try {
      let result: Slot;
      switch (primop.arity) {
        case 1:
          result = primop.impl(this.self, pos, args[0]!);
          break;
        case 2:
          result = primop.impl(this.self, pos, args[0]!, args[1]!);
          break;
        default:
          result = primop.impl(this.self, pos, ...args);
      }
      const value = this.force(result, pos);
      this.depth = depth;
      return value;
    } catch (error) {
      throw this.invocationFailed(primop, error, pos);
    }
  }

  /** Adds a frame to what was caught; gives what to throw on. */
  frame(error: unknown, hint: string, pos: Pos): unknown {
    const nixError = hostError(error);
    return nixError instanceof NixError ? nixError.addFrame(hint, pos) : nixError;
  }
}
