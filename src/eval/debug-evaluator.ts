// An evaluator that stops where something fails, at `builtins.break` and on request, with the names in sight. A class of
// its own, as ObservedEvaluator is: who debugs nothing pays nothing. It has a record of what is being evaluated (the
// traces that Nix's debugger shows), and runs code in which no scopes share a frame. Where Nix stops as an error is made,
// this stops where the error first passes something that is recorded, before anything is added to it.
import { Op, type LambdaRecord } from '../parser/code.ts';
import type { NodeScope, Scope } from '../parser/emit.ts';
import {
  EvalError,
  InterruptedError,
  MissingAttributeError,
  NixError,
  NotImplementedError,
  QuitError,
  RestrictedError,
} from '../util/errors.ts';
import type { Pos } from '../util/positions.ts';
import { symbolName, type Sym } from '../util/symbols.ts';
import { Attrs } from './attrs.ts';
import { newEnv } from './environment.ts';
import { Evaluator, type EvaluatorOptions } from './evaluator.ts';
import { notABoolean } from './failures.ts';
import type { Env, Lambda } from './lambda.ts';
import { assertionFailed, selectFrom, selectPathFrom, showPath } from './operations.ts';
import { printAttrName } from './print-string.ts';
import { Thunk, VALUE } from './thunk.ts';
import type { Slot, Value } from './value.ts';

/** Something that is being evaluated, or the error that it was stopped by. */
export interface DebugTrace {
  readonly hint: string;
  readonly pos: Pos;
  /** Of the expression; it may have another than what is shown. */
  readonly exprPos: Pos;
  readonly sees: NodeScope;
  readonly env: Env;
  readonly isError: boolean;
  readonly isSelection?: boolean;
}

/** Names of one environment, for who looks at a trace. */
export interface DebugLevel {
  readonly names: ReadonlyMap<Sym, Slot | undefined>;
  /** Of a `with` whose set is known. */
  readonly withSet: Attrs | null;
  readonly isWith: boolean;
}

/** Who is asked when evaluation has stopped. */
export interface DebugHost {
  /** @returns whether to go on; else evaluation ends with `error`, or with nothing if there is none */
  stopped(error: NixError | undefined): boolean;
}

/** At the end of a file there is nothing but the globals. */
const NOTHING: NodeScope = { scope: null, depth: 0 };
const WITH_NODE =
  /^(?:function '|undefined variable '|assertion '|dynamic attribute '|expected a Boolean|cannot add |a string that refers to)/;
const FAKE = 'Fake frame for debugging purposes';
const CONDITION = 'while evaluating a branch condition';
const ASSERTION = 'in the condition of the assert statement';

export class DebugEvaluator extends Evaluator {
  /** Innermost last. */
  readonly traces: DebugTrace[] = [];
  /** Stops at the next thing that is evaluated. */
  stepping = false;
  /** How many calls of tryEval are on the way. */
  tries = 0;
  private readonly host: DebugHost;
  /** Somebody is looking: what is evaluated for them does not stop. */
  private held = false;

  constructor(options: EvaluatorOptions, host: DebugHost) {
    super(options);
    this.host = host;
    this.debugged = true;
    this.scopes = new Map();
    this.traceCalls = true;
    this.tier.stop();
  }

  // What is recorded.

  private traced(hint: string, pos: Pos, off: number, env: Env, run: () => Value, isSelection = false): Value {
    const sees = this.scopes!.get(off) ?? NOTHING;
    return this.tracedIn({ hint, pos, exprPos: this.positionOf(off), sees, env, isError: false, isSelection }, run);
  }

  private tracedIn(trace: DebugTrace, run: () => Value): Value {
    const height = this.traces.length;
    this.traces.push(trace);
    try {
      if (this.stepping && !this.stop(undefined)) throw new QuitError('the debugger was left');
      return run();
    } catch (error) {
      this.caught(error);
      throw error;
    } finally {
      this.traces.length = height;
    }
  }

  /** Errors that Nix tells its debugger of with their node, by a frame that is none. */
  private failing(error: unknown, sees: NodeScope, exprPos: Pos, env: Env): unknown {
    if (this.isNews(error) && WITH_NODE.test(error.message)) {
      this.traces.push({ hint: FAKE, pos: exprPos, exprPos, sees, env, isError: true });
      this.caught(error);
      this.traces.pop();
    }
    return error;
  }

  private failingNode(error: unknown, off: number, env: Env): unknown {
    return this.failing(error, this.scopes!.get(off) ?? NOTHING, this.positionOf(off), env);
  }

  override evaluate(off: number, env: Env): Value {
    const { words } = this.code;
    switch (words[off]) {
      case Op.IF: {
        const branch = this.bool(words[off + 2]!, env, CONDITION) ? words[off + 3]! : words[off + 4]!;
        return this.evaluate(branch, env);
      }
      case Op.ASSERT:
        if (!this.bool(words[off + 2]!, env, ASSERTION)) {
          try {
            assertionFailed(this, off, env);
          } catch (error) {
            throw this.failingNode(error, off, env);
          }
        }
        return this.evaluate(words[off + 3]!, env);
      case Op.WITH: {
        const inner = newEnv(words[off + 4]!, env);
        inner[1] = this.delay(words[off + 2]!, env);
        return this.evaluate(words[off + 3]!, inner);
      }
      case Op.LET: {
        const inner = newEnv(words[off + 2]!, env);
        this.fill(inner, 1, off);
        const body = words[off + 3]!;
        const sees = this.scopes!.get(body) ?? NOTHING;
        const hint = "while evaluating a 'let' expression";
        return this.tracedIn({ hint, pos: 0, exprPos: 0, sees, env: inner, isError: false }, () =>
          this.evaluate(body, inner),
        );
      }
      case Op.CALL1:
      case Op.CALL2:
      case Op.CALLN:
      case Op.SUB:
      case Op.MUL:
      case Op.DIV:
      case Op.LESS:
        return this.traced('while calling a function', words[off + 1]!, off, env, () => super.evaluate(off, env));
      case Op.SELECT1:
      case Op.SELECT: {
        const target = this.operand(words[off + 2]!, env, 'while selecting an attribute');
        const one = words[off] === Op.SELECT1;
        const name = one
          ? printAttrName(symbolName(words[off + 3]! as Sym))
          : showPath(this, off, words[off + 5]!, env);
        const hint = `while evaluating the attribute '${name}'`;
        const run = (): Value => (one ? selectFrom(this, off, target) : selectPathFrom(this, off, env, target));
        return this.traced(hint, words[off + 1]!, off, env, run, true);
      }
      case Op.WITH_VAR:
      case Op.SET:
      case Op.ADD:
      case Op.CONCAT:
        try {
          return super.evaluate(off, env);
        } catch (error) {
          throw this.failingNode(error, off, env);
        }
      default:
        return super.evaluate(off, env);
    }
  }

  protected override bool(off: number, env: Env, why: string): boolean {
    let value: Value;
    try {
      value = this.evaluate(off, env);
      if (typeof value !== 'boolean') {
        try {
          notABoolean(this, value, this.positionOf(off));
        } catch (error) {
          throw this.failingNode(error, off, env);
        }
      }
    } catch (error) {
      throw this.frame(error, why, this.positionOf(off));
    }
    return value;
  }

  override evaluateBody(record: LambdaRecord, env: Env): Value {
    const name = record.name === null ? 'anonymous lambda' : `'${symbolName(record.name)}'`;
    return this.traced(`while calling ${name}`, record.pos, record.body, env, () => super.evaluateBody(record, env));
  }

  protected override evaluateFile(off: number, path: string): Value {
    const hint = `while evaluating the file '${path}':`;
    return this.traced(hint, this.positionOf(off), off, [null], () => super.evaluateFile(off, path));
  }

  override visitAttribute(slot: Slot, sym: Sym, pos: Pos, visit: () => void): void {
    if (!(slot instanceof Thunk) || slot.off < 0) {
      visit();
      return;
    }
    const hint = `while evaluating the attribute '${symbolName(sym)}'`;
    this.traced(hint, pos, slot.off, slot.a as Env, () => {
      visit();
      return null;
    });
  }

  protected override enter(fn: Lambda, arg: Slot, pos: Pos): Env {
    try {
      return super.enter(fn, arg, pos);
    } catch (error) {
      const body = this.scopes!.get(fn.record.body);
      const sees = body === undefined ? NOTHING : { scope: body.scope!.up, depth: body.depth - 1 };
      throw this.failing(error, sees, fn.record.pos, fn.env);
    }
  }

  /** Before anything is added to it. */
  override frame(error: unknown, hint: string, pos: Pos): unknown {
    this.caught(error);
    return super.frame(error, hint, pos);
  }

  // Stopping.

  /** Whether to stop for an error: once, and only for those that Nix's debugger is told of. */
  private isNews(error: unknown): error is EvalError {
    if (this.held || !(error instanceof EvalError) || error.debugged === true) return false;
    if (this.tries > 0 && this.settings.ignoreTry === true) return false;
    return !(
      error instanceof InterruptedError ||
      error instanceof RestrictedError ||
      error instanceof NotImplementedError
    );
  }

  private caught(error: unknown): void {
    const last = this.traces.at(-1);
    if (last === undefined || !this.isNews(error)) return;
    error.debugged = true;
    if (error instanceof MissingAttributeError && last.isSelection === true) {
      this.traces.push({ ...last, hint: FAKE, isError: true });
      this.stop(error);
      this.traces.pop();
    } else this.stop(error); // and then it goes on its way, whatever the answer was
  }

  override breakpoint(error?: NixError): void {
    if (this.traces.length === 0 || (this.tries > 0 && this.settings.ignoreTry === true)) return;
    if (!this.stop(error)) throw error ?? new QuitError('the debugger was left');
  }

  override catching<T>(run: () => T): T {
    this.tries++;
    try {
      return run();
    } finally {
      this.tries--;
    }
  }

  /** @returns whether to go on */
  private stop(error: NixError | undefined): boolean {
    if (this.held) return true;
    const last = this.traces.at(-1)!;
    const shown = error !== undefined && last.exprPos !== 0;
    if (shown) {
      // A breakpoint has no place of its own.
      const pos = error.pos !== 0 || error.atNowhere === true ? error.pos : last.exprPos;
      this.traces.push({ ...last, hint: error.message, pos, isError: true });
    }
    const { depth } = this;
    this.held = true;
    try {
      return this.host.stopped(error);
    } finally {
      this.held = false;
      this.depth = depth;
      if (shown) this.traces.pop();
    }
  }

  // What is in sight.

  /** Environments that a trace sees, innermost first, without the globals. */
  levels({ sees, env }: DebugTrace): DebugLevel[] {
    const found: DebugLevel[] = [];
    let at = env;
    let { depth } = sees;
    for (let scope: Scope | null = sees.scope; scope !== null; scope = scope.up) {
      for (; depth > scope.frame.depth; depth--) at = at[0] as Env;
      const names = new Map<Sym, Slot | undefined>();
      for (const [sym, slot] of scope.names ?? []) names.set(sym, at[slot] as Slot | undefined);
      found.push({ names, isWith: scope.names === null, withSet: scope.names === null ? known(at[1] as Slot) : null });
    }
    return found;
  }

  /** Every name that a trace sees and its value, as far as there is one yet. */
  variables(trace: DebugTrace): Map<Sym, Slot> {
    const all = new Map<Sym, Slot>();
    for (const { names, withSet } of this.levels(trace).reverse()) {
      for (const [sym, slot] of names) if (slot !== undefined) all.set(sym, slot);
      withSet?.keys.ids.forEach((id, i) => all.set(id as Sym, withSet.values[i]!));
    }
    return all;
  }
}

/** The set of a `with`, if it was evaluated. */
function known(slot: Slot): Attrs | null {
  const value = slot instanceof Thunk ? (slot.off === VALUE ? slot.a : null) : slot;
  return value instanceof Attrs ? value : null;
}
