// JavaScript values → Nix values. docs/api.md has the table.
import { Attrs, AttrsBuilder } from '../eval/attrs.ts';
import {
  ExternalValue,
  makeInt,
  makeString,
  NixFloat,
  PathValue,
  Primop,
  type BuiltinRecord,
  type Slot,
} from '../eval/value.ts';
import { derivationChain, parseContextElement } from '../eval/context.ts';
import { canonicalPath } from '../eval/search-path.ts';
import { isDerivationPath, tryParseStorePath } from '../store/store-path.ts';
import { fromUtf8, utf8 } from '../util/bytes.ts';
import { intern } from '../util/symbols.ts';
import type { Bridge } from './bridge.ts';
import { inward } from './errors.ts';
import { toJs } from './to-js.ts';
import { NixFloat as JsFloat, NixPath, NixString } from './wrappers.ts';

/** Functions whose arguments are converted before they are called. */
const strictFunctions = new WeakSet();

/**
 * Marks a function to be given to Nix: its arguments are evaluated in full and converted with `toJS()`. Functions that
 * are not marked get each argument as a NixValue, unevaluated.
 */
export function strict<F extends (...args: never[]) => unknown>(fn: F): F {
  strictFunctions.add(fn);
  return fn;
}

/** @throws TypeError for what has no counterpart; RangeError for a bigint beyond 64 bits */
export function fromJs(bridge: Bridge, value: unknown, name = ''): Slot {
  return new Conversion(bridge).convert(value, name);
}

/** What may stand for text: a string, or bytes. `what` is for the message. @throws TypeError */
export function textOf(value: unknown, what: string): string {
  if (typeof value === 'string') return utf8(value);
  if (value instanceof Uint8Array) return byteString(value);
  throw new TypeError(`${what} is a string or a Uint8Array, not ${value === null ? 'null' : typeof value}`);
}

/** No text in Nix holds a NUL. */
function checked(text: string): string {
  if (text.includes('\0')) throw new TypeError('cannot convert text with a NUL to a Nix value');
  return text;
}

/** `/nix/store/…`, `!out!/nix/store/….drv`, `=/nix/store/….drv`. @throws TypeError */
function contextElement(element: string, storeDir: string): string {
  const parsed = parseContextElement(element);
  const path = parsed.kind === 'opaque' ? parsed.path : derivationChain(parsed.drvPath).drvPath;
  const known = path === canonicalPath(path) ? tryParseStorePath(path, storeDir) : undefined;
  if (known === undefined || (parsed.kind !== 'opaque' && !isDerivationPath(known))) {
    throw new TypeError(`'${fromUtf8(element)}' is no context of a Nix string`);
  }
  return element;
}

/** Bytes → byte string. */
export function byteString(bytes: Uint8Array): string {
  let out = '';
  for (let i = 0; i < bytes.length; i += 8192) out += String.fromCharCode(...bytes.subarray(i, i + 8192));
  return out;
}

class Conversion {
  private readonly bridge: Bridge;
  /** What is being converted, from the outside in. */
  private readonly open = new Set<object>();

  constructor(bridge: Bridge) {
    this.bridge = bridge;
  }

  convert(value: unknown, name: string): Slot {
    switch (typeof value) {
      case 'boolean':
        return value;
      case 'string':
        return checked(utf8(value));
      case 'number':
        return Number.isSafeInteger(value) ? value + 0 : new NixFloat(value);
      case 'bigint':
        if (BigInt.asIntN(64, value) !== value) throw new RangeError(`${value} does not fit Nix's 64-bit integers`);
        return makeInt(value);
      case 'function':
        return this.bridge.slotOf(value) ?? primop(this.bridge, value as (...args: unknown[]) => unknown, name);
      case 'object':
        return value === null ? null : this.object(value);
      default:
        throw new TypeError(`cannot convert ${typeof value} to a Nix value`);
    }
  }

  private object(value: object): Slot {
    const slot = this.bridge.slotOf(value);
    if (slot !== undefined) return slot;
    if (value instanceof Uint8Array) return checked(byteString(value));
    if (value instanceof JsFloat) return new NixFloat(value.value);
    if (value instanceof NixPath) return new PathValue(canonicalPath(checked(utf8(value.path))));
    if (value instanceof NixString) {
      const { storeDir } = this.bridge.engine.io;
      const context = value.context.map((element) => contextElement(utf8(element), storeDir));
      return makeString(checked(utf8(value.text)), context);
    }
    if (value instanceof Opaque) return new ExternalValue(utf8(value.name), value.content);
    if (this.open.has(value)) throw new TypeError('cannot convert a cyclic object to a Nix value');
    this.open.add(value);
    let result: Slot;
    if (Array.isArray(value)) result = value.map((element: unknown) => this.convert(element, ''));
    else if (value instanceof Map) result = this.map(value);
    else if (isPlain(value)) result = this.plain(value);
    else {
      const kind = (value.constructor as { name?: string } | undefined)?.name ?? 'object';
      throw new TypeError(`cannot convert an object of class ${kind} to a Nix value; wrap it with opaque()`);
    }
    this.open.delete(value);
    return result;
  }

  private map(map: ReadonlyMap<unknown, unknown>): Attrs {
    const builder = new AttrsBuilder();
    for (const [name, value] of map) {
      if (typeof name !== 'string') throw new TypeError('cannot convert a Map whose keys are not strings to a set');
      builder.set(intern(checked(utf8(name))), this.convert(value, name));
    }
    return builder.build();
  }

  /** Own enumerable properties. A getter is a lazy attribute: asked once, when it is needed. */
  private plain(object: object): Attrs {
    const builder = new AttrsBuilder();
    for (const [name, property] of Object.entries(Object.getOwnPropertyDescriptors(object))) {
      if (property.enumerable !== true) continue;
      const slot =
        property.get === undefined
          ? this.convert(property.value, name)
          : this.bridge.engine.lazy(() => outcome(this.bridge, name, () => (object as Record<string, unknown>)[name]));
      builder.set(intern(checked(utf8(name))), slot);
    }
    return builder.build();
  }
}

function isPlain(value: object): boolean {
  const prototype = Object.getPrototypeOf(value) as object | null;
  // Also plain objects of another realm (vm, frames).
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

/** What JavaScript code gives back to Nix. */
function outcome(bridge: Bridge, name: string, run: () => unknown): Slot {
  try {
    const result = run();
    if (typeof (result as { then?: unknown } | null | undefined)?.then === 'function') {
      throw new TypeError('evaluation is synchronous: it cannot wait for a Promise');
    }
    return fromJs(bridge, result, name);
  } catch (error) {
    throw inward(error, name);
  }
}

/** A function of JavaScript as a builtin with as many arguments as it declares, at least one. */
function primop(bridge: Bridge, fn: (...args: unknown[]) => unknown, given: string): Primop {
  const name = fn.name === '' ? given === '' ? 'anonymous' : given : fn.name; // prettier-ignore
  const convertsArguments = strictFunctions.has(fn);
  const record: BuiltinRecord = {
    name: utf8(name),
    args: Array.from({ length: Math.max(fn.length, 1) }, (_, i) => `arg${i + 1}`),
    doc: 'A function of JavaScript.',
    impl: (_ev, _pos, ...slots) =>
      outcome(bridge, name, () =>
        fn(...slots.map((slot) => (convertsArguments ? toJs(bridge, slot, {}) : bridge.wrap(slot)))),
      ),
  };
  return new Primop(record);
}

class Opaque {
  readonly name: string;
  readonly content: unknown;
  constructor(name: string, content: unknown) {
    this.name = name;
    this.content = content;
  }
}

/** Something that Nix code may pass around, but not look into; it comes out of `toJS()` as it was. */
export function opaque(content: unknown, name = 'a JavaScript value'): object {
  return new Opaque(name, content);
}
