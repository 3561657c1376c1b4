// Nix values as JavaScript values.
//
//   string           JS string: bytes (util/bytes.ts), without context    | ContextString with one
//   int              JS number where safe (|n| <= 2^53-1, always integral, never -0), bigint beyond; both are int64
//   float            NixFloat
//   bool, null       JS boolean, null
//   list             JS array of slots; never written to after it was made
//   set              Attrs (attrs.ts)
//   path             PathValue
//   function         Lambda | Primop | PrimopApp
//
// A *slot* is what variables, attributes and list elements hold: a value, or a thunk that becomes one. Identity of
// slots matters for equality (reference: "value-cell identity"), so a thunk whose value is a function must not be
// replaced by the function in a slot that others compare.
import type { Pos } from '../util/positions.ts';
import type { Attrs } from './attrs.ts';
import type { Context } from './context.ts';
import type { Evaluator } from './evaluator.ts';
import type { Items } from './items.ts';
import type { Lambda } from './lambda.ts';
import type { Thunk } from './thunk.ts';

export type NixInt = number | bigint;
export type List = readonly Slot[];
export type Value =
  | string
  | ContextString
  | NixInt
  | NixFloat
  | boolean
  | null
  | List
  | Attrs
  | PathValue
  | Lambda
  | Primop
  | PrimopApp
  | ExternalValue;
export type Slot = Value | Thunk;

export class NixFloat {
  readonly value: number;
  constructor(value: number) {
    this.value = value;
  }
}

/** A string that needs store paths. `context` is never empty. */
export class ContextString {
  readonly text: string;
  readonly context: Context;
  constructor(text: string, context: Context) {
    this.text = text;
    this.context = context;
  }
}

export function makeString(text: string, context: Context | null): string | ContextString {
  return context === null || context.length === 0 ? text : new ContextString(text, context);
}

/** A path; canonical and absolute, bytes. */
export class PathValue {
  readonly path: string;
  constructor(path: string) {
    this.path = path;
  }
}

/** Result of JS-side computation that Nix code may only pass around (the API's opaque values). */
export class ExternalValue {
  readonly typeName: string;
  readonly payload: unknown;
  constructor(typeName: string, payload: unknown) {
    this.typeName = typeName;
    this.payload = payload;
  }
}

/**
 * A builtin's code. Arguments are slots: force what is needed, in Nix's order. `pos` is the call's position.
 * Errors thrown get "while calling the 'x' builtin" from the evaluator.
 */
export type PrimopImpl = (ev: Evaluator, pos: Pos, ...args: Slot[]) => Slot;

/** One builtin: the table, the arity, the manual and `:doc` come from these records. */
export interface BuiltinRecord {
  /** As in `builtins.NAME`. */
  readonly name: string;
  readonly args: readonly string[];
  /** Markdown, our own words; one paragraph or more. */
  readonly doc: string;
  readonly impl: PrimopImpl;
  /** Experimental feature that must be on. */
  readonly feature?: string;
  /** Only with allow-unsafe-native-code-during-evaluation. */
  readonly unsafe?: boolean;
  /** Also (or only) a global: `map`, `toString`; `__NAME` is a global for every other builtin. */
  readonly global?: boolean;
  /** Not in `builtins`, reachable only from internal code. */
  readonly internal?: boolean;
  /** Which argument, if any, is a list whose elements it takes once at most, by `takeItems` (items.ts). */
  readonly takesItems?: number;
  /** It evaluates its one argument before anything else, and keeps only its value. */
  readonly takesValue?: boolean;
  /** The same call, for who takes the elements of its result one by one. Of two arguments. */
  readonly makeItems?: (ev: Evaluator, first: Slot, second: Slot) => Items;
  /** No "while calling the 'x' builtin" on its errors (addErrorContext). */
  readonly noTrace?: boolean;
}

export class Primop {
  readonly record: BuiltinRecord;
  readonly name: string;
  readonly arity: number;
  readonly impl: PrimopImpl;
  /** -1: none. */
  readonly takesItems: number;
  readonly takesValue: boolean;
  constructor(record: BuiltinRecord) {
    this.record = record;
    this.name = record.name;
    this.arity = record.args.length;
    this.impl = record.impl;
    this.takesItems = record.takesItems ?? -1;
    this.takesValue = record.takesValue ?? false;
  }
}

/** A builtin with some, but not all, of its arguments. */
export class PrimopApp {
  readonly primop: Primop;
  readonly args: readonly Slot[];
  constructor(primop: Primop, args: readonly Slot[]) {
    this.primop = primop;
    this.args = args;
  }
}

const MIN_SAFE = BigInt(Number.MIN_SAFE_INTEGER);
const MAX_SAFE = BigInt(Number.MAX_SAFE_INTEGER);

/** Canonical int: number where safe, bigint beyond. The caller has checked the int64 range. */
export function makeInt(value: bigint): NixInt {
  return value >= MIN_SAFE && value <= MAX_SAFE ? Number(value) : value;
}
