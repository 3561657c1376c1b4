// The library: evaluate Nix from JavaScript. Works without a store and without writing anything: files are read where
// the machine has them (or given as a map), store paths are only computed. docs/api.md is its manual.
import { Evaluator } from './api/evaluator.ts';
import type { EvaluatorOptions } from './api/options.ts';
import type { JsValue } from './api/to-js.ts';

export type EvaluateOptions = EvaluatorOptions;

/**
 * Evaluates an expression, everything below included, and converts the value as `NixValue.toJS()` does.
 * @throws NixError with Nix's message for whatever fails, functions in the result included
 */
export function evaluate(expression: string, options: EvaluateOptions = {}): JsValue {
  return new Evaluator(options).evaluate(expression).toJS({ functions: 'error' });
}

export { Evaluator, type EvaluateTextOptions, type Instantiated } from './api/evaluator.ts';
export {
  WorkerEvaluator,
  type AbortSource,
  type WorkerEvaluatorOptions,
  type WorkerRequestOptions,
} from './api/worker-evaluator.ts';
export { NixValue, type NixType, type PrintOptions } from './api/nix-value.ts';
export type { Aborted, EvaluationLimits, EvaluatorOptions, FileContents, NixSettings } from './api/options.ts';
export { opaque, strict } from './api/from-js.ts';
export type { JsFunction, JsValue, ToJsOptions } from './api/to-js.ts';
export { NixFloat, NixPath, NixString } from './api/wrappers.ts';
export { errorPosition, formatError, type ErrorPosition } from './api/errors.ts';
export * from './util/errors.ts';
