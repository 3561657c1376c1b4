// What the library offers everywhere, browsers included.
import { Evaluator } from './evaluator.ts';
import type { EvaluatorOptions } from './options.ts';
import type { JsValue } from './to-js.ts';

export type EvaluateOptions = EvaluatorOptions;

/**
 * Evaluates an expression, everything below included, and converts the value as `NixValue.toJS()` does.
 * @throws NixError with Nix's message for whatever fails, functions in the result included
 */
export function evaluate(expression: string, options: EvaluateOptions = {}): JsValue {
  return new Evaluator(options).evaluate(expression).toJS({ functions: 'error' });
}

export { Evaluator, type EvaluateTextOptions, type Instantiated } from './evaluator.ts';
export { NixValue, type NixType, type PrintOptions } from './nix-value.ts';
export type { Aborted, EvaluationLimits, EvaluatorOptions, FileContents, NixSettings } from './options.ts';
export { opaque, strict } from './from-js.ts';
export type { JsFunction, JsValue, ToJsOptions } from './to-js.ts';
export { NixFloat, NixPath, NixString } from './wrappers.ts';
export { errorPosition, formatError, type ErrorPosition } from './errors.ts';
export * from '../util/errors.ts';
