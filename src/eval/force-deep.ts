// Forcing of everything below a value: `--strict`, deepSeq.
import { symbolName, type Sym } from '../util/symbols.ts';
import { Attrs } from './attrs.ts';
import type { Evaluator } from './evaluator.ts';
import { printAttrName } from './print-string.ts';
import { Thunk } from './thunk.ts';
import type { List, Slot, Value } from './value.ts';

export function forceDeep(ev: Evaluator, slot: Slot): Value {
  return visit(ev, slot, new Set());
}

function visit(ev: Evaluator, slot: Slot, seen: Set<object>): Value {
  if (ev.depth > ev.maxDepth || --ev.fuel < 0) ev.checkLimits(ev.determinePos(slot));
  ev.depth++;
  const value = slot instanceof Thunk ? ev.force(slot, ev.determinePos(slot)) : slot;
  if (typeof value === 'object' && value !== null && !seen.has(value)) {
    if (value instanceof Attrs) {
      seen.add(value);
      visitAttrs(ev, value, seen);
    } else if (Array.isArray(value)) {
      seen.add(value);
      visitList(ev, value as List, seen);
    }
  }
  ev.depth--;
  return value;
}

function visitAttrs(ev: Evaluator, set: Attrs, seen: Set<object>): void {
  for (let i = 0; i < set.size; i++) {
    const pos = set.positions === null ? 0 : set.positions[i]!;
    try {
      if (ev.debugged)
        ev.visitAttribute(set.values[i]!, set.keys.ids[i] as Sym, pos, () => visit(ev, set.values[i]!, seen));
      else visit(ev, set.values[i]!, seen);
    } catch (error) {
      throw ev.frame(
        error,
        `while evaluating the attribute '${printAttrName(symbolName(set.keys.ids[i] as Sym))}'`,
        pos,
      );
    }
  }
}

function visitList(ev: Evaluator, list: List, seen: Set<object>): void {
  for (let i = 0; i < list.length; i++) {
    try {
      visit(ev, list[i]!, seen);
    } catch (error) {
      throw ev.frame(error, `while evaluating list element at index ${i}`, 0);
    }
  }
}
