// Coercion of values to strings and paths (Nix manual, "String interpolation"; eval.cc: coerceToString).
import { EvalError, TypeMismatchError } from '../util/errors.ts';
import type { Pos } from '../util/positions.ts';
import { intern } from '../util/symbols.ts';
import { Attrs } from './attrs.ts';
import type { ContextBuilder } from './context.ts';
import type { CoerceOptions, Evaluator } from './evaluator.ts';
import { formatFloatF } from './format-float.ts';
import { errorPrintOptions, printValue } from './print.ts';
import { canonicalPath } from './search-path.ts';
import { Thunk, VALUE } from './thunk.ts';
import { ContextString, NixFloat, PathValue, type List, type Slot, type Value } from './value.ts';
import { showType } from './value-type.ts';

const TO_STRING = intern('__toString');
const OUT_PATH = intern('outPath');

export function coerceToString(
  ev: Evaluator,
  slot: Slot,
  pos: Pos,
  context: ContextBuilder,
  why: string,
  options: CoerceOptions,
): string {
  const value = ev.force(slot, pos);
  if (typeof value === 'string') return value;
  if (value instanceof ContextString) {
    context.add(value.context);
    return value.text;
  }
  if (value instanceof PathValue) {
    return options.copy === false ? value.path : ev.copyPathToStore(value.path, context);
  }
  if (value instanceof Attrs) {
    if (ev.depth > ev.maxDepth) ev.checkLimits(pos);
    ev.depth++;
    const text = peel(ev, value, pos, (peeled) => {
      if (peeled instanceof Attrs) throw cannotCoerce(ev, peeled, pos, why);
      return coerceToString(ev, peeled, pos, context, why, options);
    });
    ev.depth--;
    return text;
  }
  if (options.more === true) {
    switch (typeof value) {
      case 'boolean':
        return value ? '1' : '';
      case 'number':
      case 'bigint':
        return value.toString();
      default:
    }
    if (value === null) return '';
    if (value instanceof NixFloat) return formatFloatF(value.value);
    if (Array.isArray(value)) {
      if (ev.depth > ev.maxDepth) ev.checkLimits(pos);
      ev.depth++;
      const text = joinList(ev, value as List, pos, context, why, options);
      ev.depth--;
      return text;
    }
  }
  throw cannotCoerce(ev, value, pos, why);
}

function cannotCoerce(ev: Evaluator, value: Value, pos: Pos, why: string): TypeMismatchError {
  return new TypeMismatchError(
    `cannot coerce ${showType(value)} to a string: ${printValue(ev, value, errorPrintOptions)}`,
  ).addFrame(why, pos);
}

function joinList(
  ev: Evaluator,
  list: List,
  pos: Pos,
  context: ContextBuilder,
  why: string,
  options: CoerceOptions,
): string {
  let text = '';
  for (let i = 0; i < list.length; i++) {
    try {
      text += coerceToString(ev, list[i]!, pos, context, 'while evaluating one element of the list', options);
    } catch (error) {
      throw ev.frame(error, why, pos);
    }
    // Nix quirk: no separator after an empty list.
    if (i < list.length - 1) {
      const element = ev.force(list[i]!);
      if (!Array.isArray(element) || element.length > 0) text += ' ';
    }
  }
  return text;
}

/**
 * Follows `__toString` and `outPath` until something that has neither, and hands that to `use`. Errors of `use` get the
 * frames of the way there.
 */
export function peel<T>(ev: Evaluator, slot: Slot, pos: Pos, use: (value: Value) => T): T {
  const value = ev.force(slot, pos);
  if (!(value instanceof Attrs)) return use(value);
  const i = value.keys.indexOf(TO_STRING);
  if (i >= 0) {
    const at = value.positionOf(i);
    let result: Value;
    try {
      result = ev.call(value.values[i]!, [value], at);
    } catch (error) {
      throw ev.frame(error, 'while calling the `__toString` attribute', at);
    }
    return nested(ev, result, pos, at, 'the result of the `__toString` attribute', use);
  }
  const j = value.keys.indexOf(OUT_PATH);
  if (j < 0) return use(value);
  const at = value.positionOf(j);
  return nested(ev, value.values[j]!, pos, at, 'the `outPath` attribute', use);
}

function nested<T>(ev: Evaluator, slot: Slot, pos: Pos, at: Pos, what: string, use: (value: Value) => T): T {
  try {
    ev.force(slot, at);
    if (ev.depth > ev.maxDepth) ev.checkLimits(pos);
    ev.depth++;
    const result = peel(ev, slot, at, use);
    ev.depth--;
    return result;
  } catch (error) {
    const known = !(slot instanceof Thunk) || slot.off === VALUE;
    throw ev.frame(error, `while ${known ? 'using' : 'evaluating'} ${what}`, at);
  }
}

/** A path, or what coerces to an absolute path as text; canonical. */
export function coerceToPath(ev: Evaluator, slot: Slot, pos: Pos, context: ContextBuilder, why: string): string {
  return peel(ev, slot, pos, (value) => {
    if (value instanceof PathValue) return value.path;
    const path = coerceToString(ev, value, pos, context, why, { copy: false });
    if (!path.startsWith('/')) {
      throw new EvalError(`string '${path}' doesn't represent an absolute path`).addFrame(why, pos);
    }
    return canonicalPath(path);
  });
}
