// Which arguments a lambda's body is sure to evaluate: a cautious look at its code.
import { Op, type Code } from './code.ts';

/** Deeper than this nobody looks: "not sure" is always right. */
const MAX_DEPTH = 24;

/** Bit n is set where the body evaluates slot n, for slots 1 up to (not including) `end`. */
export function strictSlots(code: Code, body: number, end: number): number {
  let result = 0;
  for (let slot = 1; slot < end && slot < 31; slot++) {
    if (evaluates(code.words, body, slot, 0, 0)) result |= 1 << slot;
  }
  return result;
}

/** Whether evaluating the node at `off` always evaluates slot `slot` of the environment `level` levels up. */
function evaluates(words: Int32Array, off: number, slot: number, level: number, depth: number): boolean {
  if (depth > MAX_DEPTH) return false;
  const at = (i: number, up = 0): boolean => evaluates(words, words[off + i]!, slot, level + up, depth + 1);
  switch (words[off]) {
    case Op.VAR0:
    case Op.VAR1:
    case Op.VAR2:
      return words[off] - Op.VAR0 === level && words[off + 2] === slot;
    case Op.VARN:
      return words[off + 3] === level && words[off + 2] === slot;
    case Op.SELECT1:
    case Op.SELECT:
    case Op.HAS:
    case Op.NOT:
    case Op.CALL1:
    case Op.CALL2:
    case Op.CALLN:
    case Op.AND:
    case Op.OR:
    case Op.IMPL:
      return at(2);
    case Op.LET:
      return at(3, 1);
    case Op.LET_HERE:
      return at(3);
    case Op.WITH:
      return at(3, 1);
    case Op.IF:
      return at(2) || (at(3) && at(4));
    case Op.ASSERT:
    case Op.EQ:
    case Op.NEQ:
    case Op.UPDATE:
    case Op.CONCAT_LISTS:
    case Op.SUB:
    case Op.MUL:
    case Op.DIV:
    case Op.LESS:
      return at(2) || at(3);
    case Op.ADD:
      return at(3) || at(5);
    default:
      return false;
  }
}
