// The evaluator: one engine over flat code. STUB: signatures are the contract, bodies follow.
/* eslint-disable */
import { PosTable, type Pos } from '../util/positions.ts';
import type { Attrs } from './attrs.ts';
import type { ContextBuilder } from './context.ts';
import type { EvalIo } from './io.ts';
import type { EvalSettings } from './settings.ts';
import { Thunk } from './thunk.ts';
import type { ContextString, List, NixInt, Slot, Value, BuiltinRecord } from './value.ts';
import type { OriginKind } from '../util/positions.ts';

export interface CoerceOptions {
  /** ints, floats, bools, null and lists too (toString, derivation attributes). */
  readonly more?: boolean;
  /** Paths become store paths (default true). */
  readonly copy?: boolean;
}

export declare class EvaluatorContract {
  readonly io: EvalIo;
  readonly settings: EvalSettings;
  readonly positions: PosTable;

  /** To weak head normal form. */
  force(slot: Slot, pos?: Pos): Value;
  /** Everything below, too. */
  forceDeep(slot: Slot, pos?: Pos): Value;
  /** fn may be a lambda, primop or functor set; the result is forced. */
  call(fn: Slot, args: readonly Slot[], pos: Pos): Value;
  /** `fn args…` as a thunk. */
  lazyCall(fn: Slot, ...args: Slot[]): Thunk;
  lazy(compute: () => Slot): Thunk;

  // Force and check; a mismatch throws TypeMismatchError "expected a set but found an integer: 1" with `why`
  // ("while evaluating the first argument passed to builtins.map") as its innermost frame at `pos`.
  expectInt(slot: Slot, pos: Pos, why: string): NixInt;
  /** Ints are converted. */
  expectFloat(slot: Slot, pos: Pos, why: string): number;
  expectBool(slot: Slot, pos: Pos, why: string): boolean;
  expectList(slot: Slot, pos: Pos, why: string): List;
  expectAttrs(slot: Slot, pos: Pos, why: string): Attrs;
  /** Lambda, primop, or functor set. */
  expectFunction(slot: Slot, pos: Pos, why: string): Value;
  expectString(slot: Slot, pos: Pos, why: string): string | ContextString;
  /** A string's text; its context is added to `context`. */
  expectStringText(slot: Slot, pos: Pos, why: string, context: ContextBuilder): string;
  expectStringNoContext(slot: Slot, pos: Pos, why: string): string;

  coerceToString(slot: Slot, pos: Pos, context: ContextBuilder, why: string, options?: CoerceOptions): string;
  /** A path, or a string (set with outPath …) that is an absolute path; canonical. */
  coerceToPath(slot: Slot, pos: Pos, context: ContextBuilder, why: string): string;
  /** Adds a path to the store as path interpolation does; returns the store path and adds it to `context`. */
  copyPathToStore(path: string, context: ContextBuilder): string;
  /** Builds what a string's context needs before its text is used as a path (import from derivation). */
  realiseContext(context: ContextBuilder): void;

  equal(a: Slot, b: Slot, pos: Pos, why: string): boolean;
  /** Nix's `<`. */
  lessThan(a: Slot, b: Slot, pos: Pos, why: string): boolean;

  /** Evaluates a file (cached by resolved path); directories mean default.nix. */
  evalFile(path: string): Value;
  /** Text with literals relative to `baseDir`; extra lexical scope for scopedImport. */
  evalString(source: string, baseDir: string, origin: OriginKind, scope?: Attrs): Value;

  /** "an integer", "a set", "a list", "a string with context" … */
  showType(value: Value): string;
  /** Bounded printing for messages (depth 10, 10 items, 1024 bytes). */
  showValue(slot: Slot): string;
  builtins: Attrs;
}
export type Evaluator = EvaluatorContract;
export type { BuiltinRecord };
