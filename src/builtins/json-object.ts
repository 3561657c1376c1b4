// JSON objects in the making. Documents repeat objects with the same keys in the same order: such objects follow a
// chain of shapes, at whose end the sorted keys lie ready, and the next key can be guessed.
import { Attrs, KeySet } from '../eval/attrs.ts';
import type { Slot } from '../eval/value.ts';
import { symbolName, type Sym } from '../util/symbols.ts';
import { attrsOfMap } from './attrs-of-map.ts';

/** Longer objects are dictionaries, which do not repeat. */
const MAX_DEPTH = 40;
/** Per document. */
const MAX_SHAPES = 5000;

/** Names that are written as they are. */
const PLAIN = /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/;

/** A sequence of distinct keys. */
class Shape {
  readonly sym: Sym;
  readonly parent: Shape | null;
  readonly depth: number;
  /** The key that came next last time, as it is written: `"name"`. */
  guessText = '';
  guess: Shape | null = null;
  private children: Map<Sym, Shape> | null = null;
  private keys: KeySet | null = null;
  /** Where each of the sorted keys is in the order of writing. */
  private order: Int32Array | null = null;

  constructor(sym: Sym, parent: Shape | null) {
    this.sym = sym;
    this.parent = parent;
    this.depth = parent === null ? 0 : parent.depth + 1;
  }

  /** The shape with one key more; undefined where there is none yet. */
  child(sym: Sym): Shape | undefined {
    return this.children?.get(sym);
  }

  addChild(sym: Sym): Shape {
    const shape = new Shape(sym, this);
    (this.children ??= new Map()).set(sym, shape);
    return shape;
  }

  has(sym: Sym): boolean {
    return this.parent !== null && (this.sym === sym || this.parent.has(sym));
  }

  /** Keys in order of writing. */
  syms(): Sym[] {
    if (this.parent === null) return [];
    const out = this.parent.syms();
    out.push(this.sym);
    return out;
  }

  build(values: readonly Slot[]): Attrs {
    if (this.keys === null) {
      const syms = this.syms();
      const order = Int32Array.from(syms.keys()).sort((a, b) => syms[a]! - syms[b]!);
      this.order = order;
      this.keys = new KeySet(order.map((i) => syms[i]!));
    }
    const order = this.order!;
    const sorted: Slot[] = [];
    for (let i = 0; i < order.length; i++) sorted.push(values[order[i]!]!);
    return new Attrs(this.keys, sorted, null);
  }
}

/** The shapes of one document. */
export class Shapes {
  readonly root = new Shape(-1 as Sym, null);
  private count = 0;

  /** undefined where the object had better be a dictionary. */
  step(shape: Shape, sym: Sym): Shape | undefined {
    let next = shape.child(sym);
    if (next === undefined) {
      if (this.count >= MAX_SHAPES || shape.depth >= MAX_DEPTH || shape.has(sym)) return undefined;
      this.count++;
      next = shape.addChild(sym);
    }
    const name = symbolName(sym);
    if (PLAIN.test(name)) {
      shape.guess = next;
      shape.guessText = `"${name}"`;
    }
    return next;
  }
}

export class JsonObject {
  private readonly shapes: Shapes;
  private shape: Shape;
  private values: Slot[] = [];
  /** In place of shape and values once it is a dictionary. */
  private members: Map<Sym, Slot> | null = null;
  private key: Sym = -1 as Sym;

  constructor(shapes: Shapes) {
    this.shapes = shapes;
    this.shape = shapes.root;
  }

  /** If the guessed key stands at `at`, takes it and returns the offset behind it; else -1. */
  guessKey(text: string, at: number): number {
    const { guess, guessText } = this.shape;
    if (this.members !== null || guess === null || !text.startsWith(guessText, at)) return -1;
    this.shape = guess;
    return at + guessText.length;
  }

  setKey(sym: Sym): void {
    if (this.members === null) {
      const next = this.shapes.step(this.shape, sym);
      if (next !== undefined) {
        this.shape = next;
        return;
      }
      const syms = this.shape.syms();
      this.members = new Map(this.values.map((value, i) => [syms[i]!, value]));
    }
    this.key = sym;
  }

  /** The value of the last key. Of keys that come twice the last counts. */
  add(value: Slot): void {
    if (this.members === null) this.values.push(value);
    else this.members.set(this.key, value);
  }

  build(): Attrs {
    return this.members === null ? this.shape.build(this.values) : attrsOfMap(this.members);
  }
}
