import { Attrs, KeySet } from '../eval/attrs.ts';
import type { Slot } from '../eval/value.ts';
import type { Sym } from '../util/symbols.ts';

/** A set without positions. */
export function attrsOfMap(map: ReadonlyMap<Sym, Slot>): Attrs {
  if (map.size === 0) return Attrs.EMPTY;
  const ids = Int32Array.from(map.keys()).sort();
  const values = new Array<Slot>(ids.length);
  for (let i = 0; i < ids.length; i++) values[i] = map.get(ids[i] as Sym)!;
  return new Attrs(new KeySet(ids), values, null);
}
