// `-A a.b."c.d".0`: attribute paths of command lines.
import { EvalError, ParseError, TypeMismatchError } from '../util/errors.ts';
import type { Pos } from '../util/positions.ts';
import { bestMatches } from '../util/suggestions.ts';
import { findSymbol, symbolName, type Sym } from '../util/symbols.ts';
import { Attrs } from './attrs.ts';
import { autoCall, type AutoCallOptions } from './auto-call.ts';
import type { Evaluator } from './evaluator.ts';
import type { Slot } from './value.ts';
import { showType } from './value-type.ts';

/** Components at dots outside of double quotes; "" has none. @throws ParseError */
export function parseAttrPath(text: string): string[] {
  const out: string[] = [];
  let current = '';
  for (let i = 0; i < text.length; i++) {
    const c = text[i]!;
    if (c === '.') {
      out.push(current);
      current = '';
    } else if (c === '"') {
      const end = text.indexOf('"', i + 1);
      if (end < 0) throw new ParseError(`missing closing quote in selection path '${text}'`);
      current += text.slice(i + 1, end);
      i = end;
    } else current += c;
  }
  if (current !== '') out.push(current);
  return out;
}

/**
 * What `path` selects below `root`, not forced. Functions on the way are called (auto-call.ts); pure digits index lists.
 * @throws EvalError in Nix's words
 */
export function findAlongAttrPath(
  ev: Evaluator,
  path: string,
  root: Slot,
  options: AutoCallOptions,
): { slot: Slot; pos: Pos } {
  let slot = root;
  let pos = 0;
  for (const name of parseAttrPath(path)) {
    const value = autoCall(ev, slot, options);
    if (/^[0-9]+$/.test(name) && Number(name) <= 0xffffffff) {
      if (!Array.isArray(value)) throw selected(path, 'list', value);
      const element = (value as readonly Slot[])[Number(name)];
      if (element === undefined) {
        throw new EvalError(`list index ${Number(name)} in selection path '${path}' is out of range`);
      }
      slot = element;
      pos = 0;
      continue;
    }
    if (!(value instanceof Attrs)) throw selected(path, 'set', value);
    if (name === '') throw new EvalError(`empty attribute name in selection path '${path}'`);
    const sym = findSymbol(name);
    const found = sym === undefined ? undefined : value.get(sym);
    if (found === undefined) {
      const names = Array.from(value.keys.ids, (id) => symbolName(id as Sym));
      throw new EvalError(`attribute '${name}' in selection path '${path}' not found`, {
        suggestions: bestMatches(names, name),
      });
    }
    slot = found;
    pos = value.posOf(sym!);
  }
  return { slot, pos };
}

function selected(path: string, wanted: string, value: Slot): TypeMismatchError {
  return new TypeMismatchError(
    `the expression selected by the selection path '${path}' should be a ${wanted} but is ${showType(value)}`,
  );
}
