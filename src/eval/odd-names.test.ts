// Names of attributes within messages: quoted where the lexer would not read them back as a name.
import { expect, it } from 'vitest';
import { evaluate } from '../../test/support/evaluate.ts';
import { NixError } from '../util/errors.ts';
import { fromUtf8 } from '../util/bytes.ts';

/** The message, then the frames from the inside out. */
function told(source: string): string[] {
  try {
    evaluate(source);
  } catch (error) {
    if (error instanceof NixError) return [error.message, ...error.frames.map((frame) => frame.hint)].map(fromUtf8);
    throw error;
  }
  throw new Error(`${source} evaluates`);
}

it.each([
  ['{ a = 1; }."b c"', `attribute '"b c"' missing`],
  ['{ a = { }; }.a."b c".d', `attribute '"b c"' missing`],
  ['{ a = 1; }.${"if"}', `attribute '"if"' missing`],
  ['{ a = 1; }.${"or"}', `attribute 'or' missing`],
  ['{ a = 1; }.""', `attribute '""' missing`],
  [
    '({ a }: a) { a = 1; "b \\"c\\"" = 2; }',
    `function 'anonymous lambda' called with unexpected argument '"b \\"c\\""'`,
  ],
  ['let f = { a }: a; in f { a = 1; "1" = 2; }', `function 'f' called with unexpected argument '"1"'`],
  ['{ ${"x" + " y"} = 1; ${"x" + " y"} = 2; }', /^dynamic attribute '"x y"' already defined at /],
  ['assert { "a b" = 1; } == { c = 1; }; 1', /^attribute name '"a b"' is contained in /],
  ['assert { c = 1; } == { "a b" = 1; }; 1', /^attribute name 'c' is contained in /],
  ['builtins.path { path = ./.; "a b" = 1; }', `unsupported argument '"a b"' to 'builtins.path'`],
  ['builtins.appendContext "x" { "a b" = { path = true; }; }', `context key '"a b"' is not a store path`],
])('%s', (source, message) => {
  expect(told(source)[0]).toEqual(typeof message === 'string' ? message : expect.stringMatching(message));
});

it.each([
  ['{ "a b".c = throw "x"; }."a b".c', `while evaluating the attribute '"a b".c'`],
  ['{ "a b" = throw "x"; }."a b"', `while evaluating the attribute '"a b"'`],
  ['assert { "a b" = 1; } == { "a b" = 2; }; 1', `while comparing attribute '"a b"'`],
  [
    'derivation { name = "n"; system = "s"; builder = "b"; "a b" = throw "x"; }',
    `while evaluating attribute '"a b"' of derivation 'n'`,
  ],
  ['builtins.toJSON { "a b" = throw "x"; }', `while evaluating attribute '"a b"'`],
])('frames of %s', (source, frame) => {
  expect(told(source).slice(1)).toContain(frame);
});
