// Nix values → JavaScript values. docs/api.md has the table.
import { Attrs } from '../eval/attrs.ts';
import type { ContextBuilder } from '../eval/context.ts';
import { ContextString, ExternalValue, NixFloat, PathValue, type List, type Slot } from '../eval/value.ts';
import { fromUtf8 } from '../util/bytes.ts';
import { EvalError } from '../util/errors.ts';
import { printAttrName } from '../eval/print-string.ts';
import { findInvalidUtf8 } from '../eval/utf8-check.ts';
import type { Bridge } from './bridge.ts';
import { NixFloat as JsFloat, NixPath, NixString } from './wrappers.ts';

/** What Nix values become. */
export type JsValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | JsFloat
  | NixPath
  | NixString
  | JsFunction
  | JsValue[]
  | { [name: string]: JsValue };

/** A Nix function: called with one argument or, if it is curried, with several at once. */
export type JsFunction = (...args: unknown[]) => JsValue;

export interface ToJsOptions {
  /** Nothing is lost: floats, paths and strings with context become NixFloat, NixPath and NixString. */
  readonly exact?: boolean;
  /** Functions become JavaScript functions (default), or are an error. */
  readonly functions?: 'call' | 'error';
}

/** Converts a value and everything below it. Shared and cyclic sets and lists stay shared and cyclic. */
export function toJs(bridge: Bridge, slot: Slot, options: ToJsOptions): JsValue {
  return new Conversion(bridge, options).convert(slot);
}

/** Bytes as text, or as bytes where they are not UTF-8. */
export function textOrBytes(bytes: string): string | Uint8Array {
  return findInvalidUtf8(bytes) < 0 ? fromUtf8(bytes) : bytesOf(bytes);
}

export function bytesOf(bytes: string): Uint8Array {
  const out = new Uint8Array(bytes.length);
  for (let i = 0; i < bytes.length; i++) out[i] = bytes.charCodeAt(i);
  return out;
}

class Conversion {
  private readonly bridge: Bridge;
  private readonly options: ToJsOptions;
  private readonly seen = new Map<object, JsValue>();

  constructor(bridge: Bridge, options: ToJsOptions) {
    this.bridge = bridge;
    this.options = options;
  }

  convert(slot: Slot): JsValue {
    const { engine } = this.bridge;
    const value = engine.force(slot);
    if (typeof value === 'string') return textOrBytes(value);
    if (value === null || typeof value !== 'object') return value;
    if (value instanceof ContextString) {
      const text = textOrBytes(value.text);
      if (this.options.exact !== true) return text;
      if (typeof text !== 'string') throw new EvalError('cannot convert a string with context that is not UTF-8');
      return new NixString(text, value.context.map(fromUtf8));
    }
    if (value instanceof NixFloat) return this.options.exact === true ? new JsFloat(value.value) : value.value;
    if (value instanceof PathValue) {
      const path = textOrBytes(value.path);
      return this.options.exact === true && typeof path === 'string' ? new NixPath(path) : path;
    }
    if (value instanceof ExternalValue) return value.payload as JsValue;
    const known = this.seen.get(value);
    if (known !== undefined) return known;
    // Counted as deep evaluation is, so that what has no end ends as it does there.
    if (engine.depth > engine.maxDepth || --engine.fuel < 0) engine.checkLimits(engine.determinePos(slot));
    engine.depth++;
    const result = Array.isArray(value)
      ? this.list(value as List)
      : value instanceof Attrs
        ? this.set(value)
        : this.function(value, slot);
    engine.depth--;
    return result;
  }

  private list(list: List): JsValue[] {
    const out: JsValue[] = [];
    this.seen.set(list, out);
    for (let i = 0; i < list.length; i++) {
      try {
        out.push(this.convert(list[i]!));
      } catch (error) {
        throw this.bridge.engine.frame(error, `while evaluating list element at index ${i}`, 0);
      }
    }
    return out;
  }

  private set(set: Attrs): { [name: string]: JsValue } {
    const out = Object.create(null) as { [name: string]: JsValue };
    this.seen.set(set, out);
    set.forEachByName((name, slot, pos) => {
      try {
        out[fromUtf8(name)] = this.convert(slot);
      } catch (error) {
        throw this.bridge.engine.frame(error, `while evaluating the attribute '${printAttrName(name)}'`, pos);
      }
    });
    return out;
  }

  private function(fn: object, slot: Slot): JsValue {
    const { bridge, options } = this;
    if (options.functions === 'error') {
      throw new EvalError(`cannot convert ${bridge.engine.showType(slot)} to JavaScript`);
    }
    const call: JsFunction = (...args) =>
      bridge
        .wrap(slot)
        .call(...args)
        .toJS(options);
    bridge.register(call, slot);
    this.seen.set(fn, call);
    return call;
  }
}

/** Text of context elements. */
export function contextOf(context: ContextBuilder): string[] {
  return (context.get() ?? []).map(fromUtf8);
}
