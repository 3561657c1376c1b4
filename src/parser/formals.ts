// Formal arguments: what must not be written twice.
import { ParseError } from '../util/errors.ts';
import type { Pos } from '../util/positions.ts';
import type { Sym } from '../util/symbols.ts';
import type { Expr, Formals } from './ast.ts';
import { printName } from './print.ts';

export interface Formal {
  readonly name: Sym;
  readonly fallback: Expr | null;
  readonly pos: Pos;
}

/** @param pos the function's @throws ParseError "duplicate formal function argument" */
export function checkFormals({ formals }: Formals, arg: Sym | null, pos: Pos): void {
  const seen = new Set<Sym>();
  let worst: Formal | null = null;
  for (const formal of formals) {
    // Of several Nix reports the one whose name it has known for longest, at its second place.
    if (!seen.has(formal.name)) seen.add(formal.name);
    else if (worst === null || formal.name < worst.name) worst = formal;
  }
  if (worst !== null) throw duplicate(worst.name, worst.pos);
  if (arg !== null && seen.has(arg)) throw duplicate(arg, pos);
}

function duplicate(name: Sym, pos: Pos): ParseError {
  return new ParseError(`duplicate formal function argument '${printName(name)}'`, { pos });
}
