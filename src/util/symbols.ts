// Attribute and variable names as small integers. One table for the process: names are few and shared.
import type { Brand } from './brand.ts';

/** Id of an interned name. */
export type Sym = Brand<number, 'Sym'>;

const ids = new Map<string, Sym>();
const names: string[] = [];

/** Interns a byte string. */
export function intern(name: string): Sym {
  let id = ids.get(name);
  if (id === undefined) {
    id = names.length as Sym;
    names.push(name);
    ids.set(name, id);
  }
  return id;
}

/** The id of `name` if anything ever used it as a name: look-ups of unknown names need not grow the table. */
export function findSymbol(name: string): Sym | undefined {
  return ids.get(name);
}

export function symbolName(sym: Sym): string {
  return names[sym]!;
}
