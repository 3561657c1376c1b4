// Flat code: what is left of a source after scope analysis. One growable Int32Array an evaluator; a node is an offset
// into it, its first word says what it is (Op), and from VAR0 on its second word is its position (Pos; 0 none).
// Nothing in it changes after emission: caches and what is decoded on first use live in side tables of the evaluator,
// numbered by the `site` and `constant` words. All that would have to be shifted to move a unit are words of the
// kinds written in OP_LAYOUT, so that a unit can be stored and loaded again.
import type { Pos } from '../util/positions.ts';
import type { Sym } from '../util/symbols.ts';

/**
 * Node kinds. The layout of each, word by word, after the kind:
 *   p position   e node offset   s symbol   k constant index   i plain number   c select-cache site   t set template
 *   l lambda record   [..]* repeated (the count is the word before, or the `i` named n)
 *   a attribute name: a symbol, or ~offset of a NAME
 *
 * INT           i                      CONST, FLOAT, PATH  k
 * EMPTY_LIST
 * VAR0/1/2      p i                    slot i of the environment 0, 1, 2 levels up
 * VARN          p i i                  slot, level
 * GLOBAL        p i                    slot of the globals
 *   (up to here: "atoms", for which laziness never needs a thunk)
 * WITH_VAR      p s c n [i p]*         level of each enclosing `with`, innermost first, and its position
 * SELECT1       p e s c                target, name
 * SELECT        p e e c n [a]*         target, fallback (-1 none), names; one cache site a name
 * HAS           p e n [a]*
 * ATTRS         p t n [s p e]*         no rec, nothing dynamic; ascending symbols
 * SET           p t i i nFrom n nDynamic [e]* [s p e]* [e e p]*
 *               flags (1 rec, 2 has __overrides; the rest, if not 0: where the slots of a rec's attributes are listed, for
 *               code that was stored), size of the new environment, sources of `inherit (e)`, attributes
 *               (value < 0: node ~value, in the environment of the sources), dynamic name, value, position.
 *               rec: environment [up, attributes…, sources…]; else, where there are sources, [up, sources…].
 * LIST          p n [e]*
 * LAMBDA        p l
 * CALL1/2       p e e (e)              function, arguments
 * CALLN         p e n [e]*
 * LET           p i e n [e]*           size of the new environment, body, values for slots 1…
 * LET_HERE      p i e n [e]*           first slot; the environment is the current one (see emit.ts, frames)
 * WITH          p e e i                set, body, size of the new environment [up, set, …]
 * IF            p e e e
 * ASSERT        p e e k                condition, body, condition as text
 * NOT           p e
 * EQ … CONCAT_LISTS  p e e
 * ADD           p p e p e              `a + b`: each operand with its position
 * CONCAT        p i n [p e]*           1: everything is coerced to a string
 * CUR_POS       p
 * SUB MUL DIV LESS   p e e             where __sub … are the globals
 * NAME          p e k                  a computed attribute name, and its expression as text; never evaluated itself
 * DIRECT        p e i                  a node for which there may be generated code, number i; made at run time, never stored
 */
export const Op = {
  INT: 0,
  CONST: 1,
  FLOAT: 2,
  PATH: 3,
  EMPTY_LIST: 4,
  VAR0: 5,
  VAR1: 6,
  VAR2: 7,
  VARN: 8,
  GLOBAL: 9,
  WITH_VAR: 10,
  SELECT1: 11,
  SELECT: 12,
  HAS: 13,
  ATTRS: 14,
  SET: 15,
  LIST: 16,
  LAMBDA: 17,
  CALL1: 18,
  CALL2: 19,
  CALLN: 20,
  LET: 21,
  LET_HERE: 22,
  WITH: 23,
  IF: 24,
  ASSERT: 25,
  NOT: 26,
  EQ: 27,
  NEQ: 28,
  AND: 29,
  OR: 30,
  IMPL: 31,
  UPDATE: 32,
  CONCAT_LISTS: 33,
  ADD: 34,
  CONCAT: 35,
  CUR_POS: 36,
  SUB: 37,
  MUL: 38,
  DIV: 39,
  LESS: 40,
  NAME: 41,
  DIRECT: 42,
} as const;

/**
 * JavaScript made of a lambda's code: of what is around the lambda, the arguments of those whose frame it shares, its
 * own, and the position of the call; the value of the body.
 */
export type Direct = (up: unknown[], ...rest: unknown[]) => never;

/** What is the same for every evaluation of one lambda expression. */
export class LambdaRecord {
  /** `f` of `f = x: …`; null where it was never bound to a name. */
  name: Sym | null;
  readonly pos: Pos;
  readonly arg: Sym | null;
  readonly formals: FormalsRecord | null;
  /** Code offset of the body. */
  body = -1;
  /** Words of the environment that a call makes. */
  envSize = 0;
  /**
   * 1: the closure's environment is [0] of the new one. More: this lambda is the whole body of another and shares its
   * frame, so that many slots, [0] included, are copied from the closure's environment.
   */
  readonly base: number;
  /**
   * Slots of arguments (bit n: slot n) that the body, if it ends at all, has evaluated: what is passed for them may be
   * computed at once where that cannot fail. Without `inner` only. -1: nobody has asked yet (strictness.ts).
   */
  strict = -1;
  /** The lambda that is the whole body and shares the frame: `x: y: …` applied to both makes no closure between. */
  inner: LambdaRecord | null = null;
  /** Calls by the interpreter since there were `since` calls of anything: whether code of its own pays (eval/compile). */
  calls = 0;
  since = 0;
  code: Direct | null = null;

  constructor(name: Sym | null, pos: Pos, arg: Sym | null, formals: FormalsRecord | null, base: number) {
    this.name = name;
    this.pos = pos;
    this.arg = arg;
    this.formals = formals;
    this.base = base;
  }
}

/** Formals by ascending symbol; slot of formal i = first + i, unless `slots` says otherwise. */
export class FormalsRecord {
  readonly ellipsis: boolean;
  readonly names: readonly Sym[];
  /** Code offsets; -1 none. */
  readonly fallbacks: number[];
  readonly positions: readonly Pos[];
  /** First slot. */
  readonly first: number;
  /** Of code that was stored when names were numbered otherwise (unit.ts). */
  slots: Int32Array | null = null;
  /** Key set last seen, and for each formal its index in there (-1: use the fallback). Only for sets that fit. */
  cacheKeys: object | null = null;
  cacheIndexes: Int32Array | null = null;
  /** The one before. */
  olderKeys: object | null = null;
  olderIndexes: Int32Array | null = null;
  /** The set that functionArgs gives, once it was asked for. */
  asSet: object | null = null;

  constructor(ellipsis: boolean, names: readonly Sym[], positions: readonly Pos[], first: number) {
    this.ellipsis = ellipsis;
    this.names = names;
    this.positions = positions;
    this.first = first;
    this.fallbacks = names.map(() => -1);
  }
}

/** The code of everything one evaluator has read. */
export class Code {
  words = new Int32Array(1 << 14);
  length = 0;
  /** Strings, floats, path texts, ints beyond 31 bits. */
  readonly constants: (string | number | bigint)[] = [];
  readonly lambdas: LambdaRecord[] = [];
  /** How many select-cache sites and set templates are in use. */
  sites = 0;
  templates = 0;

  /** Makes room for a node of `count` words and returns its offset. */
  reserve(count: number): number {
    const offset = this.length;
    this.length += count;
    if (this.length > this.words.length) {
      const grown = new Int32Array(Math.max(this.words.length * 2, this.length));
      grown.set(this.words);
      this.words = grown;
    }
    return offset;
  }

  constant(value: string | number | bigint): number {
    return this.constants.push(value) - 1;
  }
}
