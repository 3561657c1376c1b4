// builtins.match and builtins.split.
import { ContextBuilder } from '../eval/context.ts';
import type { Evaluator } from '../eval/evaluator.ts';
import type { BuiltinRecord, Slot, Value } from '../eval/value.ts';
import { EvalError } from '../util/errors.ts';
import { regexOf } from './regex/regex.ts';
import { RegexSpaceError, RegexSyntaxError } from './regex/syntax.ts';

/** @throws EvalError in Nix's words for what the regex engine refuses */
function guarded<T>(pattern: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    // A SyntaxError is JS's own, of an expression that is too large for it after all.
    if (error instanceof RegexSpaceError || error instanceof RangeError || error instanceof SyntaxError) {
      throw new EvalError(`memory limit exceeded by regular expression '${pattern}'`);
    }
    if (error instanceof RegexSyntaxError) throw new EvalError(`invalid regular expression '${pattern}'`);
    throw error;
  }
}

function match(ev: Evaluator, pattern: Slot, str: Slot): Value {
  const source = ev.expectStringNoContext(pattern, 0, 'while evaluating the first argument passed to builtins.match');
  const regex = guarded(source, () => regexOf(source));
  const text = ev.expectStringText(
    str,
    0,
    'while evaluating the second argument passed to builtins.match',
    new ContextBuilder(),
  );
  ev.takes(text.length);
  return guarded(source, () => regex.match(text));
}

function split(ev: Evaluator, pattern: Slot, str: Slot): Value {
  const source = ev.expectStringNoContext(pattern, 0, 'while evaluating the first argument passed to builtins.split');
  const regex = guarded(source, () => regexOf(source));
  const text = ev.expectStringText(
    str,
    0,
    'while evaluating the second argument passed to builtins.split',
    new ContextBuilder(),
  );
  ev.takes(text.length);
  const out: Slot[] = [];
  let behind = 0;
  guarded(source, () =>
    regex.forEachMatch(text, (start, end, groups) => {
      out.push(text.slice(behind, start), groups);
      ev.spend();
      behind = end;
    }),
  );
  if (out.length === 0) return [str];
  out.push(text.slice(behind));
  return out;
}

export const regexBuiltins: readonly BuiltinRecord[] = [
  {
    name: 'match',
    args: ['regex', 'str'],
    doc:
      'The groups of the POSIX extended regular expression *regex* as a list of strings (`null` for a group without a ' +
      'match) if all of *str* matches it, else `null`. Works on bytes.',
    impl: (ev, _pos, regex, str) => match(ev, regex, str),
  },
  {
    name: 'split',
    args: ['regex', 'str'],
    doc:
      'The parts of *str* between the matches of the POSIX extended regular expression *regex*, and between these parts ' +
      'the lists of each match’s groups.',
    impl: (ev, _pos, regex, str) => split(ev, regex, str),
  },
];
