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

/** The lambda `levels` below that shares the frame of this one: `z: …` of `x: y: z: …` at 2. null: there is none. */
export function nestedRecord(record: LambdaRecord, levels: number): LambdaRecord | null {
  let nested: LambdaRecord | null = record;
  for (; levels > 0 && nested !== null; levels--) nested = nested.inner;
  return nested;
}
