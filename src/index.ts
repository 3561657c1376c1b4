// The library: evaluate Nix from JavaScript. Works without a store and without writing anything: files are read where
// the machine has them (or given as a map), store paths are only computed.
import { allBuiltins } from './builtins/index.ts';
import { Attrs } from './eval/attrs.ts';
import { Evaluator } from './eval/evaluator.ts';
import type { EvalIo } from './eval/io.ts';
import { MemoryEvalIo } from './eval/memory-io.ts';
import { NodeEvalIo } from './eval/node-io.ts';
import type { EvalSettings } from './eval/settings.ts';
import { ContextString, NixFloat, PathValue, type Slot } from './eval/value.ts';
import { fromUtf8, utf8 } from './util/bytes.ts';
import { EvalError, NixError } from './util/errors.ts';

/** What Nix data becomes. Functions have no counterpart here. */
export type JsValue = null | boolean | number | bigint | string | JsValue[] | { [name: string]: JsValue };

export interface EvaluateOptions {
  /** What relative paths in the expression are relative to; default: the current folder (or `/` with `files`). */
  readonly baseDir?: string;
  /** Absolute path → contents: the only files there are. Without it the machine's files are read. */
  readonly files?: Readonly<Record<string, string>>;
  /** Environment for builtins.getEnv; default: none. */
  readonly env?: Readonly<Record<string, string>>;
  /** builtins.currentSystem; default: x86_64-linux. */
  readonly system?: string;
  readonly settings?: Partial<EvalSettings>;
  /** Lines of builtins.trace and warnings; default: dropped. */
  readonly log?: (line: string) => void;
}

/**
 * Evaluates an expression, everything below included, and converts the value: ints to number (bigint where a number
 * can't hold them), floats to number, strings and paths to string (UTF-8; contexts are dropped), lists to arrays, sets
 * to objects without prototype.
 * @throws NixError with Nix's message for whatever fails, functions in the result included
 */
export function evaluate(expression: string, options: EvaluateOptions = {}): JsValue {
  const log = (line: string): void => options.log?.(fromUtf8(line));
  const system = options.system ?? 'x86_64-linux';
  const env = options.env ?? {};
  const io: EvalIo =
    options.files === undefined
      ? new NodeEvalIo({ system, env, log, readOnly: true })
      : new MemoryEvalIo({
          system,
          env,
          log,
          files: Object.fromEntries(Object.entries(options.files).map(([path, text]) => [utf8(path), utf8(text)])),
        });
  const evaluator = new Evaluator({ io, builtins: allBuiltins, settings: { readOnly: true, ...options.settings } });
  const baseDir = options.baseDir ?? (options.files === undefined ? process.cwd() : '/');
  try {
    return toJs(evaluator, evaluator.evalString(utf8(expression), utf8(baseDir), { kind: 'string' }));
  } catch (error) {
    if (error instanceof NixError) error.positions = evaluator.positions;
    throw error;
  }
}

function toJs(ev: Evaluator, slot: Slot): JsValue {
  const value = ev.force(slot);
  if (typeof value === 'string') return fromUtf8(value);
  if (value === null || typeof value !== 'object') return value;
  if (value instanceof ContextString) return fromUtf8(value.text);
  if (value instanceof NixFloat) return value.value;
  if (value instanceof PathValue) return fromUtf8(value.path);
  if (Array.isArray(value)) return value.map((element: Slot) => toJs(ev, element));
  if (value instanceof Attrs) {
    const out = Object.create(null) as { [name: string]: JsValue };
    value.forEachByName((name, element) => {
      out[fromUtf8(name)] = toJs(ev, element);
    });
    return out;
  }
  throw new EvalError(`cannot convert ${ev.showType(value)} to JavaScript`);
}

export * from './util/errors.ts';
