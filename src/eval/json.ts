// Values as JSON: builtins.toJSON, `--json`, __structuredAttrs. Compact, keys in bytewise order.
import { EvalError, TypeMismatchError } from '../util/errors.ts';
import type { Pos } from '../util/positions.ts';
import { intern, symbolName, type Sym } from '../util/symbols.ts';
import { TextBuilder } from '../util/text-builder.ts';
import { Attrs, type KeySet } from './attrs.ts';
import type { ContextBuilder } from './context.ts';
import type { Evaluator } from './evaluator.ts';
import { formatFloatJson } from './format-float.ts';
import { hostError, MAX_PRINTED, outOfMemory } from './host-error.ts';
import { peek, Unevaluated } from './peek.ts';
import { printAttrName } from './print-string.ts';
import { describeInvalidUtf8 } from './utf8-check.ts';
import { ContextString, NixFloat, PathValue, type List, type Slot, type Value } from './value.ts';

export interface JsonOptions {
  readonly context: ContextBuilder;
  /** Paths are copied to the store (default); else they are written as they are. */
  readonly copyPaths?: boolean;
  /** Force everything (default); else unevaluated parts are errors. */
  readonly strict?: boolean;
}

const TO_STRING = intern('__toString');
const OUT_PATH = intern('outPath');

/**
 * A byte string of UTF-8 JSON.
 * @throws TypeMismatchError for functions, EvalError where a string is not UTF-8
 */
export function valueToJson(ev: Evaluator, slot: Slot, options: JsonOptions): string {
  const writer = new JsonWriter(ev, options);
  try {
    writer.write(slot, 0, options.copyPaths ?? true);
  } catch (error) {
    throw hostError(error);
  }
  if (writer.invalid !== null) throw new EvalError(`JSON serialization error: ${writer.invalid}`);
  return writer.out.get();
}

/** A JSON string literal; non-ASCII bytes are copied. */
export function quoteJson(text: string): string {
  if (!/["\\\x00-\x1f]/.test(text)) return `"${text}"`;
  let out = '"';
  let pending = 0;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c >= 32 && c !== 34 && c !== 92) continue;
    out += text.slice(pending, i) + escapeJson(c);
    pending = i + 1;
  }
  return `${out + text.slice(pending)}"`;
}

function escapeJson(c: number): string {
  switch (c) {
    case 34:
      return '\\"';
    case 92:
      return '\\\\';
    case 8:
      return '\\b';
    case 9:
      return '\\t';
    case 10:
      return '\\n';
    case 12:
      return '\\f';
    case 13:
      return '\\r';
    default:
      return `\\u00${c < 16 ? '0' : ''}${c.toString(16)}`;
  }
}

function makeLabels(keys: KeySet): string[] | null {
  const names = Array.from(keys.nameOrder(), (index) => symbolName(keys.ids[index] as Sym));
  if (!names.every((name) => PLAIN.test(name))) return null;
  return names.map((name, i) => `${i === 0 ? '{' : ','}"${name}":`);
}

/** Written as it is. */
const PLAIN = /^[\x20\x21\x23-\x5b\x5d-\x7f]*$/;

/** Larger sets are dictionaries: none of their shape will come again. */
const MAX_LABELS = 64;

class JsonWriter {
  /** By shape, what stands before each value of a set that is an object: `{"a":`, `,"b":` … Only plain names. */
  private readonly labels = new Map<KeySet, readonly string[] | null>();
  readonly out = new TextBuilder();
  /** The first string that is not UTF-8: told at the end, as Nix serialises only what evaluated in full. */
  invalid: string | null = null;
  private readonly ev: Evaluator;
  private readonly context: ContextBuilder;
  private readonly strict: boolean;

  constructor(ev: Evaluator, options: JsonOptions) {
    this.ev = ev;
    this.context = options.context;
    this.strict = options.strict ?? true;
  }

  write(slot: Slot, pos: Pos, copyPaths: boolean): void {
    const { ev } = this;
    if (ev.depth > ev.maxDepth || --ev.fuel < 0) ev.checkLimits(pos);
    if (this.out.length > MAX_PRINTED) throw outOfMemory();
    ev.depth++;
    this.writePeeked(this.strict ? ev.force(slot, pos) : peek(slot), pos, copyPaths);
    ev.depth--;
  }

  private writePeeked(value: Value | Unevaluated, pos: Pos, copyPaths: boolean): void {
    switch (typeof value) {
      case 'string':
        this.writeString(value);
        return;
      case 'number':
      case 'bigint':
      case 'boolean':
        this.out.add(value.toString());
        return;
      default:
    }
    if (value === null) this.out.add('null');
    else if (value instanceof Attrs) this.peel(value, pos, false, pos, copyPaths);
    else if (Array.isArray(value)) this.writeList(value as List, pos, copyPaths);
    else if (value instanceof ContextString) {
      this.context.add(value.context);
      this.writeString(value.text);
    } else if (value instanceof PathValue) {
      this.writeString(copyPaths ? this.ev.copyPathToStore(value.path, this.context) : value.path);
    } else if (value instanceof NixFloat) this.out.add(formatFloatJson(value.value));
    else {
      const type =
        value instanceof Unevaluated
          ? value.state === 'blackhole'
            ? 'a black hole'
            : 'a thunk'
          : this.ev.showType(value);
      throw new TypeMismatchError(`cannot convert ${type} to JSON`, { pos });
    }
  }

  private writeString(text: string): void {
    if (PLAIN.test(text)) {
      this.out.add(`"${text}"`);
      return;
    }
    if (this.invalid === null && !/^[\x00-\x7f]*$/.test(text)) this.invalid = describeInvalidUtf8(text);
    this.out.add(quoteJson(text));
  }

  private writeList(items: List, pos: Pos, copyPaths: boolean): void {
    this.out.add('[');
    let i = 0;
    try {
      for (; i < items.length; i++) {
        if (i > 0) this.out.add(',');
        this.write(items[i]!, pos, copyPaths);
      }
    } catch (error) {
      throw this.ev.frame(error, `while evaluating list element at index ${i}`, pos);
    }
    this.out.add(']');
  }

  /** Follows __toString and outPath to what stands for the set; a set without either is an object. */
  private peel(slot: Slot, pos: Pos, cameThroughToString: boolean, outerPos: Pos, copyPaths: boolean): void {
    const { ev } = this;
    const value = ev.force(slot, pos);
    if (!(value instanceof Attrs)) {
      if (
        cameThroughToString &&
        typeof value !== 'string' &&
        !(value instanceof ContextString) &&
        !(value instanceof PathValue)
      ) {
        throw new TypeMismatchError(
          `\`__toString\` should return a string, but got ${ev.showType(value)}: ${ev.showValue(value)}`,
          { pos },
        );
      }
      // Nix quirk: a path that __toString returned is not copied.
      this.write(value, outerPos, copyPaths && !cameThroughToString);
      return;
    }
    const toString = value.get(TO_STRING);
    if (toString !== undefined) {
      const at = value.posOf(TO_STRING);
      let result: Value;
      try {
        result = ev.call(toString, [value], at);
      } catch (error) {
        throw ev.frame(error, 'while calling the `__toString` attribute', at);
      }
      try {
        this.peelDeeper(result, pos, at, true, outerPos, copyPaths);
      } catch (error) {
        throw ev.frame(error, 'while using the result of the `__toString` attribute', at);
      }
      return;
    }
    const outPath = value.get(OUT_PATH);
    if (outPath !== undefined) {
      const at = value.posOf(OUT_PATH);
      try {
        ev.force(outPath, at);
        this.peelDeeper(outPath, pos, at, cameThroughToString, outerPos, copyPaths);
      } catch (error) {
        const verb = peek(outPath) instanceof Unevaluated ? 'evaluating' : 'using';
        throw ev.frame(error, `while ${verb} the \`outPath\` attribute`, at);
      }
      return;
    }
    if (cameThroughToString) {
      throw new TypeMismatchError(
        `\`__toString\` must return a string, but got ${ev.showType(value)}: ${ev.showValue(value)}`,
        { pos },
      );
    }
    this.writeObject(value, copyPaths);
  }

  private peelDeeper(
    slot: Slot,
    pos: Pos,
    at: Pos,
    cameThroughToString: boolean,
    outerPos: Pos,
    copyPaths: boolean,
  ): void {
    const { ev } = this;
    if (ev.depth > ev.maxDepth || --ev.fuel < 0) ev.checkLimits(pos);
    ev.depth++;
    this.peel(slot, at, cameThroughToString, outerPos, copyPaths);
    ev.depth--;
  }

  /** @returns null where a name is not plain: it may not even be UTF-8, which is told in the order of writing */
  private labelsOf(keys: KeySet): readonly string[] | null {
    let labels = this.labels.get(keys);
    if (labels === undefined) {
      labels = keys.size > MAX_LABELS ? null : makeLabels(keys);
      this.labels.set(keys, labels);
    }
    return labels;
  }

  private writeObject(attrs: Attrs, copyPaths: boolean): void {
    const { keys, values, positions } = attrs;
    const order = keys.nameOrder();
    if (order.length === 0) {
      this.out.add('{}');
      return;
    }
    const labels = this.labelsOf(keys);
    let i = 0;
    try {
      for (; i < order.length; i++) {
        const index = order[i]!;
        if (labels !== null) this.out.add(labels[i]!);
        else {
          this.out.add(i === 0 ? '{' : ',');
          this.writeString(symbolName(keys.ids[index] as Sym));
          this.out.add(':');
        }
        this.write(values[index]!, positions === null ? 0 : positions[index]!, copyPaths);
      }
    } catch (error) {
      const index = order[i]!;
      const name = printAttrName(symbolName(keys.ids[index] as Sym));
      const pos = positions === null ? 0 : positions[index]!;
      throw this.ev.frame(error, `while evaluating attribute '${name}'`, pos);
    }
    this.out.add('}');
  }
}
