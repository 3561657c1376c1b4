// Attribute and variable names as small integers. One table for the process: names are few and shared.
import type { Brand } from './brand.ts';

/** Id of an interned name. */
export type Sym = Brand<number, 'Sym'>;

const ids = new Map<string, Sym>();
const names: string[] = [];
/** Names asked for since recordNames() began, in order. */
let recorded: Set<Sym> | null = null;

/** What was interned last: `m ? ${name}` for each of a list asks for one name again and again. */
let lastName: string | null = null;
let lastId = 0 as Sym;

/** Interns a byte string. */
export function intern(name: string): Sym {
  if (name !== lastName) {
    let id = ids.get(name);
    if (id === undefined) {
      id = names.length as Sym;
      names.push(name);
      ids.set(name, id);
    }
    lastName = name;
    lastId = id;
  }
  recorded?.add(lastId);
  return lastId;
}

/**
 * Runs `work`, and says which names it interned, new or not, in order of first use: whoever interns the same ones in the
 * same order later gets the same numbers, as far as they are new then.
 */
export function recordNames<T>(work: () => T): { readonly result: T; readonly names: readonly Sym[] } {
  const outer = recorded;
  const mine = (recorded = new Set());
  try {
    return { result: work(), names: [...mine] };
  } finally {
    recorded = outer;
  }
}

/** The id of `name` if anything ever used it as a name: look-ups of unknown names need not grow the table. */
export function findSymbol(name: string): Sym | undefined {
  return ids.get(name);
}

export function symbolName(sym: Sym): string {
  return names[sym]!;
}

// Sets are forced and compared in order of ids, which shows in *which* error comes first. Nix numbers these names
// before all others, in this order.
const firstNames =
  'outPath drvPath type meta name value system __overrides outputs outputName __ignoreNulls file line column ' +
  '__functor __toString right wrong __structuredAttrs __json allowedReferences allowedRequisites ' +
  'disallowedReferences disallowedRequisites maxSize maxClosureSize builder args __contentAddressed __impure ' +
  'outputHash outputHashAlgo outputHashMode recurseForDerivations description self startSet operator key path ' +
  'prefix outputSpecified requiredSystemFeatures __sub __lessThan __mul __div or __findFile __nixPath body';
for (const name of firstNames.split(' ')) intern(name);

/** How many names there are. */
export function symbolCount(): number {
  return names.length;
}

/** Un-interns the names from number `count` on. For the start-up snapshot only: nothing may hold their ids any more. */
export function forgetSymbols(count: number): void {
  for (const name of names.splice(count)) ids.delete(name);
  lastName = null;
}
