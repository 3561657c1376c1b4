// An evaluator whose calls are watched and whose work is counted: for profiles, statistics and --trace-function-calls.
// It is a class of its own, so that an evaluation that nobody watches has nothing to ask on its way. Every call that
// Nix's callFunction would see is told, once.
import { LambdaRecord, Op } from '../parser/code.ts';
import type { Pos } from '../util/positions.ts';
import { Attrs } from './attrs.ts';
import { Evaluator, type EvaluatorOptions } from './evaluator.ts';
import type { SetTemplate } from './program.ts';
import { Lambda, type Env } from './lambda.ts';
import { FIRST_DELAYED } from './operations.ts';
import { Primop, PrimopApp, type Slot, type Value } from './value.ts';

/** What is called: a lambda expression, a builtin, a set with __functor, or what can't be called. */
export type Callee = LambdaRecord | Primop | typeof FUNCTOR_SET | typeof NOT_CALLABLE;
export const FUNCTOR_SET = 'functor';
export const NOT_CALLABLE = 'other';

export interface CallObserver {
  /** `pos` is where the call stands; 0 where a builtin calls, as Nix has it. */
  enter(callee: Callee, pos: Pos, args: readonly Slot[]): void;
  leave(pos: Pos): void;
}

/** As Nix counts; what stands at the end of an `if` below a `let` is not seen. */
export class WorkCounts {
  thunks = 0;
  avoided = 0;
  envs = 0;
  envElements = 0;
  sets = 0;
  setElements = 0;
  listElements = 0;
  listConcats = 0;
  updates = 0;
  updatedValues = 0;
  lookups = 0;
  primopCalls = 0;
  functionCalls = 0;
  lambdas = 0;

  /** Thunks, environments, sets, functions. */
  get values(): number {
    return this.thunks + this.envs + this.sets + this.lambdas;
  }
}

export class ObservedEvaluator extends Evaluator {
  readonly counts = new WorkCounts();
  private readonly observers: readonly CallObserver[];
  /** How many of the calls on the way are builtins': what they call is called from nowhere. */
  private inPrimop = false;

  constructor(options: EvaluatorOptions, observers: readonly CallObserver[]) {
    super(options);
    this.observers = observers;
    this.traceCalls = true;
    this.tier.stop();
  }

  private watched(callee: Callee, args: readonly Slot[], pos: Pos, run: () => Value): Value {
    const shown = this.inPrimop ? 0 : pos;
    const before = this.inPrimop;
    this.inPrimop = callee instanceof Primop;
    for (const observer of this.observers) observer.enter(callee, shown, args);
    try {
      return run();
    } finally {
      this.inPrimop = before;
      for (const observer of this.observers) observer.leave(shown);
    }
  }

  override call(fn: Slot, args: readonly Slot[], pos: Pos): Value {
    const f = this.force(fn, pos);
    return this.watched(calleeOf(f), args, pos, () => super.call(f, args, pos));
  }

  override invokeOne(primop: Primop, arg: Slot, pos: Pos): Value {
    this.counts.primopCalls++;
    return this.watched(primop, [arg], pos, () => super.invokeOne(primop, arg, pos));
  }

  override invokeTwo(primop: Primop, first: Slot, second: Slot, pos: Pos): Value {
    this.counts.primopCalls++;
    return this.watched(primop, [first, second], pos, () => super.invokeTwo(primop, first, second, pos));
  }

  override invoke(primop: Primop, args: readonly Slot[], pos: Pos): Value {
    this.counts.primopCalls++;
    return super.invoke(primop, args, pos);
  }

  /** Code that is not a builtin's: a call in it stands somewhere. */
  override evaluate(off: number, env: Env): Value {
    const before = this.inPrimop;
    this.inPrimop = false;
    try {
      const { counts } = this;
      let isUpdate = false;
      let own = true;
      const { words } = this.code;
      for (let at = off; ;) {
        switch (words[at]) {
          case Op.LET:
          case Op.WITH:
            own = false;
            counts.envs++;
            counts.envElements += words[words[at] === Op.LET ? at + 2 : at + 4]! - 1;
            at = words[at + 3]!;
            continue;
          case Op.LET_HERE:
            own = false;
            at = words[at + 3]!;
            continue;
          case Op.ASSERT:
            own = false;
            at = words[at + 3]!;
            continue;
          case Op.IF:
            if (!own) break;
            at = off = this.bool(words[at + 2]!, env, 'while evaluating a branch condition')
              ? words[at + 3]!
              : words[at + 4]!;
            continue;
          case Op.UPDATE:
            counts.updates++;
            isUpdate = true;
            break;
          case Op.CONCAT_LISTS:
            counts.listConcats++;
            break;
          case Op.SELECT1:
          case Op.SELECT:
          case Op.HAS:
            counts.lookups++;
            break;
          case Op.LIST:
            counts.listElements += words[at + 2]!;
            break;
          case Op.LAMBDA:
            counts.lambdas++;
            break;
        }
        break;
      }
      const value = super.evaluate(off, env);
      if (isUpdate && value instanceof Attrs) counts.updatedValues += value.size;
      return value;
    } finally {
      this.inPrimop = before;
    }
  }

  override readonly makesLate = false;

  override delay(off: number, env: Env): Slot {
    if (this.code.words[off]! >= FIRST_DELAYED) this.counts.thunks++;
    else this.counts.avoided++;
    return super.delay(off, env);
  }

  protected override enter(fn: Lambda, arg: Slot, pos: Pos): Env {
    this.entered(fn.record.envSize, 1);
    return super.enter(fn, arg, pos);
  }

  protected override enterTwo(fn: Lambda, inner: LambdaRecord, first: Slot, second: Slot, pos: Pos): Env {
    this.entered(inner.envSize, 2);
    return super.enterTwo(fn, inner, first, second, pos);
  }

  private entered(size: number, calls: number): void {
    this.counts.functionCalls += calls;
    this.counts.envs++;
    this.counts.envElements += size - 1;
  }

  override template(index: number, n: number, at: number, pos: Pos): SetTemplate {
    this.counts.sets++;
    this.counts.setElements += n;
    return super.template(index, n, at, pos);
  }
}

function calleeOf(value: Value): Callee {
  if (value instanceof Lambda) return value.record;
  if (value instanceof Primop) return value;
  if (value instanceof PrimopApp) return value.primop;
  return value instanceof Attrs ? 'functor' : 'other';
}
