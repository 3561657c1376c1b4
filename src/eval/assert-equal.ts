// `assert a == b` that fails says where a and b differ. The walk is that of equality.ts; it runs only after that one
// found them unequal.
import { AssertionError } from '../util/errors.ts';
import type { Pos } from '../util/positions.ts';
import { intern, symbolName, type Sym } from '../util/symbols.ts';
import { Attrs } from './attrs.ts';
import { equalValues, isDerivation } from './equality.ts';
import type { Evaluator } from './evaluator.ts';
import { printAttrName } from './print-string.ts';
import { errorPrintOptions, printValue } from './print.ts';
import type { List, Slot, Value } from './value.ts';
import { showType, typeOfValue, type TypeName } from './value-type.ts';

const OUT_PATH = intern('outPath');

/** Two cells. */
function assertEqualSlots(ev: Evaluator, a: Slot, b: Slot, pos: Pos): void {
  const x = ev.force(a, pos);
  const y = ev.force(b, pos);
  if (a !== b) assertEqual(ev, x, y, pos);
}

/** @throws AssertionError where they differ; frames say how to get there */
export function assertEqual(ev: Evaluator, a: Value, b: Value, pos: Pos): void {
  if (ev.depth > ev.maxDepth) ev.checkLimits(pos);
  ev.depth++;
  compare(ev, a, b, pos);
  ev.depth--;
}

function compare(ev: Evaluator, a: Value, b: Value, pos: Pos): void {
  const show = (value: Value): string => printValue(ev, value, errorPrintOptions);
  const [ta, tb] = [typeOfValue(a), typeOfValue(b)];
  if (isNumber(ta) && isNumber(tb)) {
    if (equalValues(ev, a, b, pos)) return;
    throw new AssertionError(
      `${showType(a)} with value '${show(a)}' is not equal to ${showType(b)} with value '${show(b)}'`,
    );
  }
  if (ta !== tb) {
    throw new AssertionError(
      `${showType(a)} of value '${show(a)}' is not equal to ${showType(b)} of value '${show(b)}'`,
    );
  }
  switch (ta) {
    case 'list':
      return compareLists(ev, a as List, b as List, pos);
    case 'set':
      return compareAttrs(ev, a as Attrs, b as Attrs, pos);
    case 'function':
      throw new AssertionError(
        'distinct functions and immediate comparisons of identical functions compare as unequal',
      );
    default: {
      if (equalValues(ev, a, b, pos)) return;
      const name = NAMES[ta] ?? ta;
      throw new AssertionError(`${name} '${show(a)}' is not equal to ${name} '${show(b)}'`);
    }
  }
}

const NAMES: Partial<Record<TypeName, string>> = { bool: 'boolean', external: 'external value' };

function isNumber(type: TypeName): boolean {
  return type === 'int' || type === 'float';
}

function compareLists(ev: Evaluator, a: List, b: List, pos: Pos): void {
  if (a.length !== b.length) {
    throw new AssertionError(
      `list of size '${a.length}' is not equal to list of size '${b.length}', ` +
        `left hand side is '${printValue(ev, a, errorPrintOptions)}', right hand side is '${printValue(ev, b, errorPrintOptions)}'`,
    );
  }
  for (let i = 0; i < a.length; i++) {
    try {
      assertEqualSlots(ev, a[i]!, b[i]!, pos);
    } catch (error) {
      throw ev.frame(error, `while comparing list element ${i}`, pos);
    }
  }
}

function compareAttrs(ev: Evaluator, a: Attrs, b: Attrs, pos: Pos): void {
  if (isDerivation(ev, a) && isDerivation(ev, b)) {
    const x = a.get(OUT_PATH);
    const y = b.get(OUT_PATH);
    if (x !== undefined && y !== undefined) {
      try {
        return assertEqualSlots(ev, x, y, pos);
      } catch (error) {
        throw ev.frame(error, "while comparing a derivation by its 'outPath' attribute", pos);
      }
    }
  }
  const show = (value: Value): string => printValue(ev, value, errorPrintOptions);
  if (a.size !== b.size) {
    throw new AssertionError(`attribute names of attribute set '${show(a)}' differs from attribute set '${show(b)}'`);
  }
  for (let i = 0; i < a.size; i++) {
    const symA = a.keys.ids[i] as Sym;
    const symB = b.keys.ids[i] as Sym;
    if (symA !== symB) {
      if (!b.has(symA)) {
        throw new AssertionError(
          `attribute name '${printAttrName(symbolName(symA))}' is contained in '${show(a)}', but not in '${show(b)}'`,
        );
      }
      throw new AssertionError(
        `attribute name '${printAttrName(symbolName(symB))}' is missing in '${show(a)}', but is contained in '${show(b)}'`,
      );
    }
    try {
      assertEqualSlots(ev, a.values[i]!, b.values[i]!, pos);
    } catch (error) {
      const posA = a.positions === null ? 0 : a.positions[i]!;
      const posB = b.positions === null ? 0 : b.positions[i]!;
      if (posB !== 0) ev.frame(error, 'where right hand side is', posB);
      if (posA !== 0) ev.frame(error, 'where left hand side is', posA);
      throw ev.frame(error, `while comparing attribute '${printAttrName(symbolName(symA))}'`, pos);
    }
  }
}
