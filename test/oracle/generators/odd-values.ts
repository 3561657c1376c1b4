// Values at the edges of what the language has: for calling builtins with. Each is a simple expression.
import type { Choices } from './choices.ts';
import { quote } from './source.ts';

const TEXTS = [
  '',
  'a',
  'é',
  '日本',
  '😀',
  'a.b',
  '1.2.3',
  '1.2pre3',
  '-',
  '--x',
  'hello-1.0-rc1',
  'a-b-2',
  '.',
  '..',
  '/',
  '//',
  '/a/b/',
  'a/b',
  '/nix/store',
  ' 1 ',
  '1e5',
  '0x10',
  'true',
  '\n',
  '\t',
  '\r\n',
  '\\',
  '"',
  "'",
  '$',
  '${',
  '$$',
  '\x01',
  '\x7f',
  'ab'.repeat(40),
] as const;

const INTS = ['0', '1', '2', '(-1)', '3', '7', '9223372036854775807', '(-9223372036854775807 - 1)'] as const;
const BIG_INTS = ['4294967296', '(-2147483649)', '9007199254740993', '4611686018427387904'] as const;
const FLOATS = ['0.0', '(-0.0)', '1.0', '0.5', '1.5e300', '(-1.5)', '9007199254740993.0', '1.0e-300', '0.1'] as const;
const ODD_FLOATS = ['(1.0e308 * 10)', '(-1.0e308 * 10)', '9.3e18', '(-9223372036854775808.0)', '1.0e16'] as const;

export function text(choices: Choices): string {
  return choices.once(4) ? choices.list(4, () => choices.from(TEXTS)).join('') : choices.from(TEXTS);
}

/** Parts of characters, contexts of every kind, and plain ones. */
export function string(choices: Choices): string {
  return choices.way<string>([
    [8, () => quote(text(choices))],
    [1, () => `(builtins.substring ${choices.below(3)} ${choices.below(3)} ${quote(text(choices))})`],
    [2, () => withContext(choices)],
  ]);
}

/** A string that depends on something. */
export function withContext(choices: Choices): string {
  const drv = derivation(choices);
  return choices.of(
    `"\${${drv}}"`,
    `${drv}.drvPath`,
    `"\${${drv}}${text(choices).replace(/["\\$\r]/g, '')}"`,
    '"${./a.txt}"',
    '(builtins.toFile "f" "x")',
    `(builtins.unsafeDiscardOutputDependency ${drv}.drvPath)`,
    `"\${${drv}.drvPath}\${./a.txt}"`,
    `(builtins.substring 0 ${choices.of(0, 5, 100)} "\${${drv}}")`,
  );
}

export function derivation(choices: Choices): string {
  const outputs = choices.of('', 'outputs = [ "out" "dev" ]; ', 'outputs = [ "bin" ]; ');
  return `(derivation { name = "d${choices.of('', '1')}"; system = "s"; builder = "b"; ${outputs}})`;
}

export function number(choices: Choices): string {
  return choices.way<string>([
    [4, () => choices.from(INTS)],
    [2, () => choices.from(BIG_INTS)],
    [3, () => choices.from(FLOATS)],
    [1, () => choices.from(ODD_FLOATS)],
  ]);
}

export function integer(choices: Choices): string {
  return choices.once(3) ? choices.from(BIG_INTS) : choices.from(INTS);
}

export function path(choices: Choices): string {
  return choices.of(
    './a.txt',
    './dir/.',
    './dir',
    '/nonexistent/.',
    '/a/../b',
    './dir/../a.txt',
    './missing',
    '/nonexistent/x',
    '(./. + "/a.txt")',
    '(./dir/sub + "/..")',
    '(/. + "a")',
    './${"a"}.txt',
    '(/a + /b)',
    './a.txt/x',
  );
}

/** What can't be evaluated, in every way that there is. */
export function failing(choices: Choices): string {
  return choices.of(
    '(throw "t")',
    '(assert false; 1)',
    '(abort "a")',
    '{ }.a',
    '(1 + "a")',
    '(1 / 0)',
    '(null null)',
    '(let x = x; in x)',
    '(builtins.head [ ])',
    '(import ./missing)',
    '(builtins.fromJSON "{")',
    '<missing>',
    '(throw { })',
    '({ a }: a) { }',
    '(9223372036854775807 + 1)',
  );
}

export function fn(choices: Choices, depth: number): string {
  return choices.of<() => string>(
    () => '(x: x)',
    () => `(_: ${value(choices, depth - 1)})`,
    () => `(_: _: ${value(choices, depth - 1)})`,
    () => '(a: b: a)',
    () => '({ a, b ? 1, ... }@all: all)',
    () => '({ a ? 2 }: a)',
    () => 'builtins.typeOf',
    () => '(builtins.add 1)',
    () => `{ __functor = self: x: [ x (self.y or 0) ]; y = ${value(choices, depth - 1)}; }`,
    () => `{ __functor = ${value(choices, depth - 1)}; }`,
    () => '(a: b: a < b)',
    () => '(a: b: true)',
    () => '(a: b: b < a)',
    () => '(x: [ x x ])',
    () => `(x: ${quote(text(choices))})`,
    () => '(x: x == 1)',
  )();
}

export function set(choices: Choices, depth: number): string {
  const one = (): string => value(choices, depth - 1);
  return choices.of<() => string>(
    () => `{ ${choices.list(4, (i) => `${name(choices, i)} = ${one()};`).join(' ')} }`,
    () => '{ }',
    () => `{ __toString = _: ${one()}; }`,
    () => `{ outPath = ${one()}; a = 1; }`,
    () => `{ __toString = ${one()}; outPath = "x"; }`,
    () => `{ name = ${string(choices)}; value = ${one()}; }`,
    () => derivation(choices),
    () => `{ type = "derivation"; ${choices.of('', 'drvPath = "x"; ')}outPath = ${one()}; }`,
    () => `(rec { a = ${one()}; b = a; __overrides = { a = ${one()}; }; })`,
    () => `(${set(choices, depth - 1)} // ${set(choices, depth - 1)})`,
    () => `{ key = ${one()}; v = 1; }`,
    () => `(let s = { a = ${one()}; inherit s; }; in s)`,
  )();
}

/** The index keeps names in one set apart. */
function name(choices: Choices, index: number): string {
  if (!choices.once(4)) return choices.of('a', 'b', 'key', 'name', 'value', 'c') + (index === 0 ? '' : String(index));
  return quote(`${text(choices)}${index}`);
}

export function list(choices: Choices, depth: number, of = (): string => value(choices, depth - 1)): string {
  return choices.way<string>([
    [8, () => `[ ${choices.list(4, of).join(' ')} ]`],
    [1, () => `(let x = ${of()}; in [ x x ])`],
    [1, () => `(builtins.genList ${fn(choices, depth - 1)} ${choices.of('0', '3', '20')})`],
    [1, () => `([ ${of()} ] ++ [ ${of()} ])`],
  ]);
}

/** Anything. */
export function value(choices: Choices, depth: number): string {
  const leaf: readonly (readonly [number, () => string])[] = [
    [5, () => string(choices)],
    [4, () => number(choices)],
    [2, () => choices.of('null', 'true', 'false')],
    [2, () => path(choices)],
    [1, () => failing(choices)],
  ];
  if (depth <= 0) return choices.way(leaf);
  return choices.way<string>([
    ...leaf,
    [2, () => fn(choices, depth)],
    [4, () => set(choices, depth)],
    [4, () => list(choices, depth)],
  ]);
}
