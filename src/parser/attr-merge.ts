// `a.b.c = e` and `inherit` into a set literal, with Nix's merging and its errors about duplicates.
import { ParseError } from '../util/errors.ts';
import type { Pos } from '../util/positions.ts';
import type { Sym } from '../util/symbols.ts';
import type { AttrDef, AttrName, AttrsExpr, Expr } from './ast.ts';
import { printAttrPath, printName } from './print.ts';

export function newAttrs(pos: Pos, recursive = false): AttrsExpr {
  return { tag: 'attrs', recursive, attrs: new Map(), inheritFrom: [], dynamic: [], pos };
}

/** Shows a position within a message: `FILE:LINE:COLUMN`. */
export type ShowPos = (pos: Pos) => string;

function duplicate(path: string, pos: Pos, previous: Pos, show: ShowPos): ParseError {
  return new ParseError(`attribute '${path}' already defined at ${show(previous)}`, { pos });
}

/** Adds `path = value`. @throws ParseError */
export function addAttr(attrs: AttrsExpr, path: readonly AttrName[], value: Expr, pos: Pos, show: ShowPos): void {
  let target = attrs;
  const last = path.length - 1;
  for (let i = 0; i < last; i++) {
    const step = path[i]!;
    if (step.expr !== null) {
      const nested = newAttrs(0);
      target.dynamic.push({ name: step.expr, value: nested, pos });
      target = nested;
      continue;
    }
    const known = target.attrs.get(step.sym);
    if (known === undefined) {
      const nested = newAttrs(0);
      target.attrs.set(step.sym, { kind: 'plain', expr: nested, from: 0, pos });
      target = nested;
    } else if (known.kind === 'plain' && known.expr!.tag === 'attrs') target = known.expr;
    else throw duplicate(printAttrPath(path.slice(0, i + 1)), pos, known.pos, show);
  }
  const name = path[last]!;
  if (name.expr !== null) target.dynamic.push({ name: name.expr, value, pos });
  else insert(target, path, name.sym, { kind: 'plain', expr: value, from: 0, pos }, show);
}

/** `path`, for messages, ends with `name`. */
function insert(target: AttrsExpr, path: readonly AttrName[], name: Sym, def: AttrDef, show: ShowPos): void {
  const known = target.attrs.get(name);
  if (known === undefined) {
    target.attrs.set(name, def);
    if (def.kind === 'plain') setName(def.expr!, name);
    return;
  }
  const into = known.kind === 'plain' ? known.expr! : null;
  const from = def.kind === 'plain' ? def.expr! : null;
  if (into?.tag !== 'attrs' || from?.tag !== 'attrs') {
    throw duplicate(printAttrPath(path), def.pos, known.pos, show);
  }
  const offset = into.inheritFrom.length;
  // Nix walks a map ordered by symbol: that decides which of several duplicates it reports.
  for (const [sym, inner] of [...from.attrs].sort((a, b) => a[0] - b[0])) {
    const moved = inner.kind === 'inheritedFrom' ? { ...inner, from: inner.from + offset } : inner;
    insert(into, [...path, { sym, expr: null, pos: inner.pos }], sym, moved, show);
  }
  into.dynamic.push(...from.dynamic);
  into.inheritFrom.push(...from.inheritFrom);
  from.attrs.clear();
  from.dynamic.length = 0;
  from.inheritFrom.length = 0;
}

/** A function is called what it is first bound to; so are the functions that are its whole result. */
function setName(expr: Expr, name: Sym): void {
  for (let e = expr; e.tag === 'lambda'; e = e.body) e.name = name;
}

/** `inherit name` (`from` null) or `inherit (…) name`, where `from` indexes inheritFrom. @throws ParseError */
export function addInherited(attrs: AttrsExpr, name: Sym, from: number | null, pos: Pos, show: ShowPos): void {
  const known = attrs.attrs.get(name);
  if (known !== undefined) throw duplicate(printName(name), pos, known.pos, show);
  attrs.attrs.set(
    name,
    from === null
      ? { kind: 'inherited', expr: { tag: 'var', name, pos }, from: 0, pos }
      : { kind: 'inheritedFrom', expr: null, from, pos },
  );
}
