// A handle on a Nix value. Nothing is evaluated before it is asked for, and then only to where its type is known.
import { Attrs } from '../eval/attrs.ts';
import { ContextBuilder } from '../eval/context.ts';
import { valueToJson } from '../eval/json.ts';
import { Unevaluated, peek } from '../eval/peek.ts';
import { printValue } from '../eval/print.ts';
import { ContextString, type List, type Slot } from '../eval/value.ts';
import { typeOfValue, type TypeName } from '../eval/value-type.ts';
import { fromUtf8, utf8 } from '../util/bytes.ts';
import { EvalError, MissingAttributeError } from '../util/errors.ts';
import { bestMatches } from '../util/suggestions.ts';
import { findSymbol, symbolName, type Sym } from '../util/symbols.ts';
import type { Bridge } from './bridge.ts';
import { fromJs } from './from-js.ts';
import { bytesOf, contextOf, toJs, type JsValue, type ToJsOptions } from './to-js.ts';

/** As builtins.typeOf says, but `function` for lambda, and `external` for opaque JavaScript values. */
export type NixType = TypeName;

export interface PrintOptions {
  /** Evaluate what is printed; otherwise what was not evaluated yet is «thunk». */
  readonly force?: boolean;
  /** Sets and lists below this many others are `{ ... }` and `[ ... ]`. */
  readonly maxDepth?: number;
  /** Columns per level; 0 (default) prints on one line. */
  readonly indent?: number;
}

/** Newer than the types that are compiled with. */
const { rawJSON } = JSON as { rawJSON?: (text: string) => unknown };

/** Integers that no number holds stay as they are written. */
function parseJson(text: string): unknown {
  if (rawJSON === undefined || !/\d{16}/.test(text)) return JSON.parse(text);
  const exact = (_key: string, value: unknown, context?: { readonly source?: string }): unknown => {
    const source = typeof value === 'number' && !Number.isSafeInteger(value) ? context?.source : undefined;
    return source !== undefined && /^-?\d+$/.test(source) ? rawJSON(source) : value;
  };
  return JSON.parse(text, exact);
}

export class NixValue {
  readonly #bridge: Bridge;
  readonly #slot: Slot;

  private constructor(bridge: Bridge, slot: Slot) {
    this.#bridge = bridge;
    this.#slot = slot;
    bridge.register(this, slot);
  }

  /** @internal */
  static of(bridge: Bridge, slot: Slot): NixValue {
    return new NixValue(bridge, slot);
  }

  /** Whether it was evaluated already (to where its type is known). */
  get isEvaluated(): boolean {
    return !(peek(this.#slot) instanceof Unevaluated);
  }

  /** Evaluated to find out. */
  get type(): NixType {
    return this.#bridge.enter(() => typeOfValue(this.#bridge.engine.force(this.#slot)));
  }

  /** Evaluates to where the type is known. */
  force(): this {
    this.#bridge.enter(() => this.#bridge.engine.force(this.#slot));
    return this;
  }

  /** Evaluates everything below, too. */
  forceDeep(): this {
    this.#bridge.enter(() => this.#bridge.engine.forceDeep(this.#slot));
    return this;
  }

  // Sets and lists.

  /**
   * What is below: names go into sets, numbers into lists. What is found is not evaluated.
   * @throws MissingAttributeError, EvalError for an index that is not there, TypeMismatchError
   */
  get(...path: readonly (string | number)[]): NixValue {
    return this.#bridge.enter(() => {
      let slot = this.#slot;
      for (const step of path)
        slot = typeof step === 'number' ? this.#element(slot, step) : this.#attribute(slot, step);
      return this.#bridge.wrap(slot);
    });
  }

  /** Whether a set has an attribute. Other values have none. */
  has(name: string): boolean {
    return this.#bridge.enter(() => {
      const value = this.#bridge.engine.force(this.#slot);
      const sym = findSymbol(utf8(name));
      return sym !== undefined && value instanceof Attrs && value.has(sym);
    });
  }

  /** Names of a set's attributes, sorted as Nix sorts them. */
  names(): string[] {
    return this.#bridge.enter(() => {
      const set = this.#set(this.#slot);
      return Array.from(set.keys.nameOrder(), (i) => fromUtf8(symbolName(set.keys.ids[i] as Sym)));
    });
  }

  /** A set's attributes, sorted by name; not evaluated. */
  entries(): [name: string, value: NixValue][] {
    return this.names().map((name) => [name, this.get(name)]);
  }

  /** Elements of a list, or attributes of a set. */
  get length(): number {
    return this.#bridge.enter(() => {
      const value = this.#bridge.engine.force(this.#slot);
      return value instanceof Attrs ? value.size : this.#list(value).length;
    });
  }

  /** Elements of a list, not evaluated. */
  *[Symbol.iterator](): IterableIterator<NixValue> {
    const list = this.#bridge.enter(() => this.#list(this.#slot));
    for (const slot of list) yield this.#bridge.wrap(slot);
  }

  // Functions.

  /** Calls a function (or a set with `__functor`): `f.call(1, 2)` is `f 1 2`, `f.call({ x: 1 })` is `f { x = 1; }`. */
  call(...args: readonly unknown[]): NixValue {
    if (args.length === 0) throw new TypeError('a Nix function is called with one argument or more');
    return this.#bridge.enter(() => {
      const slots = args.map((arg) => fromJs(this.#bridge, arg));
      return this.#bridge.wrap(this.#bridge.engine.call(this.#slot, slots, 0));
    });
  }

  // Strings.

  /** The text of a string, or of what coerces to one as in `"${…}"` (paths are copied to the store). */
  text(): string {
    return fromUtf8(this.#coerce(new ContextBuilder()));
  }

  /** The bytes of that text: Nix strings need not be UTF-8. */
  bytes(): Uint8Array {
    return bytesOf(this.#coerce(new ContextBuilder()));
  }

  /** What that text needs in the store, as NixString says it. */
  context(): string[] {
    const context = new ContextBuilder();
    this.#coerce(context);
    return contextOf(context);
  }

  // Conversion.

  /** Evaluates everything below and converts it: docs/api.md has the rules. */
  toJS(options: ToJsOptions = {}): JsValue {
    return this.#bridge.enter(() => toJs(this.#bridge, this.#slot, options));
  }

  /** As builtins.toJSON, paths as they are. @throws TypeMismatchError for functions */
  json(): string {
    return this.#bridge.enter(() => {
      const options = { strict: true, copyPaths: false, context: new ContextBuilder() };
      return fromUtf8(valueToJson(this.#bridge.engine, this.#slot, options));
    });
  }

  /** For JSON.stringify, which writes integers as they are, large ones too (in hosts that have JSON.rawJSON). */
  toJSON(): unknown {
    return parseJson(this.json());
  }

  /** As Nix prints values. */
  print({ force = false, maxDepth = Infinity, indent = 0 }: PrintOptions = {}): string {
    const options = { force, maxDepth, prettyIndent: indent, derivationPaths: true };
    return this.#bridge.enter(() => fromUtf8(printValue(this.#bridge.engine, this.#slot, options)));
  }

  toString(): string {
    return this.print();
  }

  /** Nix's `==`. */
  equals(other: unknown): boolean {
    return this.#bridge.enter(() => this.#bridge.engine.equal(this.#slot, fromJs(this.#bridge, other), 0, ''));
  }

  #coerce(context: ContextBuilder): string {
    return this.#bridge.enter(() => {
      const { engine } = this.#bridge;
      const value = engine.force(this.#slot);
      if (typeof value === 'string') return value;
      if (value instanceof ContextString) {
        context.add(value.context);
        return value.text;
      }
      return engine.coerceToString(value, 0, context, 'while coercing a value to a string');
    });
  }

  #set(slot: Slot): Attrs {
    return this.#bridge.engine.expectAttrs(slot, 0, '');
  }

  #list(slot: Slot): List {
    return this.#bridge.engine.expectList(slot, 0, '');
  }

  #attribute(slot: Slot, step: string): Slot {
    const set = this.#set(slot);
    const name = utf8(step);
    const sym = findSymbol(name);
    const found = sym === undefined ? undefined : set.get(sym);
    if (found !== undefined) return found;
    const names = Array.from(set.keys.ids, (id) => symbolName(id as Sym));
    throw new MissingAttributeError(`attribute '${name}' missing`, { suggestions: bestMatches(names, name) });
  }

  #element(slot: Slot, index: number): Slot {
    const list = this.#list(slot);
    const element = list[index];
    if (element === undefined) {
      throw new EvalError(`list index ${index} is out of bounds for a list of length ${list.length}`);
    }
    return element;
  }
}
