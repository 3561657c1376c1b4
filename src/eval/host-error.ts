// What the host throws of its own, as Nix's errors.
import { EvalError, StackOverflowError } from '../util/errors.ts';

/** What V8 says where a string, an array, a buffer, a map or a set would be larger than it can be. */
const TOO_LARGE =
  /^(?:Invalid (?:string|array|typed array) length|Array buffer allocation failed|\w+ maximum size exceeded)/;

/** The one place where an overflow of JavaScript's stack, or of what it can hold, becomes Nix's error. */
export function hostError(error: unknown): unknown {
  if (
    (error instanceof RangeError && error.message.startsWith('Maximum call stack')) ||
    // A regular expression that V8 had no room left to compile.
    (error instanceof SyntaxError && error.message.endsWith('Stack overflow'))
  ) {
    return new StackOverflowError('stack overflow; max-call-depth exceeded');
  }
  if (error instanceof RangeError && TOO_LARGE.test(error.message)) return outOfMemory();
  return error;
}

/** As Nix ends where it can get no more memory. */
export function outOfMemory(): EvalError {
  return new EvalError('out of memory');
}

/** Longest text that printers of values make: values that hold themselves, or one another twice, have no end. */
export const MAX_PRINTED = 1 << 28;
