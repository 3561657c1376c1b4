// An evaluator without a machine, for unit tests.
import { allBuiltins } from '../../src/builtins/index.ts';
import { ContextBuilder } from '../../src/eval/context.ts';
import { Evaluator } from '../../src/eval/evaluator.ts';
import { MemoryEvalIo, type MemoryEvalIoOptions } from '../../src/eval/memory-io.ts';
import { printAmbiguous } from '../../src/eval/print-ambiguous.ts';
import type { EvalSettings } from '../../src/eval/settings.ts';
import { fromUtf8 } from '../../src/util/bytes.ts';
import { NixError } from '../../src/util/errors.ts';

export function memoryEvaluator(options: MemoryEvalIoOptions = {}, settings: Partial<EvalSettings> = {}): Evaluator {
  return new Evaluator({ io: new MemoryEvalIo(options), builtins: allBuiltins, settings });
}

/** What `--eval --strict` prints. */
export function show(expression: string, ev = memoryEvaluator()): string {
  const value = ev.evalString(expression, '/', { kind: 'string' });
  ev.forceDeep(value);
  return fromUtf8(printAmbiguous(ev, value, new ContextBuilder()));
}

/** The error of an expression. */
export function errorOf(expression: string, ev = memoryEvaluator()): NixError {
  try {
    show(expression, ev);
  } catch (error) {
    if (error instanceof NixError) return error;
    throw error;
  }
  throw new Error(`no error: ${expression}`);
}

/** Frames outermost first as "hint @ offset", and last the message likewise; offsets are bytes into the source. */
export function trace(expression: string, ev = memoryEvaluator()): string[] {
  const error = errorOf(expression, ev);
  const place = (pos: number): string => {
    const origin = ev.positions.originOf(pos);
    return origin === undefined ? '' : ` @ ${pos - origin.base}`;
  };
  return [...error.frames.map((f) => f.hint + place(f.pos)).reverse(), error.message + place(error.pos)];
}
