// Functions written in Nix.
import type { LambdaRecord } from '../parser/code.ts';

export type { FormalsRecord, LambdaRecord } from '../parser/code.ts';

/** An environment: [0] is the enclosing one (or null), the rest are slots; undefined where not filled yet. */
export type Env = unknown[];

export class Lambda {
  readonly record: LambdaRecord;
  readonly env: Env;
  constructor(record: LambdaRecord, env: Env) {
    this.record = record;
    this.env = env;
  }
}
