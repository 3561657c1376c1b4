// `==` and `<`. Equality of nested values starts with the identity of their cells (slots): that is what makes sets
// that hold functions equal to themselves. The operands of `==` itself are values, never cells.
import { EvalError } from '../util/errors.ts';
import type { Pos } from '../util/positions.ts';
import { intern } from '../util/symbols.ts';
import { Attrs } from './attrs.ts';
import type { Evaluator } from './evaluator.ts';
import { errorPrintOptions, printValue } from './print.ts';
import { ContextString, ExternalValue, NixFloat, PathValue, type List, type Slot, type Value } from './value.ts';
import { showType, typeOfValue } from './value-type.ts';

const TYPE = intern('type');
const OUT_PATH = intern('outPath');

/** Two cells: forced, then compared by identity first. */
export function equalSlots(ev: Evaluator, a: Slot, b: Slot, pos: Pos): boolean {
  const x = ev.force(a, pos);
  const y = ev.force(b, pos);
  if (a === b) return true;
  if (typeof x === 'string' && typeof y === 'string') return x === y;
  return equalValues(ev, x, y, pos);
}

export function equalValues(ev: Evaluator, a: Value, b: Value, pos: Pos): boolean {
  switch (typeof a) {
    case 'string':
      return typeof b === 'string' ? a === b : b instanceof ContextString && a === b.text;
    case 'number':
    case 'bigint':
      if (typeof b === 'number' || typeof b === 'bigint') return a === b;
      return b instanceof NixFloat && Number(a) === b.value;
    case 'boolean':
      return a === b;
    default:
  }
  if (a === null) return b === null;
  if (typeof b !== 'object' || b === null) {
    return a instanceof ContextString ? a.text === b : a instanceof NixFloat && isInt(b) && a.value === Number(b);
  }
  if (a instanceof Attrs) return b instanceof Attrs && nested(ev, a, b, pos, equalAttrs);
  if (Array.isArray(a)) return Array.isArray(b) && nested(ev, a as List, b as List, pos, equalLists);
  if (a instanceof ContextString) return b instanceof ContextString && a.text === b.text;
  if (a instanceof PathValue) return b instanceof PathValue && a.path === b.path;
  if (a instanceof NixFloat) return b instanceof NixFloat && a.value === b.value;
  if (a instanceof ExternalValue) return b instanceof ExternalValue && a.payload === b.payload;
  return false; // functions
}

function isInt(value: Value): value is number | bigint {
  return typeof value === 'number' || typeof value === 'bigint';
}

function nested<T>(
  ev: Evaluator,
  a: T,
  b: T,
  pos: Pos,
  equal: (ev: Evaluator, a: T, b: T, pos: Pos) => boolean,
): boolean {
  if (ev.depth > ev.maxDepth || --ev.fuel < 0) ev.checkLimits(pos);
  ev.depth++;
  const result = equal(ev, a, b, pos);
  ev.depth--;
  return result;
}

function equalLists(ev: Evaluator, a: List, b: List, pos: Pos): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (!equalSlots(ev, a[i]!, b[i]!, pos)) return false;
  return true;
}

/** Whether `type` is the string "derivation". */
export function isDerivation(ev: Evaluator, set: Attrs): boolean {
  const i = set.keys.indexOf(TYPE);
  if (i < 0) return false;
  const type = ev.force(set.values[i]!, set.positionOf(i));
  return type === 'derivation' || (type instanceof ContextString && type.text === 'derivation');
}

function equalAttrs(ev: Evaluator, a: Attrs, b: Attrs, pos: Pos): boolean {
  if (isDerivation(ev, a) && isDerivation(ev, b)) {
    const x = a.get(OUT_PATH);
    const y = b.get(OUT_PATH);
    if (x !== undefined && y !== undefined) return equalSlots(ev, x, y, pos);
  }
  if (a.size !== b.size) return false;
  const sameKeys = a.keys === b.keys;
  for (let i = 0; i < a.size; i++) {
    if (!sameKeys && a.keys.ids[i] !== b.keys.ids[i]) return false;
    if (!equalSlots(ev, a.values[i]!, b.values[i]!, pos)) return false;
  }
  return true;
}

/** Nix's `<` on forced values. `why`: a frame for errors; '' none. */
export function lessThan(ev: Evaluator, a: Value, b: Value, pos: Pos, why: string): boolean {
  if (typeof a === 'number' && typeof b === 'number') return a < b;
  if (typeof a === 'string' && typeof b === 'string') return a < b;
  try {
    if (isInt(a)) {
      if (isInt(b)) return a < b;
      if (b instanceof NixFloat) return Number(a) < b.value;
    } else if (a instanceof NixFloat) {
      if (isInt(b)) return a.value < Number(b);
      if (b instanceof NixFloat) return a.value < b.value;
    }
    const type = typeOfValue(a);
    const other = typeOfValue(b);
    if (type !== other) throw incomparable(ev, a, b, '; values are ', '');
    if (type === 'string') return textOf(a) < textOf(b);
    if (a instanceof PathValue) return a.path < (b as PathValue).path;
    if (Array.isArray(a)) return lessLists(ev, a as List, b as List, pos);
    throw incomparable(ev, a, b, '; values of that type are incomparable (values are ', ')');
  } catch (error) {
    throw why === '' ? error : ev.frame(error, why, 0);
  }
}

function textOf(value: Value): string {
  return value instanceof ContextString ? value.text : (value as string);
}

function lessLists(ev: Evaluator, a: List, b: List, pos: Pos): boolean {
  for (let i = 0; ; i++) {
    if (i === b.length) return false;
    if (i === a.length) return true;
    if (!equalSlots(ev, a[i]!, b[i]!, pos)) {
      return lessThan(ev, ev.force(a[i]!), ev.force(b[i]!), pos, 'while comparing two list elements');
    }
  }
}

function incomparable(ev: Evaluator, a: Value, b: Value, between: string, end: string): EvalError {
  const [x, y] = [printValue(ev, a, errorPrintOptions), printValue(ev, b, errorPrintOptions)];
  return new EvalError(`cannot compare ${showType(a)} with ${showType(b)}${between}${x} and ${y}${end}`);
}
