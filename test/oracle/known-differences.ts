// Where 2.36 and 2.8 differ on purpose: random programs that meet one of these are not compared further.
import { utf8 } from '../../src/util/bytes.ts';
import type { Outcome } from '../support/nix-repl.ts';
import { as236 } from '../support/oracle-eval.ts';

export interface KnownDifference {
  readonly reason: string;
  /** A program that shows it. */
  readonly example: string;
  readonly is: (here: Outcome, nix: Outcome, program: string) => boolean;
}

const nowFails =
  (message: RegExp) =>
  (here: Outcome): boolean =>
    here.error !== undefined && message.test(here.error);

/** JSON in what came of a program, with \b and \f as 2.36 writes them. */
function withShortEscapes(outcome: Outcome): string {
  return JSON.stringify(outcome).replaceAll('\\\\\\\\u0008', '\\\\\\\\b').replaceAll('\\\\\\\\u000c', '\\\\\\\\f');
}

/** Numbers with six digits, as 2.8 wrote floats in JSON. */
function sixDigits(outcome: Outcome): string {
  return withShortEscapes(outcome).replace(/\d+(?:\.\d+)?(?:e[+-]?\d+)?/g, (n) => Number(n).toPrecision(6));
}

function withoutHashes(outcome: Outcome): string {
  return JSON.stringify(outcome).replace(/\/nix\/store\/[0-9a-z]{32}-/g, '');
}

export const knownDifferences: readonly KnownDifference[] = [
  {
    reason: 'replaceStrings evaluated replacements that it did not use',
    example: 'builtins.replaceStrings [ "a" ] [ (throw "never") ] "b"',
    is: (here, nix, program) =>
      nix.error !== undefined && nix.error !== here.error && program.includes('replaceStrings'),
  },
  {
    reason: 'toJSON wrote text that is not UTF-8',
    example: 'builtins.toJSON (builtins.substring 0 1 "é")',
    is: nowFails(/^JSON serialization error: /),
  },
  {
    reason: 'integers that overflow wrapped around',
    example: '9223372036854775807 + 1',
    is: nowFails(/^integer overflow in /),
  },
  {
    reason: 'floor and ceil of integers went through a double without a word',
    example: 'builtins.floor 9007199254740993',
    is: nowFails(/^Due to a bug /),
  },
  {
    reason: 'substring looked at the string before it complained about the start',
    example: 'builtins.substring (-1) 1 (abort "a")',
    is: (here, nix) => here.error === "negative start position in 'substring'" && nix.error !== undefined,
  },
  {
    reason: 'the name of a derivation was looked at last',
    example: 'derivation { name = "a b"; system = "s"; builder = "b"; args = throw "x"; }',
    is: (here, nix) => here.error?.startsWith('invalid derivation name: ') === true && nix.error !== undefined,
  },
  {
    reason: 'names of store paths could be two points',
    example: '(derivation { name = ".."; system = "s"; builder = "b"; }).drvPath',
    is: nowFails(/name '\.\.?(?:-.*)?' is not valid/),
  },
  {
    reason: 'files were not found under an empty name',
    example: 'builtins.findFile [ { prefix = ""; path = ./a.txt; } ] ""',
    is: (_here, _nix, program) => /findFile[^]*\.txt[^]*""$/.test(program.trim()),
  },
  {
    reason: 'structured attributes had floats like integers',
    example: '(derivation { name = "n"; system = "s"; builder = "b"; __structuredAttrs = true; x = 1.0; }).drvPath',
    is: (here, nix, program) =>
      program.includes('__structuredAttrs') && /\d\.\d/.test(program) && withoutHashes(here) === withoutHashes(nix),
  },
  {
    reason: 'toJSON wrote floats like integers, and with six digits',
    example: 'builtins.toJSON [ 1.0 0.30000000000000004 ]',
    is: (here, nix, program) => program.includes('toJSON') && sixDigits(here) === sixDigits(nix),
  },
  {
    reason: 'toJSON wrote \\b and \\f as numbers',
    example: "builtins.toJSON (builtins.fromJSON ''\"\\b\"'')",
    is: (here, nix, program) => program.includes('toJSON') && JSON.stringify(here) === withShortEscapes(nix),
  },
  {
    reason: 'toJSON wrote what is no number',
    example: 'builtins.toJSON (1.0e308 * 10)',
    is: (here, nix, program) =>
      program.includes('toJSON') && JSON.stringify(here) === JSON.stringify(nix).replaceAll(/-?\binf\b/g, 'null'),
  },
  {
    reason: 'JSON strings ended at NULs',
    example: "builtins.fromJSON ''\"\\u0000a\"''",
    is: nowFails(/^input string '.*' cannot be represented as Nix string because it contains null bytes$/),
  },
  {
    reason: 'JSON integers of 2^63 to 2^64 - 1 wrapped around',
    example: 'builtins.fromJSON "9223372036854775808"',
    is: nowFails(/^unsigned json number \d+ outside of Nix integer range$/),
  },
  {
    reason: 'sets were compared in the order of their names in memory',
    example: '{ outPath = 1; a = 1; } == { type = 1; outPath = throw "compared"; }',
    is: (here, nix, program) =>
      /[})] [!=]= [{(]/.test(program) && (here.error === undefined) !== (nix.error === undefined),
  },
  {
    reason: 'floor and ceil of what no integer can be gave the smallest one',
    example: 'builtins.floor 1.0e100',
    is: nowFails(/^NixFloat argument .* is not in the range of NixInt$/),
  },
];

/** Classes of messages, by the words of 2.36 and of 2.8; what is in a group must be the same. */
const CLASSES: readonly (readonly [here: RegExp, nix: RegExp])[] = [
  [/^expected an? (.*?) but found /, /^value is .* while an? (.*?) was expected/],
  [/^expected an? (integer|float|.*) but found /, /^cannot (?:convert|coerce) .* to an? (.*)$/],
  [
    /^attempt to call something which is not a function but (?:an? )?(\w+)/,
    /^attempt to call something which is not a function but (?:an? )?(\w+)/,
  ],
  [/^function '.*' called with unexpected argument '/, /^.* at .* called with unexpected argument '/],
  [/^function '.*' (called without required argument '.*')/, /^.* at .* (called without required argument '.*')/],
  [/^cannot coerce (an? \w+|null)/, /^cannot coerce (an? \w+|null)/],
  [/^cannot compare (.*?); values (?:are|of that type) /, /^cannot compare (.*)$/],
  [/^'builtins.head' called on an empty list/, /^list index 0 is out of bounds/],
  [/^'builtins.tail' called on an empty list/, /^'tail' called on an empty list/],
  [/^'builtins.elemAt' called with index (\S+) on/, /^list index (\S+) is out of bounds/],
  [/^'from' and 'to' arguments .* have different lengths/, /^'from' and 'to' arguments .* have different lengths/],
  [/^invalid derivation name: /, /^store path '/],
  [/contains illegal character '/, /contains illegal character '/],
  [
    /^(?:dynamic )?attribute '"?(.*?)"?' already defined at /,
    /^(?:dynamic )?attribute '"?(.*?)"?' already defined at /,
  ],
  [/^path '.*' does not exist/, /^(?:opening|getting status of|reading) .*: (?:No such file|Not a directory)/],
  // The same where only the first line of the path is there.
  [/^path '[^']*$/, /^(?:opening file|getting status of|reading (?:file|directory)) '[^']*$/],
  [/^(?:file|path) '.*' is not a regular file/, /Is a directory/],
  [/^syntax error/, /^syntax error/],
  [/^files created by builtins.toFile may not reference/, /^in 'toFile': the file named .* must not contain/],
  [/^the string (?:.* is not allowed to refer|'[^']*$)/, /^the string (?:.* is not allowed to refer|'[^']*$)/],
  [/^assertion '.*' failed|is not equal to/, /^assertion '.*' failed/],
  [/^stack overflow; max-call-depth exceeded/, /^stack overflow/],
  [/^infinite recursion encountered/, /^infinite recursion encountered/],
  [/^(?:C|c)ontext key '/, /^Context key '/],
  [/^tried to add (all-outputs|derivation output)/, /^Tried to add (all-outputs|derivation output)/],
  [/^empty hash requires explicit hash algorithm/, /^empty hash requires explicit hash type/],
  [/^experimental Nix feature '(.*?)' is disabled/, /^experimental Nix feature '(.*?)' is disabled/],
  [/^unsupported argument '(.*?)' to /, /^unsupported argument '(.*?)' to /],
  [/^path '.*' is not a valid store path: name must not be empty/, /^store path '.*' has an empty name/],
  [/^'.*' is not a directory/, /^opening directory .*: Not a directory/],
  [/^while parsing TOML: /, /^while parsing a TOML string: /],
  [/^cannot build derivations during evaluation/, /^the group 'nixbld' specified/],
  [
    /^`__toString` (?:should|must) return a string, but got (an? \w+|null)/,
    /^cannot coerce (an? \w+|null) to a string/,
  ],
  [
    /^cannot coerce (the (?:partially applied )?built-in function '.*?')/,
    /^cannot coerce (the (?:partially applied )?built-in function '.*?')/,
  ],
  [/^evaluation aborted with the following error message: /, /^evaluation aborted with the following error message: /],
  [/^file '\/(.*)' has an unsupported type/, /^file '\/\/(.*)' has an unsupported type/],
  [/parse error at line 1, column 1: attempting to parse an empty input/, /unexpected end of input/],
  [/^hash '(.*)' has wrong length for hash algorithm/, /^hash '(.*)' has wrong length for hash type/],
  [/^unknown hash algorithm '(.*?)'/, /^unknown hash algorithm '(.*?)'/],
  [/^missing required 'path' attribute in the first argument to 'builtins.path'/, /^'path' required/],
  // Names that are no identifiers have quotes in later versions.
  [/^attribute '"?(.*?)"?' (?:missing|not found)/, /^attribute '"?(.*?)"?' missing/],
];

function sameClass(here: string, nix: string): boolean {
  const there = as236(nix);
  if (spaced(here) === spaced(there)) return true;
  return CLASSES.some(([ours, theirs]) => {
    const [a, b] = [ours.exec(here), theirs.exec(there)];
    return a !== null && b !== null && a[1] === b[1];
  });
}

/** What differs; null if nothing does that should not. */
export function differenceOf(program: string, here: Outcome, nix: Outcome): 'lazy' | 'strict' | 'xml' | 'error' | null {
  if (knownDifferences.some((known) => known.is(here, nix, program))) return null;
  // Nothing is written to a store here: what was only computed can't be read back.
  if (here.error !== undefined && /^path '\/nix\/store\/\S+' is not valid$/.test(here.error)) return null;
  for (const step of ['lazy', 'strict', 'xml'] as const) {
    const [a, b] = [here[step], nix[step]];
    if ((a === undefined) !== (b === undefined)) return step;
    if (a === undefined || b === undefined) break;
    if (!samePrinted(spaced(a), spaced(b), step === 'lazy', program)) return step;
  }
  const [a, b] = [here.error, nix.error];
  if ((a === undefined) !== (b === undefined)) return 'error';
  if (a === undefined || sameClass(a, b!)) return null;
  // Where more than one thing fails it may be another one: attributes are evaluated (deeply, or to compare sets) in an
  // order that the address of their names had a part in, and the right side of // comes first since 2.25.
  const anyOrder = here.lazy !== undefined || / \/\/ |[!=]= |deepSeq/.test(program);
  return anyOrder ? null : 'error';
}

/** Blanks in paths, which print as they are, are not the same where Nix has written them to standard error. */
function spaced(text: string): string {
  return text.replace(/\s+/g, ' ').trim();
}

/**
 * `lazily`: empty lists were thunks like other lists; a variable is its value if that is there already, which the order
 * of names decides. And lists are repeated if they are one value (as sets are if they have one table): in 2.8 if they
 * had one table, which lists of one and two elements never have.
 */
function samePrinted(here: string, nix: string, lazily: boolean, program: string): boolean {
  if (here === nix) return true;
  const [a, b] = [tokens(here), tokens(nix)];
  // How far sets have been compared is also a matter of that order.
  const compares = lazily && /[!=]= /.test(program);
  let [i, j] = [0, 0];
  while (i < a.length && j < b.length) {
    const [x, y] = [a[i]!, b[j]!];
    if (compares && (x === '<CODE>') !== (y === '<CODE>')) {
      i = behind(a, i);
      j = behind(b, j);
    } else if (x === y || (lazily && (x === '<CODE>') !== (y === '<CODE>'))) {
      i++;
      j++;
    } else if (x === REPEATED) {
      i++;
      j = behind(b, j);
    } else if (y === REPEATED) {
      i = behind(a, i);
      j++;
    } else return false;
  }
  return i === a.length && j === b.length;
}

const REPEATED = utf8('«repeated»');

/** Where the list or set that begins at a token has ended. */
function behind(all: readonly string[], start: number): number {
  let depth = 0;
  let at = start;
  do {
    if (/^[[{]$/.test(all[at]!)) depth++;
    if (/^[\]}]$/.test(all[at]!)) depth--;
    at++;
  } while (depth > 0 && at < all.length);
  return at;
}

/** An empty list is one token. */
function tokens(printed: string): string[] {
  return printed.match(/"(?:[^"\\]|\\[^])*"|<CODE>|\[ \]|;|[^ ";]+/g) ?? [];
}
