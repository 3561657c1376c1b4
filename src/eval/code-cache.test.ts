// Code that was stored and loaded again does what parsing the file gives: the same words where names are numbered the
// same, the same results where they are not.
import fc from 'fast-check';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { programs } from '../../test/oracle/generators/expressions.ts';
import { allBuiltins } from '../builtins/index.ts';
import { Op } from '../parser/code.ts';
import { nodeLength, wordKinds } from '../parser/word-kinds.ts';
import { renderError } from '../util/render-error.ts';
import { NixError } from '../util/errors.ts';
import { utf8 } from '../util/bytes.ts';
import { forgetSymbols, intern, symbolCount, symbolName, type Sym } from '../util/symbols.ts';
import type { CodeCache, CodeSlot } from './code-cache.ts';
import { Evaluator } from './evaluator.ts';
import { forgetKeySets, keySetCount } from './key-set.ts';
import { MemoryEvalIo } from './memory-io.ts';
import { Program } from './program.ts';
import { printAmbiguous } from './print-ambiguous.ts';
import { valueToXml } from './print-xml.ts';
import { ContextBuilder } from './context.ts';

class MemoryCodeCache implements CodeCache {
  readonly units = new Map<string, { unit: Uint8Array; source: string }>();
  hits = 0;
  look(path: string): CodeSlot {
    const known = this.units.get(path);
    if (known !== undefined) this.hits++;
    return {
      unit: known?.unit ?? null,
      source: () => known!.source,
      keep: (unit, source) => void this.units.set(path, { unit, source }),
    };
  }
}

new Evaluator({ io: new MemoryEvalIo(), builtins: allBuiltins }); // what every evaluator interns
const symbols = symbolCount();
const keySets = keySetCount();

/** As in a new process, where `names` are met first. */
function startAgain(names: readonly string[] = []): void {
  forgetKeySets(keySets);
  forgetSymbols(symbols);
  names.forEach(intern);
}

/** What evaluating a file prints, or its error with positions and excerpts; and the evaluator's code. */
function outcome(
  source: string,
  codeCache?: CodeCache,
  program?: Program,
): { text: string; words: string; ev: Evaluator } {
  const ev = new Evaluator({
    io: new MemoryEvalIo({ files: { '/p/main.nix': source, '/p/other.nix': '{ b = 1; a.c = "x"; }' } }),
    builtins: allBuiltins,
    ...(codeCache === undefined ? {} : { codeCache }),
    program,
  });
  let text: string;
  try {
    const value = ev.evalRootFile('/p/main.nix');
    ev.forceDeep(value);
    text =
      printAmbiguous(ev, value) +
      valueToXml(ev, value, { strict: true, location: true, context: new ContextBuilder() });
  } catch (error) {
    if (!(error instanceof NixError)) throw error;
    text = renderError(error, ev.positions, { showTrace: true, color: false });
  }
  const { code } = ev;
  const words = [code.words.subarray(0, code.length).join(), code.constants.map(String).join('\0'), code.sites];
  return { text, words: words.join('\n'), ev };
}

/** Parsed, stored, loaded; and loaded where the same names have other numbers. */
function compare(source: string): void {
  startAgain();
  const cache = new MemoryCodeCache();
  const parsed = outcome(source);
  const names = Array.from({ length: symbolCount() - symbols }, (_, i) => symbolName((symbols + i) as Sym));
  startAgain();
  expect(outcome(source, cache).words).toBe(parsed.words);
  if (!cache.units.has('/p/main.nix')) return; // it does not parse
  for (let i = 0; i < 2; i++) {
    startAgain();
    const before = cache.hits;
    const loaded = outcome(source, cache);
    expect(cache.hits).toBeGreaterThan(before);
    expect(loaded).toMatchObject({ text: parsed.text, words: parsed.words });
  }
  // One evaluator after the other with what the first has loaded.
  startAgain();
  let program: Program | undefined = new Program(true);
  const lengths: number[] = [];
  for (let i = 0; i < 3; i++) {
    const { text, ev } = outcome(source, cache, program);
    expect(text).toBe(parsed.text);
    program = ev.program.handOn();
    expect(program).toBeDefined();
    lengths.push(program!.code.length);
  }
  expect(lengths[2]! - lengths[1]!).toBe(lengths[1]! - lengths[0]!); // `derivation`, where it is asked for
  expect(lengths[1]! - lengths[0]!).toBeLessThan(lengths[0]!);
  startAgain(names.toReversed());
  const elsewhere = outcome(source);
  startAgain(names.toReversed());
  expect(outcome(source, cache).text).toBe(elsewhere.text);
}

const cases: readonly string[] = [
  'rec { z = a; a = b; b = 1; __overrides = { b = 2; q = 3; }; }',
  'let f = { z, y ? x, x ? 3, ... }@args: z + y + x + args.w; in f { w = 1; z = 2; }',
  'let f = { z, y, x }: 1; in f { x = 1; }',
  'let f = { z, y }: 1; in f { z = 1; y = 2; x = 1; }',
  'rec { inherit (other) b a; other = import ./other.nix; c = a.c; } // { inherit (rec { q = 1; p = q; }) p q; }',
  '{ b = { ${"y" + "x"} = 1; a = 2; }; a = with { v = 1; u = 2; }; [ u v ]; }',
  'let s = { b.c = 1; }; in [ (s.b.d or 5) (s ? b.c) s."b".${"c"} (s.x.y or null) (1.5e-3 * 2) 9007199254740993 (-3) ]',
  'a: b: c: { x, y ? 1 }@d: e: f: d',
  'assert 1 == 2; null',
  '{ p = ./x/../y; q = "a${toString 1}b"; r = \'\'\n  two\n   lines ${"x"}\n\'\'; here = __curPos; }',
  'builtins.unsafeGetAttrPos "b" { a = 1;\n  b = 2; }',
  'let x = throw "deep"; in { a = 1;\n\r\n b = { c = x; }; }',
  utf8('{ "ä ö" = "ü"; b = "\\n"; }'),
  'if 1 < 2 && !(2 <= 1) -> true then [ (1 - 2) (3 / 2) (builtins.lessThan 1 2) ] ++ [ ] else null',
  'x',
  '{ a = 1; a = 2; }',
  '',
];

describe('stored code', () => {
  it.each(cases)('does what it did: %s', (source) => {
    compare(source);
  });

  it('does what it did: files of this repository', () => {
    const root = join(import.meta.dirname, '../..');
    const files = globSync(['lib/**/*.nix', 'test/lang/*.nix', 'src/cli/*.nix'], { cwd: root });
    expect(files.length).toBeGreaterThan(20);
    for (const file of files) compare(readFileSync(join(root, file), 'latin1'));
  });

  it('does what it did: random programs', () => {
    const runs = Number(process.env['TSNIX_FUZZ_RUNS'] ?? 150);
    fc.assert(fc.property(programs, compare), { numRuns: runs });
  });
});

describe('a program', () => {
  it('is not handed on where most of its code is of no use', () => {
    const program = new Program(true);
    program.code.reserve(1 << 18);
    expect(program.handOn()).toBe(program);
    program.code.reserve(1);
    expect(program.handOn()).toBeUndefined();
  });

  it('is handed on without JavaScript, which knows the evaluator', () => {
    const hot = "builtins.foldl' (s: n: s + n) 0 (builtins.genList (x: x + 1) 5000)";
    const { ev, text } = outcome(hot, undefined, new Program(true));
    const generated = (): number => ev.code.lambdas.filter(({ code }) => code !== null).length;
    expect([text.startsWith('12502500'), generated()]).toEqual([true, 2]);
    ev.program.handOn();
    expect(generated()).toBe(0);
  });

  it('knows a file only by the very unit, and in the same variant', () => {
    const program = new Program(true);
    const unit = new Uint8Array(4);
    const find = (path: string, of: Uint8Array, variant: string): number | undefined =>
      program.find(path, of, variant, () => 'later');
    expect(find('/a', unit, 'v')).toBeUndefined();
    const origin = program.positions.addOrigin({ kind: 'file', path: '/a' }, () => 'before', 6);
    program.loaded('/a', { unit, off: 7, origin, words: 1 });
    expect(find('/a', unit, 'v')).toBe(7);
    expect((origin.source as () => string)()).toBe('later');
    expect([find('/b', unit, 'v'), find('/a', new Uint8Array(4), 'v')]).toEqual([undefined, undefined]);
    expect([find('/a', unit, 'w'), find('/a', unit, 'v')]).toEqual([undefined, undefined]);
  });
});

describe('word kinds', () => {
  it('know every kind of node', () => {
    for (const op of Object.values(Op)) {
      const words = new Int32Array(16);
      words[0] = op;
      expect(wordKinds(words, 0, nodeLength(words, 0))).toHaveLength(nodeLength(words, 0));
    }
  });
});
