// Evaluates expressions over files in memory, for unit tests.
import { allBuiltins } from '../../src/builtins/index.ts';
import { Evaluator } from '../../src/eval/evaluator.ts';
import type { EvalIo } from '../../src/eval/io.ts';
import { MemoryEvalIo, type MemoryEvalIoOptions } from '../../src/eval/memory-io.ts';
import { printAmbiguous } from '../../src/eval/print-ambiguous.ts';
import { defaultSettings, type EvalSettings } from '../../src/eval/settings.ts';
import { fromUtf8, utf8 } from '../../src/util/bytes.ts';

export interface EvaluateOptions extends MemoryEvalIoOptions {
  readonly settings?: Partial<EvalSettings>;
  /** In place of memory. */
  readonly io?: EvalIo;
}

/** What `nix-instantiate --eval --strict` prints. @throws NixError */
export function evaluate(source: string, options: EvaluateOptions = {}): string {
  const io = options.io ?? new MemoryEvalIo(options);
  const settings = { ...defaultSettings, ...options.settings };
  const ev = new Evaluator({ io, settings, builtins: allBuiltins });
  const value = ev.evalString(utf8(source), '/work', { kind: 'string' });
  ev.forceDeep(value);
  return fromUtf8(printAmbiguous(ev, value));
}
