// Which arguments a lambda's body is sure to evaluate: a cautious look at its code.
import { Op, type LambdaRecord } from './code.ts';

/** Deeper than this nobody looks: "not sure" is always right. */
const MAX_DEPTH = 24;

/** Fills in record.strict. */
export function findStrictSlots(words: Int32Array, record: LambdaRecord): number {
  const end = record.formals === null ? record.base + 1 : record.base;
  let strict = 0;
  for (let slot = 1; slot < end && slot < 31; slot++) {
    if (evaluates(words, record.body, slot, 0, 0)) strict |= 1 << slot;
  }
  return (record.strict = strict);
}

/** Whether evaluating the node at `off` always evaluates slot `slot` of the environment `level` levels up. */
function evaluates(words: Int32Array, off: number, slot: number, level: number, depth: number): boolean {
  if (depth > MAX_DEPTH) return false;
  const op = words[off]!;
  switch (op) {
    case Op.VAR0:
    case Op.VAR1:
    case Op.VAR2:
      return op - Op.VAR0 === level && words[off + 2] === slot;
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
      return evaluates(words, words[off + 2]!, slot, level, depth + 1);
    case Op.LET:
    case Op.WITH:
      return evaluates(words, words[off + 3]!, slot, level + 1, depth + 1);
    case Op.LET_HERE:
      return evaluates(words, words[off + 3]!, slot, level, depth + 1);
    case Op.IF:
      return (
        evaluates(words, words[off + 2]!, slot, level, depth + 1) ||
        (evaluates(words, words[off + 3]!, slot, level, depth + 1) &&
          evaluates(words, words[off + 4]!, slot, level, depth + 1))
      );
    case Op.ASSERT:
    case Op.EQ:
    case Op.NEQ:
    case Op.UPDATE:
    case Op.CONCAT_LISTS:
    case Op.SUB:
    case Op.MUL:
    case Op.DIV:
    case Op.LESS:
      return (
        evaluates(words, words[off + 2]!, slot, level, depth + 1) ||
        evaluates(words, words[off + 3]!, slot, level, depth + 1)
      );
    case Op.ADD:
      return (
        evaluates(words, words[off + 3]!, slot, level, depth + 1) ||
        evaluates(words, words[off + 5]!, slot, level, depth + 1)
      );
    default:
      return false;
  }
}
