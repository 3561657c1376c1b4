// What the fuzzer feeds: random bytes, words of the language in any order, real files with damage, generated programs
// with damage, deep nesting. Inputs are byte strings.
import fc from 'fast-check';
import { programs } from '../../oracle/generators/expressions.ts';
import type { Random } from './random.ts';

export type Format = 'nix' | 'json' | 'toml' | 'regex' | 'drv' | 'nar';
export const FORMATS: readonly Format[] = ['nix', 'json', 'toml', 'regex', 'drv', 'nar'];

const WORDS: Readonly<Record<Format, readonly string[]>> = {
  nix: [
    ...'let in rec with inherit assert if then else or null true false __curPos builtins import derivation'.split(' '),
    ...'a b x y foo outPath __functor __toString __overrides type name'.split(' '),
    ...'( ) [ ] { } ; : , . ... ? @ = == != < > <= >= + - * / ++ // ! && || -> |> <| ${ } \\ | & ~ ^ %'.split(' '),
    ...[
      `"`,
      `''`,
      `''\${`,
      `''$`,
      `'''`,
      `''\\`,
      '\\n',
      '$${',
      '"${',
      '}"',
      ' ',
      '\n',
      '\r\n',
      '\t',
      '#',
      '/*',
      '*/',
      '/**',
    ],
    ...'0 1 42 1.5 .5 1. 1e3 9223372036854775807 9223372036854775808 <nixpkgs> ./a ../b /c ~/d ./${"x"} http://a:b'.split(
      ' ',
    ),
    ..."toJSON toXML fromJSON fromTOML deepSeq trace tryEval map genList foldl' sort split match replaceStrings"
      .split(' ')
      .map((name) => `builtins.${name}`),
    ...'attrNames listToAttrs mapAttrs intersectAttrs toString substring concatStringsSep toFile hashString genericClosure'
      .split(' ')
      .map((name) => `builtins.${name}`),
  ],
  json: '{ } [ ] : , "a" "b" "\\u00e9" "\\ud83d" "\\ud83d\\ude00" 0 -1 1.5 1e400 -0 true false null nul " \\ 18446744073709551615 NaN'.split(
    ' ',
  ),
  toml: '[ ] [[ ]] = . a b "c" \'d\' """ \'\'\' { } , # \n \n \r\n 1 1.5 0x1f 0b1 1_0 inf nan true 1979-05-27T07:32:00Z 07:32:00 \\u00e9 \\UFFFFFFFF'.split(
    ' ',
  ),
  regex:
    '( ) (( )) [ ] [^ ] [[:alpha:]] [[:x:]] [a-z] [z-a] [[.a.]] [[=a=]] * + ? {2} {1,3} {,2} {999} {99999} | ^ $ . \\ \\. \\1 a b ab é -'.split(
      ' ',
    ),
  drv: 'Derive( ( ) [ ] , "out" "/nix/store/g1w7hy3qg1w7hy3qg1w7hy3qg1w7hy3q-x" "r:sha256" "" "x86_64-linux" \\n \\" DrvWithVersion( "xp-dyn-drv"'.split(
    ' ',
  ),
  nar: [
    'nix-archive-1',
    '(',
    ')',
    'type',
    'regular',
    'executable',
    '',
    'contents',
    'directory',
    'entry',
    'name',
    'node',
    'symlink',
    'target',
    'a',
    '..',
    '/',
  ].map(narWord),
};

export function narWord(text: string): string {
  const length = String.fromCharCode(text.length) + '\0'.repeat(7);
  return length + text + '\0'.repeat((8 - (text.length % 8)) % 8);
}

/** Brackets and other things that nest; [open, close, what must be between]. */
const NESTS: Readonly<Record<Format, readonly (readonly [open: string, close: string, middle?: string])[]>> = {
  nix: [
    ['(', ')'],
    ['[ ', ' ]'],
    ['{ a = ', '; }'],
    ['"${', '}"', '"x"'],
    [`''\${`, `}''`, '"x"'],
    ['let a = ', '; in a'],
    ['rec { a = ', '; }'],
    ['x: ', ''],
    ['{ x ? ', ' }: x'],
    ['{ x, ... }@y: ', ''],
    ['if true then ', ' else 0'],
    ['if ', ' then true else false', 'true'],
    ['with ', '; 1', '{ }'],
    ['with { }; ', ''],
    ['assert true; ', ''],
    ['!', '', 'true'],
    ['-', ''],
    ['1 + ', ''],
    ['', ' + 1'],
    ['[ ] ++ ', '', '[ ]'],
    ['{ } // ', '', '{ }'],
    ['', ' // { }', '{ }'],
    ['true && ', '', 'true'],
    ['true -> ', '', 'true'],
    ['f (', ')'],
    ['(x: x) ', ''],
    ['{ ${', '} = 1; }', '"a"'],
    ['a.', 'b'],
    ['{ a.', 'b = 1; }', 'c.'],
    ['{ inherit (', ') a; }', '{ }'],
    ['let inherit (', ') a; in a', '{ }'],
    ['', '.a or 1', '{ }'],
    ['', ' ? a', '{ }'],
    ['/* ', ' */ 1', ''],
    ['builtins.deepSeq ', ' 1'],
    ['1 == ', ''],
    ['1 < ', ''],
  ],
  json: [
    ['[', ']'],
    ['{"a":', '}'],
    ['[1,', ']'],
  ],
  toml: [
    ['a = [', ']', '1'],
    ['a = {b = ', '}', '1'],
    ['[a.', 'b]', ''],
    ['a.', 'b = 1', ''],
  ],
  regex: [
    ['(', ')', 'a'],
    ['(', ')*', 'a'],
    ['(', '|b)', 'a'],
    ['(', '){2}', 'a'],
    ['', '?', 'a'],
    ['[', ']', 'a'],
  ],
  drv: [
    ['(', ')'],
    ['[', ']'],
  ],
  nar: [
    [
      ['nix-archive-1', '(', 'type', 'directory', 'entry', '(', 'name', 'a', 'node'].map(narWord).join(''),
      narWord(')').repeat(2),
    ],
  ],
};

/** Real and generated files by format; what is mutated. */
export type Corpus = Readonly<Record<Format, readonly string[]>>;

export function randomInput(random: Random, format: Format, corpus: Corpus): string {
  const way = random.below(20);
  if (way < 2) return bytes(random);
  if (way < 6) return words(random, format);
  if (way < 8) return nested(random, format);
  if (way < 12 && format === 'nix') return mutated(random, program(random), WORDS.nix);
  const real = corpus[format];
  return real.length === 0 ? words(random, format) : mutated(random, random.pick(real), WORDS[format]);
}

function bytes(random: Random): string {
  let out = '';
  for (let n = random.size(200); n > 0; n--) out += random.byte();
  return out;
}

function words(random: Random, format: Format): string {
  let out = '';
  for (let n = random.size(60); n > 0; n--) out += random.pick(WORDS[format]) + (random.oneIn(3) ? '' : ' ');
  return out;
}

function nested(random: Random, format: Format): string {
  const depth = 10 ** (1 + random.below(4)) * (1 + random.below(9));
  const kinds = Array.from({ length: 1 + random.below(3) }, () => random.pick(NESTS[format]));
  let open = '';
  let close = '';
  const middle = kinds.at(-1)![2] ?? '1';
  for (let i = 0; i < depth; i++) {
    const [before, after] = kinds[i % kinds.length]!;
    open += before;
    close = after + close;
    // Deep enough for every stack that a case runs on.
    if (open.length > 200_000) break;
  }
  const whole = random.oneIn(3) ? open : open + middle + close;
  return random.oneIn(4) ? mutated(random, whole, WORDS[format]) : whole;
}

function program(random: Random): string {
  return fc.sample(programs, { seed: random.next() | 0, numRuns: 1 })[0]!;
}

/** A few changes: bytes, words, pieces that go, come twice or move. */
function mutated(random: Random, text: string, vocabulary: readonly string[]): string {
  let out = text;
  for (let n = 1 + random.size(8); n > 0; n--) out = mutate(random, out, vocabulary);
  return out;
}

function mutate(random: Random, text: string, vocabulary: readonly string[]): string {
  const at = random.below(text.length + 1);
  const length = random.size(random.oneIn(4) ? 400 : 12);
  const [before, after] = [text.slice(0, at), text.slice(at)];
  switch (random.below(8)) {
    case 0:
      return before + random.byte() + after.slice(1);
    case 1:
      return before + random.byte() + after;
    case 2:
      return before + random.pick(vocabulary) + after;
    case 3:
      return before + random.pick(vocabulary) + after.slice(length);
    case 4:
      return before + after.slice(length);
    case 5:
      return before + after.slice(0, length).repeat(1 + random.size(6)) + after;
    case 6: {
      const to = random.below(before.length + 1);
      return before.slice(0, to) + after.slice(0, length) + before.slice(to) + after.slice(length);
    }
    default:
      return random.oneIn(3) ? before : after;
  }
}
