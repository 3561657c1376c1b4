// builtins.genericClosure: breadth first, one element per key.
import type { Evaluator } from '../eval/evaluator.ts';
import { ContextString, type BuiltinRecord, type Slot, type Value } from '../eval/value.ts';
import { NixError } from '../util/errors.ts';
import { intern } from '../util/symbols.ts';
import { OrderedMap } from './ordered-map.ts';
import { requireAttr } from './required-attr.ts';

const START_SET = intern('startSet');
const OPERATOR = intern('operator');
const KEY = intern('key');

/** Keys seen: a hash set while all are strings or all ints, what `<` orders otherwise. */
class KeySet {
  private readonly ev: Evaluator;
  private simple: Set<string | number | bigint> | null = new Set();
  private kind: string | null = null;
  /** In order of insertion, to build the tree from. */
  private readonly added: (readonly [key: Slot, element: Slot])[] = [];
  private tree: OrderedMap<Slot, Slot> | null = null;

  constructor(ev: Evaluator) {
    this.ev = ev;
  }

  /** False where the key is known. */
  add(key: Slot, element: Slot): boolean {
    if (this.simple !== null) {
      const value = this.ev.force(key);
      const plain = value instanceof ContextString ? value.text : value;
      const kind = typeof plain === 'bigint' ? 'number' : typeof plain;
      if ((kind === 'string' || kind === 'number') && (this.kind === null || this.kind === kind)) {
        this.kind = kind;
        if (this.simple.has(plain as string)) return false;
        this.simple.add(plain as string);
        this.added.push([key, element]);
        return true;
      }
      this.simple = null;
      this.tree = new OrderedMap((a, b) => this.ev.lessThan(a, b, 0, ''));
      for (const [known, of] of this.added) this.tree.insert(known, of);
    }
    try {
      return this.tree!.insert(key, element);
    } catch (error) {
      if (error instanceof NixError) this.explain(error, key, element);
      throw error;
    }
  }

  private explain(error: NixError, key: Slot, element: Slot): void {
    const show = (slot: Slot): string => this.ev.showValue(slot);
    for (const [known, of] of this.tree!.entries()) {
      try {
        this.ev.lessThan(key, known, 0, '');
      } catch {
        // This is the one that cannot be compared: the error that is on its way tells.
        error.addFrame(`with element ${show(of)}`, 0).addFrame(`while comparing element ${show(element)}`, 0);
        return;
      }
    }
    error.addFrame(`while checking key of element ${show(element)}`, 0);
  }
}

function genericClosure(ev: Evaluator, slot: Slot): Value {
  const attrs = ev.expectAttrs(slot, 0, 'while evaluating the first argument passed to builtins.genericClosure');
  const where = 'in the attrset passed as argument to builtins.genericClosure';
  const startSet = ev.expectList(
    requireAttr(attrs, START_SET, where),
    0,
    "while evaluating the 'startSet' attribute passed as argument to builtins.genericClosure",
  );
  if (startSet.length === 0) return startSet;
  const operator = ev.expectFunction(
    requireAttr(attrs, OPERATOR, where),
    0,
    "while evaluating the 'operator' attribute passed as argument to builtins.genericClosure",
  );
  const work: Slot[] = startSet.slice();
  const keys = new KeySet(ev);
  const out: Slot[] = [];
  for (let at = 0; at < work.length; at++) {
    const element = work[at]!;
    let key: Slot;
    try {
      key = requireAttr(ev.expectAttrs(element, 0, ''), KEY, '');
    } catch (error) {
      throw ev.frame(error, `in genericClosure element ${ev.showValue(element)}`, 0);
    }
    ev.force(key);
    if (!keys.add(key, element)) continue;
    out.push(element);
    try {
      const more = ev.expectList(
        ev.callOne(operator, element, 0),
        0,
        'while evaluating the return value of the `operator` passed to builtins.genericClosure',
      );
      for (let i = 0; i < more.length; i++) {
        ev.force(more[i]!);
        work.push(more[i]!);
      }
    } catch (error) {
      throw ev.frame(error, `while calling operator on genericClosure element ${ev.showValue(element)}`, 0);
    }
  }
  return out;
}

export const genericClosureBuiltins: readonly BuiltinRecord[] = [
  {
    name: 'genericClosure',
    args: ['attrset'],
    doc:
      'The elements that are reached from the list `startSet` by calling `operator`, which returns a list, on each. ' +
      'Elements are sets with a `key`; of those with the same key only the first is kept. Keys are compared with `<`.',
    impl: (ev, _pos, attrset) => genericClosure(ev, attrset),
  },
];
