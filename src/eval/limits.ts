// What stops an evaluation that is on its way: its depth, somebody who asks for it, or a limit. The interpreter counts
// calls down and comes here when its fuel is used up; nothing else costs anything on the way.
import { InterruptedError, LimitError, StackOverflowError } from '../util/errors.ts';
import type { Pos } from '../util/positions.ts';

/** Calls between two looks: a millisecond or two. */
const FUEL = 16_384;
/** Bytes of long strings and lists between two looks at the memory. */
const LOOK_BYTES = 1 << 23;

export interface Limits {
  /** Calls of functions that may still be made; counted down by as many as were handed out. */
  steps?: number;
  /** `performance.now()` at which to stop. */
  readonly deadline?: number | undefined;
  /** Why to stop, or undefined to go on. */
  readonly stopped?: (() => string | undefined) | undefined;
}

export class CallLimits {
  /** Nested calls, coercions, deep forces and comparisons, as Nix counts them. */
  depth = 0;
  maxDepth = 10_000;
  /** Where calls are nested deeper, the interpreter makes them: its tail calls take none of JavaScript's stack. */
  codeDepth = Infinity;
  /** Calls until the limits are looked at. */
  fuel = FUEL;
  /** All fuel that there was. */
  private handedOut = FUEL;
  private limits: Limits | null = null;
  /** Throws where so many more bytes cannot be had, if the host can tell. */
  checkRoom: ((bytes: number) => void) | null = null;
  /** Bytes taken since the memory was looked at. */
  private taken = 0;

  /** From now on; null: none but the depth. */
  setLimits(limits: Limits | null): void {
    this.limits = limits;
    this.refuel(limits === null ? FUEL : 0);
  }

  /** Before so many bytes are taken at once. @throws EvalError, LimitError where they are not there */
  expectRoom(bytes: number): void {
    this.taken = 0;
    this.checkRoom?.(bytes);
  }

  /** Before a builtin makes a string or a list of so many bytes, which may be much for one call. @throws as expectRoom */
  takes(bytes: number): void {
    this.taken += bytes;
    if (this.taken > LOOK_BYTES) this.expectRoom(bytes);
  }

  /** Work like a call's, of builtins that make many values of one text. @throws as checkLimits */
  readonly spend = (): void => {
    if (--this.fuel < 0) this.checkLimits(0);
  };

  /** Too deep, or time to look whether to go on. @throws StackOverflowError, InterruptedError, LimitError */
  checkLimits(pos: Pos): void {
    if (this.depth > this.maxDepth) {
      throw new StackOverflowError('stack overflow; max-call-depth exceeded', { pos });
    }
    this.refuel(FUEL);
    this.expectRoom(0);
    const { limits } = this;
    if (limits === null) return;
    const reason = limits.stopped?.();
    if (reason !== undefined) throw new InterruptedError(reason, { pos });
    if (limits.deadline !== undefined && performance.now() > limits.deadline) {
      throw new LimitError('evaluation takes longer than it may', { pos });
    }
    if (limits.steps === undefined) return;
    if (limits.steps <= 0) throw new LimitError('evaluation calls more functions than it may', { pos });
    this.refuel(Math.min(FUEL, limits.steps));
    limits.steps -= this.fuel;
  }

  private refuel(fuel: number): void {
    this.handedOut += fuel - this.fuel;
    this.fuel = fuel;
  }

  /** Calls made until now. */
  get spent(): number {
    return this.handedOut - this.fuel;
  }
}
