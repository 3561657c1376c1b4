// builtins.replaceStrings: at each byte the first pattern that fits wins.
import { ContextBuilder } from '../eval/context.ts';
import type { Evaluator } from '../eval/evaluator.ts';
import { makeString, type BuiltinRecord, type Slot, type Value } from '../eval/value.ts';
import { EvalError } from '../util/errors.ts';

/** Patterns by first byte, each bucket in list order; an empty pattern is in every bucket. */
function bucketsOf(patterns: readonly string[]): (number[] | undefined)[] {
  const buckets: (number[] | undefined)[] = [];
  const empty = patterns.indexOf('');
  // What comes after an empty pattern is never reached.
  const count = empty < 0 ? patterns.length : empty;
  for (let i = 0; i < count; i++) {
    const first = patterns[i]!.charCodeAt(0);
    (buckets[first] ??= []).push(i);
  }
  return buckets;
}

function replaceStrings(ev: Evaluator, from: Slot, to: Slot, s: Slot): Value {
  const fromItems = ev.expectList(from, 0, 'while evaluating the first argument passed to builtins.replaceStrings');
  const toItems = ev.expectList(to, 0, 'while evaluating the second argument passed to builtins.replaceStrings');
  if (fromItems.length !== toItems.length) {
    throw new EvalError("'from' and 'to' arguments passed to builtins.replaceStrings have different lengths");
  }
  const ignored = new ContextBuilder();
  const patterns: string[] = [];
  for (let i = 0; i < fromItems.length; i++) {
    const item = fromItems[i]!;
    patterns.push(
      typeof item === 'string'
        ? item
        : ev.expectStringText(
            item,
            0,
            'while evaluating one of the strings to replace passed to builtins.replaceStrings',
            ignored,
          ),
    );
  }
  const context = new ContextBuilder();
  const text = ev.expectStringText(
    s,
    0,
    'while evaluating the third argument passed to builtins.replaceStrings',
    context,
  );
  const replacements = new Array<string | undefined>(toItems.length);
  const replacement = (i: number): string =>
    (replacements[i] ??= ev.expectStringText(
      toItems[i]!,
      0,
      'while evaluating one of the replacement strings passed to builtins.replaceStrings',
      context,
    ));

  const emptyAt = patterns.indexOf('');
  if (patterns.length === 1 && emptyAt < 0) {
    const pattern = patterns[0]!;
    if (!text.includes(pattern)) return makeString(text, context.get());
    ev.takes(text.length);
    return makeString(text.split(pattern).join(replacement(0)), context.get());
  }

  ev.takes(text.length);
  const buckets = bucketsOf(patterns);
  let out = '';
  /** Start of what is yet to be copied. */
  let pending = 0;
  let at = 0;
  while (at <= text.length) {
    const bucket = at < text.length ? buckets[text.charCodeAt(at)] : undefined;
    let found = emptyAt;
    if (bucket !== undefined) {
      for (let k = 0; k < bucket.length; k++) {
        const i = bucket[k]!;
        const pattern = patterns[i]!;
        if (pattern.length === 1 || text.startsWith(pattern, at)) {
          found = i;
          break;
        }
      }
    }
    if (found < 0) {
      at++;
      continue;
    }
    out += text.slice(pending, at) + replacement(found);
    pending = at;
    if (found === emptyAt) at++;
    else {
      at += patterns[found]!.length;
      pending = at;
    }
  }
  return makeString(out + text.slice(pending), context.get());
}

export const replaceStringsBuiltins: readonly BuiltinRecord[] = [
  {
    name: 'replaceStrings',
    args: ['from', 'to', 's'],
    doc:
      '*s* with every string of the list *from* replaced by the one at the same place in *to*. At each byte the first ' +
      'of *from* that fits is taken; an empty one fits everywhere, the end included. Only replacements that are used ' +
      'are evaluated.',
    impl: (ev, _pos, from, to, s) => replaceStrings(ev, from, to, s),
  },
];
