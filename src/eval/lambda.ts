// Functions written in Nix.
import type { Pos } from '../util/positions.ts';
import type { Sym } from '../util/symbols.ts';

/** What is the same for every evaluation of one lambda expression; made by the emitter. */
export interface LambdaRecord {
  /** `f` of `f = x: …`; null where it was never bound to a name. */
  readonly name: Sym | null;
  readonly pos: Pos;
  readonly arg: Sym | null;
  /** Formals in order of writing; fallback: code offset or -1. */
  readonly formals: {
    readonly ellipsis: boolean;
    readonly names: readonly Sym[];
    readonly fallbacks: readonly number[];
    readonly positions: readonly Pos[];
  } | null;
  /** Code offset of the body. */
  readonly body: number;
}

/** An environment: [0] is the enclosing one (or null), the rest are slots. */
export type Env = unknown[];

export class Lambda {
  readonly record: LambdaRecord;
  readonly env: Env;
  constructor(record: LambdaRecord, env: Env) {
    this.record = record;
    this.env = env;
  }
}
