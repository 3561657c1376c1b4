// Strings, which are bytes; contexts follow the text as Nix has them follow.
import { ContextBuilder } from '../eval/context.ts';
import type { Evaluator } from '../eval/evaluator.ts';
import { takeItems } from '../eval/items.ts';
import { ContextString, makeString, PathValue, type BuiltinRecord, type Slot, type Value } from '../eval/value.ts';
import { EvalError } from '../util/errors.ts';
import { TextBuilder } from '../util/text-builder.ts';

function substring(ev: Evaluator, startSlot: Slot, lengthSlot: Slot, s: Slot): Value {
  const start = ev.expectInt(
    startSlot,
    0,
    'while evaluating the first argument (the start offset) passed to builtins.substring',
  );
  if (start < 0) throw new EvalError("negative start position in 'substring'");
  const length = ev.expectInt(
    lengthSlot,
    0,
    'while evaluating the second argument (the substring length) passed to builtins.substring',
  );
  // Nix quirk: an empty piece of a string never looks at its length; other types are coerced first.
  if (length === 0) {
    const value = ev.force(s);
    if (typeof value === 'string') return '';
    if (value instanceof ContextString) return new ContextString('', value.context);
  }
  const context = new ContextBuilder();
  const text =
    typeof s === 'string'
      ? s
      : ev.coerceToString(
          s,
          0,
          context,
          'while evaluating the third argument (the string) passed to builtins.substring',
        );
  const from = Number(start);
  // To take a piece V8 makes one text of all the parts that it was put together from.
  ev.takes(text.length);
  const piece = from >= text.length ? '' : text.slice(from, length < 0 ? text.length : from + Number(length));
  return makeString(piece, context.get());
}

function concatStringsSep(ev: Evaluator, separator: Slot, list: Slot): Value {
  const context = new ContextBuilder();
  const between = ev.expectStringText(
    separator,
    0,
    'while evaluating the first argument (the separator string) passed to builtins.concatStringsSep',
    context,
  );
  const items = takeItems(
    ev,
    list,
    'while evaluating the second argument (the list of strings to concat) passed to builtins.concatStringsSep',
  );
  const text = new TextBuilder();
  for (let i = 0; i < items.length; i++) {
    const item = items.force(ev, i);
    if (i > 0) text.add(between);
    const piece =
      typeof item === 'string'
        ? item
        : ev.coerceToString(
            item,
            0,
            context,
            'while evaluating one element of the list of strings to concat passed to builtins.concatStringsSep',
          );
    ev.takes(piece.length);
    text.add(piece);
  }
  ev.takes(text.length);
  return makeString(text.get(), context.get());
}

/** Nix quirk: one trailing slash is dropped, so "a//" has the base name "". */
export function baseName(path: string): string {
  let end = path.length;
  if (end > 0 && path.charCodeAt(end - 1) === 47) end--;
  return path.slice(end === 0 ? 0 : path.lastIndexOf('/', end - 1) + 1, end);
}

function dirOf(ev: Evaluator, s: Slot): Value {
  const value = ev.force(s);
  if (value instanceof PathValue) {
    const slash = value.path.lastIndexOf('/');
    return new PathValue(slash <= 0 ? '/' : value.path.slice(0, slash));
  }
  const context = new ContextBuilder();
  const why = "while evaluating the first argument passed to 'builtins.dirOf'";
  const path = ev.coerceToString(value, 0, context, why, { copy: false });
  const slash = path.lastIndexOf('/');
  return makeString(slash < 0 ? '.' : slash === 0 ? '/' : path.slice(0, slash), context.get());
}

export const stringBuiltins: readonly BuiltinRecord[] = [
  {
    name: 'toString',
    args: ['e'],
    doc:
      'Any value that has a text as a string: paths as they are, `true` as `"1"`, `false` and `null` as `""`, numbers ' +
      'in decimal, lists joined by spaces, sets by their `__toString` or `outPath`.',
    global: true,
    takesValue: true,
    impl(ev, _pos, e) {
      const value = ev.force(e);
      if (typeof value === 'string') return value;
      if (typeof value === 'number') return value.toString();
      const context = new ContextBuilder();
      const why = 'while evaluating the first argument passed to builtins.toString';
      const text = ev.coerceToString(value, 0, context, why, { more: true, copy: false });
      return makeString(text, context.get());
    },
  },
  {
    name: 'substring',
    args: ['start', 'len', 's'],
    doc:
      'The *len* bytes of *s* from offset *start*, as far as there are that many; a negative *len* means all the rest. ' +
      'The context of *s* is kept.',
    impl: (ev, _pos, start, len, s) => substring(ev, start, len, s),
  },
  {
    name: 'stringLength',
    args: ['e'],
    doc: 'The length of a string in bytes.',
    impl(ev, _pos, e) {
      if (typeof e === 'string') return e.length;
      const why = 'while evaluating the argument passed to builtins.stringLength';
      return ev.coerceToString(e, 0, new ContextBuilder(), why).length;
    },
  },
  {
    name: 'concatStringsSep',
    args: ['separator', 'list'],
    doc: 'The strings of *list*, joined with *separator* between them.',
    takesItems: 1,
    impl: (ev, _pos, separator, list) => concatStringsSep(ev, separator, list),
  },
  {
    name: 'baseNameOf',
    args: ['x'],
    doc: 'The part of a path or string after the last slash. One trailing slash does not count.',
    global: true,
    impl(ev, _pos, x) {
      const context = new ContextBuilder();
      const why = 'while evaluating the first argument passed to builtins.baseNameOf';
      return makeString(baseName(ev.coerceToString(x, 0, context, why, { copy: false })), context.get());
    },
  },
  {
    name: 'dirOf',
    args: ['s'],
    doc: 'The part before the last slash: a path for a path, a string for a string; `"."` where there is no slash.',
    global: true,
    impl: (ev, _pos, s) => dirOf(ev, s),
  },
];
