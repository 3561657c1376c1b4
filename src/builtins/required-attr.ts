import type { Attrs } from '../eval/attrs.ts';
import { printAttrName } from '../eval/print-string.ts';
import type { Slot } from '../eval/value.ts';
import { MissingAttributeError } from '../util/errors.ts';
import { symbolName, type Sym } from '../util/symbols.ts';

/** The attribute's slot. @throws MissingAttributeError with `why` as its frame */
export function requireAttr(attrs: Attrs, sym: Sym, why: string): Slot {
  const slot = attrs.get(sym);
  if (slot === undefined) {
    throw new MissingAttributeError(`attribute '${printAttrName(symbolName(sym))}' missing`).addFrame(why, 0);
  }
  return slot;
}
