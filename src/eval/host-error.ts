import { StackOverflowError } from '../util/errors.ts';

/** The one place where an overflow of JavaScript's stack becomes Nix's error. */
export function hostError(error: unknown): unknown {
  if (
    (error instanceof RangeError && error.message.startsWith('Maximum call stack')) ||
    // A regular expression that V8 had no room left to compile.
    (error instanceof SyntaxError && error.message.endsWith('Stack overflow'))
  ) {
    return new StackOverflowError('stack overflow; max-call-depth exceeded');
  }
  return error;
}
