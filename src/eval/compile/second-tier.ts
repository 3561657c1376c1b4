// Which code gets JavaScript of its own: bodies of lambdas that are called often, and thunks that such bodies make.
import { Op, type Code, type Direct, type LambdaRecord } from '../../parser/code.ts';
import type { Evaluator } from '../evaluator.ts';
import type { Env, Lambda } from '../lambda.ts';
import type { Value } from '../value.ts';
import { generate } from './generate.ts';

/** Calls of a lambda after which code of its own pays, if they were one in SHARE of all: docs/performance.md. */
const OFTEN = 500;
const SHARE = 8;

const NEVER = -1;

export class SecondTier {
  /** Calls of a lambda after which it is looked at, and runs of a thunk's code after which it gets its own. */
  hot = OFTEN;
  private share = SHARE;
  private readonly ev: Evaluator;
  private readonly code: Code;
  /** By number of DIRECT: runs until now, or its code. */
  private readonly thunks: (number | Direct)[] = [];
  /** The DIRECT for a node. */
  private readonly nodes = new Map<number, number>();
  private lambdas: LambdaRecord[] = [];

  constructor(ev: Evaluator, code: Code) {
    this.ev = ev;
    this.code = code;
  }

  /** From now on everything is interpreted. */
  stop(): void {
    this.hot = NEVER;
    for (const record of this.lambdas) record.code = null;
    this.lambdas = [];
    this.thunks.fill(0);
  }

  /** From now on everything that can have code of its own gets it at once. */
  always(): void {
    this.hot = 1;
    this.share = Infinity;
  }

  /** Looks whether a lambda was called so often that it should have code; it is `fn`'s, or of one below. */
  heat(record: LambdaRecord, fn: Lambda): void {
    if (record.inner !== null) return;
    const { spent } = this.ev;
    if (spent - record.since > record.calls * this.share) {
      record.since = spent;
      record.calls = 0;
      return;
    }
    const code = this.make(record, fn.record.base === 1 ? fn.env : (fn.env[0] as Env));
    if (code === undefined) return;
    record.code = code;
    this.lambdas.push(record);
  }

  /** For a thunk that generated code makes: the node at `off`, or one that stands for it and counts. */
  thunk(off: number): number {
    const { code } = this;
    if (code.words[off] === Op.LAMBDA || code.words[off] === Op.LIST) return off;
    let node = this.nodes.get(off);
    if (node !== undefined) return node;
    node = code.reserve(4);
    this.nodes.set(off, node);
    code.words.set([Op.DIRECT, this.ev.positionOf(off), off, this.thunks.push(0) - 1], node);
    return node;
  }

  /** Runs a DIRECT. */
  run(node: number, env: Env): Value {
    const { words } = this.code;
    const off = words[node + 2]!;
    const i = words[node + 3]!;
    const code = this.thunks[i]!;
    if (typeof code === 'function') return code(env);
    this.thunks[i] = code + 1;
    if (code + 1 !== this.hot) return this.ev.evaluate(off, env);
    const made = this.make(off, env);
    if (made === undefined) return this.ev.evaluate(off, env);
    this.thunks[i] = made;
    return made(env);
  }

  private make(of: LambdaRecord | number, around: Env): Direct | undefined {
    try {
      return generate(this.ev, of, around);
    } catch (error) {
      if (!(error instanceof globalThis.EvalError)) throw error;
      // The host allows no code that is made of text.
      this.stop();
      return undefined;
    }
  }
}
