// Runs a program as libstdc++'s depth-first executor does: both sides of `|` are explored and the longest match wins
// (its captures are those of the first path that reached that end); a loop is left only where another round led to no
// match; a loop makes at most two rounds at one place. Unlike there, the search keeps its own stack, and once it takes
// long it remembers which (state, position) pairs it has been at behind a consumed byte: what follows from there does
// not depend on how it was reached, so that time is bounded by states times length.
import { ACCEPT, ALTERNATIVE, BEGIN, CLOSE, END, LOOP, OPEN, REPEAT, RUN, SET, type Program } from './program.ts';
import { RegexSpaceError } from './syntax.ts';

export interface MatchFlags {
  /** The whole text from `begin` on must match. */
  readonly exact: boolean;
  /** Empty matches do not count. */
  readonly notNull: boolean;
  /** `begin` is not the start of the text: `^` does not match there. */
  readonly previousAvailable: boolean;
}

/** Steps before memory is used to save time. */
const MEMO_AFTER = 5000;
/** Bytes of memory for that. */
const MEMO_LIMIT = 1 << 28;
/** Steps per byte of text (and state) that a match may take: only loops in loops of empty rounds get there. */
const STEP_FACTOR = 200;
const STEP_FLOOR = 20_000_000;
/** … and that all matches in a text may take together: some seconds. */
const TOTAL_STEPS = 500_000_000;

const NO_RESULT = 0;
const FRUITLESS = 1;
const FRUITFUL = 2;

// Entries of the stack: what to do when everything above is done. Five ints each: kind, a, b, c, d.
const TRY = 0; // explore state a at b
const TRY_UNLESS_FOUND = 1; // … unless something was found since there were c solutions
const RESTORE_START = 2; // captures of group a
const RESTORE_END = 3;
const RESTORE_ROUND = 4; // loop a had position b, count c
const REMEMBER = 5; // memo cell a; c solutions before
const GIVE_BACK = 6; // leave loop a at b, then before it down to d, unless something was found since c

/** Typed arrays cost more to make than to use where a pattern is used once. */
function zeros(count: number): number[] {
  const out: number[] = [];
  for (let i = 0; i < count; i++) out.push(0);
  return out;
}

/** Where every matcher's stack begins: one is at work at a time. */
const smallStack = new Int32Array(256);

export class Matcher {
  /** Of the last match: [start, end) per group, 0 being the whole; -1 where unmatched. */
  readonly result: number[];
  private readonly program: Program;
  private readonly memoAfter: number;
  private text = '';
  private readonly captureStart: number[];
  private readonly captureEnd: number[];
  private readonly roundPosition: number[];
  private readonly roundCount: number[];
  /** The last stretch of bytes that a LOOP or RUN took in. */
  private readonly runStart: number[];
  private readonly runEnd: number[];
  private stack = smallStack;
  private top = 0;
  private memo: Uint8Array | null = null;
  private steps = 0;

  /** `memoAfter`: steps before memory is used to save time. */
  constructor(program: Program, memoAfter = MEMO_AFTER) {
    this.program = program;
    this.memoAfter = memoAfter;
    this.result = zeros(2 * (program.groups + 1));
    this.captureStart = zeros(program.groups + 1);
    this.captureEnd = zeros(program.groups + 1);
    this.roundPosition = zeros(program.op.length);
    this.roundCount = zeros(program.op.length);
    this.runStart = zeros(program.op.length);
    this.runEnd = zeros(program.op.length);
  }

  /** What matchAt() and search() are about from now on. */
  setText(text: string): void {
    this.text = text;
    this.memo = null;
    this.steps = 0;
    this.runStart.fill(0);
    this.runEnd.fill(-1);
  }

  /** Keeps no text and no large stack alive. */
  release(): void {
    this.setText('');
    this.stack = smallStack;
  }

  /**
   * Matches at `begin`; the result is in `result`.
   * @throws RegexSpaceError
   */
  matchAt(begin: number, flags: MatchFlags): boolean {
    const { program, text, captureStart, captureEnd, roundPosition, roundCount, runStart, runEnd } = this;
    const { op, next, alt, arg, sets } = program;
    const length = text.length;
    const stepLimit = Math.min(
      this.steps + STEP_FLOOR + STEP_FACTOR * (length + op.length),
      TOTAL_STEPS + STEP_FACTOR * length,
    );
    captureStart.fill(-1);
    captureEnd.fill(-1);
    roundCount.fill(0);
    this.top = 0;
    let solutions = 0;
    let best = -1;
    let state = program.start;
    let at = begin;
    /** Where a byte was just consumed and no loop was entered since: what follows depends on state and place alone. */
    let clean = -1;
    for (;;) {
      // Follow one path; `dead` leaves it.
      path: for (;;) {
        this.steps++;
        switch (op[state]) {
          case SET: {
            if (at >= length || sets[arg[state]!]![text.charCodeAt(at)] === 0) break path;
            state = next[state]!;
            at++;
            clean = at;
            if (this.steps > this.memoAfter && op[state]! < LOOP) {
              const memo = (this.memo ??= this.makeMemo());
              const cell = state * (length + 1) + at;
              const known = memo[cell]!;
              if (known === FRUITFUL) solutions++;
              if (known !== NO_RESULT) break path;
              this.push(REMEMBER, cell, 0, solutions);
            }
            continue;
          }
          case BEGIN:
            if (at !== begin || flags.previousAvailable) break path;
            state = next[state]!;
            continue;
          case END:
            if (at !== length) break path;
            state = next[state]!;
            continue;
          case OPEN: {
            const group = arg[state]!;
            this.push(RESTORE_START, group, captureStart[group]!, 0);
            captureStart[group] = at;
            state = next[state]!;
            continue;
          }
          case CLOSE: {
            const group = arg[state]!;
            // The start belongs to this end only from here on; until then an earlier round's pair stands.
            this.push(RESTORE_END, group, captureEnd[group]!, 0);
            captureEnd[group] = at;
            state = next[state]!;
            continue;
          }
          case ALTERNATIVE:
            this.push(TRY, next[state]!, at, 0);
            state = alt[state]!;
            continue;
          case RUN:
          case LOOP: {
            const isRun = op[state] === RUN;
            const set = sets[arg[state]!]!;
            const from = at;
            const memo = this.steps > this.memoAfter ? (this.memo ??= this.makeMemo()) : null;
            if (memo !== null) {
              const cell = state * (length + 1) + at;
              // Was it here before, or one more round tried?
              let known = clean === at ? memo[cell]! : NO_RESULT;
              if (known !== NO_RESULT) {
                if (known === FRUITFUL) solutions++;
                break path;
              }
              if (clean === at) this.push(REMEMBER, cell, 0, solutions);
              if (!isRun && at < length && set[text.charCodeAt(at)] === 1) {
                known = memo[cell + 1]!;
                if (known === FRUITFUL) {
                  solutions++;
                  break path;
                }
                if (known === FRUITLESS) {
                  state = next[state]!;
                  continue;
                }
              }
            }
            if (from >= runStart[state]! && from <= runEnd[state]!) at = runEnd[state]!;
            else {
              while (at < length && set[text.charCodeAt(at)] === 1) at++;
              this.steps += at - from;
              runStart[state] = from;
              runEnd[state] = at;
            }
            if (at > from) {
              if (!isRun) this.push(GIVE_BACK, state, at - 1, solutions, from);
              clean = at;
            }
            state = next[state]!;
            continue;
          }
          case REPEAT: {
            const count = roundCount[state]!;
            const fresh = count === 0 || roundPosition[state] !== at;
            if (!fresh && count >= 2) {
              state = next[state]!;
              continue;
            }
            this.push(TRY_UNLESS_FOUND, next[state]!, at, solutions);
            this.push(RESTORE_ROUND, state, roundPosition[state]!, count);
            clean = -1;
            roundPosition[state] = at;
            roundCount[state] = fresh ? 1 : count + 1;
            state = alt[state]!;
            continue;
          }
          case ACCEPT:
          default:
            if ((flags.exact && at !== length) || (flags.notNull && at === begin)) break path;
            solutions++;
            if (at > best) {
              best = at;
              this.record(begin, at);
            }
            break path;
        }
      }
      if (this.steps > stepLimit) throw new RegexSpaceError();
      // Unwind to the next path.
      clean = -1;
      let resumed = false;
      while (this.top > 0 && !resumed) {
        const { stack } = this; // push() may have replaced it
        this.top -= 5;
        const a = stack[this.top + 1]!;
        const b = stack[this.top + 2]!;
        const c = stack[this.top + 3]!;
        switch (stack[this.top]) {
          case TRY_UNLESS_FOUND:
            if (solutions > c) break;
            state = a;
            at = b;
            resumed = true;
            break;
          case TRY:
            state = a;
            at = b;
            resumed = true;
            break;
          case GIVE_BACK: {
            if (this.steps > this.memoAfter) {
              const memo = (this.memo ??= this.makeMemo());
              memo[a * (length + 1) + b + 1] = solutions > c ? FRUITFUL : FRUITLESS;
            }
            if (solutions > c) break;
            const floor = stack[this.top + 4]!;
            if (b > floor) this.push(GIVE_BACK, a, b - 1, c, floor);
            state = next[a]!;
            at = b;
            if (b > floor) clean = b;
            resumed = true;
            break;
          }
          case RESTORE_START:
            captureStart[a] = b;
            break;
          case RESTORE_END:
            captureEnd[a] = b;
            break;
          case RESTORE_ROUND:
            roundPosition[a] = b;
            roundCount[a] = c;
            break;
          case REMEMBER:
          default:
            this.memo![a] = solutions > c ? FRUITFUL : FRUITLESS;
        }
      }
      if (!resumed) return best >= 0;
    }
  }

  private record(begin: number, end: number): void {
    const { result, captureStart, captureEnd } = this;
    result[0] = begin;
    result[1] = end;
    for (let group = 1; group < captureStart.length; group++) {
      const stop = captureEnd[group]!;
      result[2 * group] = stop < 0 ? -1 : captureStart[group]!;
      result[2 * group + 1] = stop;
    }
  }

  private push(kind: number, a: number, b: number, c: number, d = 0): void {
    if (this.top + 5 > this.stack.length) {
      if (this.stack.length >= MEMO_LIMIT / 4) throw new RegexSpaceError();
      const larger = new Int32Array(this.stack.length * 2);
      larger.set(this.stack);
      this.stack = larger;
    }
    const { stack, top } = this;
    stack[top] = kind;
    stack[top + 1] = a;
    stack[top + 2] = b;
    stack[top + 3] = c;
    stack[top + 4] = d;
    this.top = top + 5;
  }

  private makeMemo(): Uint8Array {
    const size = this.program.op.length * (this.text.length + 1);
    if (size > MEMO_LIMIT) throw new RegexSpaceError();
    return new Uint8Array(size);
  }

  /**
   * Finds the leftmost match from `begin` on.
   * @throws RegexSpaceError
   */
  search(begin: number, previousAvailable: boolean, firstBytes: Uint8Array | null): boolean {
    const { text } = this;
    for (let at = begin; at <= text.length; at++) {
      if (firstBytes !== null) {
        while (at < text.length && firstBytes[text.charCodeAt(at)] === 0) at++;
        if (at === text.length) return false;
      }
      if (this.matchAt(at, { exact: false, notNull: false, previousAvailable: previousAvailable || at > begin })) {
        return true;
      }
    }
    return false;
  }
}
