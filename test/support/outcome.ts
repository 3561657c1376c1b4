// All that an expression shows: for what must be the same however it is written.
import { printAmbiguous } from '../../src/eval/print-ambiguous.ts';
import { NixError } from '../../src/util/errors.ts';
import { memoryEvaluator } from './evaluator.ts';

export interface Outcome {
  /** As without --strict: what is evaluated shows. */
  readonly value?: string;
  readonly error?: string;
  /** Hints of its frames; where they point depends on how the expression is written. */
  readonly frames?: readonly string[];
  readonly traced: readonly string[];
}

export function outcome(expression: string): Outcome {
  const traced: string[] = [];
  const ev = memoryEvaluator({ log: (line) => traced.push(line) });
  try {
    const value = ev.evalString(expression, '/', { kind: 'string' });
    if (ev.depth !== 0) throw new Error(`depth ${ev.depth} after ${expression}`);
    return { value: printAmbiguous(ev, value), traced };
  } catch (error) {
    if (!(error instanceof NixError)) throw error;
    return { error: error.message, frames: error.frames.map(({ hint }) => hint), traced };
  }
}
