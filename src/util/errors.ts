// Every error a user can meet. Frames are data: render-error.ts makes text of them. Messages, like every string that comes
// from or goes to Nix code, are *byte strings* (see bytes.ts): non-ASCII text of ours goes through utf8().
import type { Pos, PosTable } from './positions.ts';

/** One line of an evaluation trace: "… while evaluating the attribute 'x'" and where. */
export interface Frame {
  /** Without the leading "… ". */
  readonly hint: string;
  readonly pos: Pos;
  /** Printed even where the trace is cut (addErrorContext and the like). */
  readonly always?: boolean;
}

/** Base of all errors that are the user's business. Never captures a JS stack: it would cost more than evaluating. */
export abstract class NixError extends Error {
  /** Stable, for tests and scripts; the message may be reworded. */
  abstract readonly code: string;
  /** Frames, innermost first (push as the error travels outwards). */
  readonly frames: Frame[] = [];
  /** Where it happened; 0 = nowhere in particular. */
  pos: Pos = 0;
  /** "Did you mean one of …?" */
  suggestions: readonly string[] = [];
  /** What `pos` and the frames' positions are ids of; set where the error leaves its evaluator. */
  positions: PosTable | undefined = undefined;
  /** A debugger was told. */
  declare debugged?: boolean;
  /** That it has no position is no reason to look for one. */
  declare atNowhere?: boolean;
  /** Exit status of a command that ends with this error. */
  exitStatus = 1;
  constructor(message: string, options: { pos?: Pos; cause?: unknown; suggestions?: readonly string[] } = {}) {
    const limit = Error.stackTraceLimit;
    Error.stackTraceLimit = 0;
    super(message, 'cause' in options ? { cause: options.cause } : undefined);
    Error.stackTraceLimit = limit;
    this.name = new.target.name;
    if (options.pos !== undefined) this.pos = options.pos;
    if (options.suggestions !== undefined) this.suggestions = options.suggestions;
  }
  /** An empty hint says nothing, and is not kept. */
  addFrame(hint: string, pos: Pos, always = false): this {
    if (hint === '') return this;
    this.frames.push(always ? { hint, pos, always } : { hint, pos });
    return this;
  }
}

/** Lexical, syntactic and static errors (undefined variable, duplicate attribute). */
export class ParseError extends NixError {
  override readonly code: string = 'PARSE';
}
export class UndefinedVariableError extends ParseError {
  override readonly code = 'UNDEFINED_VARIABLE';
}

/** Anything evaluation can run into. */
export class EvalError extends NixError {
  override readonly code: string = 'EVAL';
}
export class TypeMismatchError extends EvalError {
  override readonly code = 'TYPE';
}
export class MissingAttributeError extends EvalError {
  override readonly code = 'MISSING_ATTRIBUTE';
}
export class MissingArgumentError extends EvalError {
  override readonly code = 'MISSING_ARGUMENT';
}
export class InfiniteRecursionError extends EvalError {
  override readonly code = 'INFINITE_RECURSION';
}
export class StackOverflowError extends EvalError {
  override readonly code = 'STACK_OVERFLOW';
}
/** Stopped from outside, by a signal or a limit: says nothing about the value, which can be asked for again. */
export class InterruptedError extends EvalError {
  override readonly code: string = 'INTERRUPTED';
}
/** The user wants no more, and nothing failed. */
export class QuitError extends InterruptedError {
  override readonly code = 'QUIT';
  override exitStatus = 0;
}
/** `builtins.break`, for debuggers to show. */
export class Breakpoint extends NixError {
  override readonly code = 'BREAKPOINT';
  override readonly atNowhere = true;
}
/** A limit of steps, time or memory. */
export class LimitError extends InterruptedError {
  override readonly code = 'LIMIT';
}
export class AbortError extends EvalError {
  override readonly code = 'ABORT';
}
/** What purity or restriction settings forbid. */
export class RestrictedError extends EvalError {
  override readonly code = 'RESTRICTED';
}
/** Something must be built to go on, and `allow-import-from-derivation` is off. */
export class ImportFromDerivationError extends EvalError {
  override readonly code = 'IMPORT_FROM_DERIVATION';
}
/** A feature of Nix that tsnix has not got; named in docs/compatibility.md. */
export class NotImplementedError extends EvalError {
  override readonly code = 'NOT_IMPLEMENTED';
}
/** The only family that builtins.tryEval turns into `success = false`. */
export abstract class CatchableError extends EvalError {}
export class AssertionError extends CatchableError {
  override readonly code = 'ASSERTION';
}
export class ThrownError extends CatchableError {
  override readonly code = 'THROWN';
}
/** `<path>` not found. */
export class SearchPathError extends CatchableError {
  override readonly code = 'SEARCH_PATH';
}

export class StoreError extends NixError {
  override readonly code: string = 'STORE';
}
/** Nobody knows (yet) what an output of a content-addressed derivation came to be. */
export class MissingRealisationError extends StoreError {
  override readonly code = 'MISSING_REALISATION';
}
export class InvalidStorePathError extends StoreError {
  override readonly code = 'INVALID_STORE_PATH';
}
export class CorruptNarError extends StoreError {
  override readonly code = 'CORRUPT_NAR';
  /** Bytes of the archive before the place that is wrong. */
  offset = 0;
}
/** Also for evaluation-time fetches; exit status 102. */
export class HashMismatchError extends StoreError {
  override readonly code = 'HASH_MISMATCH';
  override exitStatus = 102;
}

/** A build that did not end well. exitStatus: 100 failed, 101 timed out, 102 hash mismatch, 104 not deterministic. */
export class BuildError extends NixError {
  override readonly code: string = 'BUILD';
  override exitStatus = 100;
}
export class BuildTimeoutError extends BuildError {
  override readonly code = 'BUILD_TIMEOUT';
  override exitStatus = 101;
}

/** A command line that can't be obeyed. */
export class UsageError extends NixError {
  override readonly code = 'USAGE';
}
/** A flag's value that it does not take; unlike others, Nix says no more than that. */
export class FlagValueError extends NixError {
  override readonly code = 'USAGE';
}
/** "This is a bug in tsnix." */
export class InternalError extends NixError {
  override readonly code = 'INTERNAL';
}
