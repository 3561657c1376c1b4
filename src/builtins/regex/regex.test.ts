import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { regexes, texts } from '../../../test/oracle/generators/regex.ts';
import { Matcher } from './matcher.ts';
import { parseRegex } from './parse.ts';
import { compileRegex } from './program.ts';
import { Regex } from './regex.ts';
import { RegexSpaceError, RegexSyntaxError } from './syntax.ts';
import { analyse } from './translate.ts';

const match = (pattern: string, text: string): (string | null)[] | null => new Regex(pattern).match(text);

function split(pattern: string, text: string): string[] {
  const out: string[] = [];
  let behind = 0;
  new Regex(pattern).forEachMatch(text, (start, end, groups) => {
    out.push(text.slice(behind, start), JSON.stringify(groups));
    behind = end;
  });
  return [...out, text.slice(behind)];
}

describe('Regex.match()', () => {
  it.each<[string, string, (string | null)[] | null]>([
    ['a+', 'aaa', []],
    ['a+', 'aab', null],
    ['(a)|(b)', 'b', [null, 'b']],
    ['((a)|(b)|c)*', 'abc', ['c', 'a', 'b']],
    ['(a*)+', 'aa', ['']],
    ['(a*)?', '', ['']],
    ['a**', 'aaa', []],
    ['a+?', 'aa', []],
    ['a{1,2}{2}', 'aaa', []],
    ['(a|ab)(c|bcd)(d*)', 'abcd', ['a', 'bcd', '']],
    ['[]a]+', 'a]', []],
    ['[^]a]', 'b', []],
    ['[\\n]+', '\\n', []],
    ['[a-]+', 'a-', []],
    ['[--0]', '.', []],
    ['[[:alpha:]_]+', 'aZ_', []],
    ['[[:W:]]', '_', []],
    ['[[=a=]]+', 'aA', []],
    ['[[.hyphen.]]', '-', []],
    ['[\xc3-z]', '\xff', []],
    ['a.b', 'a\nb', []],
    ['', '', []],
    ['()', '', ['']],
    ['a||b', '', []],
    ['^a$', 'a', []],
    ['a^b', 'ab', null],
    ['}]', '}]', []],
    ['x{0}', '', []],
  ])('%s on %j', (pattern, text, groups) => {
    expect(match(pattern, text)).toEqual(groups);
  });
});

describe('Regex.forEachMatch()', () => {
  it.each([
    ['a*', 'baac', ['', '[]', 'b', '[]', '', '[]', 'c', '[]', '']],
    ['', 'abc', ['', '[]', 'a', '[]', 'b', '[]', 'c', '[]', '']],
    ['(a|ab|abc)', 'abcd', ['', '["abc"]', 'd']],
    ['^a', 'aa', ['', '[]', 'a']],
    ['a$', 'aa', ['a', '[]', '']],
    ['(a)|b', 'xaby', ['x', '["a"]', '', '[null]', 'y']],
    ['x', 'abc', ['abc']],
    ['.*^', 'ca', ['', '[]', 'ca']],
    ['(a*)^b', 'bab', ['', '[""]', 'ab']],
    ['\\.', 'a.b', ['a', '[]', 'b']],
  ])('%s on %j', (pattern, text, parts) => {
    expect(split(pattern, text)).toEqual(parts);
  });
});

describe('patterns without an automaton', () => {
  const plain = fc.tuple(
    fc.constantFrom('', '.*'),
    fc.array(fc.constantFrom('a', 'b', '\\.', '[.]'), { maxLength: 3 }).map((items) => items.join('')),
    fc.constantFrom('', '.*'),
  );
  const bytes = fc
    .array(fc.constantFrom('a', 'b', '.', '\n', '\0', '\xff'), { maxLength: 8 })
    .map((items) => items.join(''));
  it('match and split as the automaton does', () => {
    fc.assert(
      fc.property(plain, bytes, (parts, text) => {
        const pattern = parts.join('');
        // A group that is always empty is none of these patterns.
        const other = match(`()${pattern}`, text);
        expect(match(pattern, text)).toEqual(other === null ? null : []);
        expect(split(pattern, text)).toEqual(split(`()${pattern}`, text).map((part) => part.replace('[""]', '[]')));
      }),
      { numRuns: 2000 },
    );
  });
});

describe('Regex', () => {
  it('says the same whether JS or the own matcher is asked first', () => {
    const made: Regex[] = [];
    // After some expressions a new one is not compiled by JS for one short text.
    for (let i = 0; i < 40; i++) made.push(new Regex(`x${i}(y|z)*`));
    for (const [i, regex] of made.entries()) {
      const text = `x${i}yz`;
      const first = regex.match(text);
      expect(first).toEqual(['z']);
      expect(regex.match(text)).toEqual(first);
      expect(split(`b${i}(c|d)+`, `ab${i}cde`)).toEqual(['a', '["d"]', 'e']);
    }
  });
});

describe('patterns that are none', () => {
  it.each([
    ...['*a', '(*a)', 'a|*b', '^*', '(', ')', 'a)', '[', '[a', '[]', '[z-a]', '[a-c-e]', '[[:foo:]]', '[a-[:alpha:]]'],
    ...[
      'a{',
      'a{,2}',
      'a{2,1}',
      'a{x}',
      'a{99999999999}',
      '\\d',
      '\\1',
      '\\',
      'a\\',
      '(?:a)',
      '[[.foo.]]',
      '[[:alpha:]-z]',
    ],
  ])('%s', (pattern) => {
    expect(() => new Regex(pattern)).toThrow(RegexSyntaxError);
  });
  it('more than 100,000 states', () => {
    expect(() => new Regex('(a{1000}){1000}')).toThrow(RegexSpaceError);
    expect(() => new Regex('a{1000}{50}')).not.toThrow();
  });
});

describe('patterns that explode elsewhere', () => {
  const long = 'a'.repeat(5000);
  it.each([
    ['(a*)*b', long],
    ['(a|a)*b', long],
    ['(a+)+(a+)+(a+)+b', long],
    ['a?'.repeat(40) + 'a'.repeat(40), 'a'.repeat(39)],
    [`${'(ab|b)?'.repeat(40)}c`, 'ab'.repeat(40)],
    ['(a{0,1}|b)'.repeat(40) + '[^a]', 'a'.repeat(40)],
    ['(a*)(a*)(a*)(a*)(a*)b', long],
    ['(a|aa)+$b', long],
    ['((a*)*)*b', 'a'.repeat(300)],
    ['(.*)(.*)(.*)(.*)x', long],
  ])('%s takes no exponential time', (pattern, text) => {
    const start = performance.now();
    let result: unknown;
    try {
      result = match(pattern, text);
    } catch (error) {
      expect(error).toBeInstanceOf(RegexSpaceError);
      result = null;
    }
    expect(result).toBeNull();
    expect(performance.now() - start).toBeLessThan(5000);
  });
  it('a search that finds nothing is not quadratic', () => {
    const start = performance.now();
    expect(split('a+b', 'a'.repeat(100_000))).toHaveLength(1);
    expect(performance.now() - start).toBeLessThan(5000);
  });
  it('a long text needs no stack', () => {
    expect(match('(a|b)*(c)', `${'ab'.repeat(200_000)}c`)).toEqual(['b', 'c']);
  });
});

describe('analyse()', () => {
  it.each<[string, boolean]>([
    ['[a-z]+-([0-9.]+)', true],
    ['(a|b)+', true],
    ['(a|ab)', false],
    ['(a*)*', false],
    ['((a)|b)*', false],
    ['(a?)?', false],
    ['(.*)\\.nix', true],
  ])('%s: JS may do it: %s', (pattern, same) => {
    expect(analyse(parseRegex(pattern).root).sameInJs).toBe(same);
  });
  it('both engines agree where it says so', () => {
    for (const pattern of ['(a+)(b?)c*', '([ab]c)+(d|e)?', '(a|b)+(c{2,3})']) {
      const parsed = parseRegex(pattern);
      expect(analyse(parsed.root).sameInJs).toBe(true);
      for (const text of ['aabc', 'acbcd', 'abcc', 'abccc', 'a', '']) {
        const matcher = new Matcher(compileRegex(parsed));
        matcher.setText(text);
        const found = matcher.matchAt(0, { exact: true, notNull: false, previousAvailable: false });
        expect(match(pattern, text) !== null).toBe(found);
      }
    }
  });
});

/** Matches of a pattern, without memory and with; null where it takes too long without. */
function bothWays(pattern: string, run: (matcher: Matcher) => unknown): [unknown, unknown] | null {
  const program = compileRegex(parseRegex(pattern));
  const remembered = run(new Matcher(program, -1));
  try {
    return [run(new Matcher(program, Infinity)), remembered];
  } catch (error) {
    if (error instanceof RegexSpaceError) return null;
    throw error;
  }
}

const short = regexes.filter((pattern) => pattern.length <= 12);

describe('Matcher', () => {
  it('remembering changes nothing', () => {
    fc.assert(
      fc.property(short, texts, fc.boolean(), (pattern, text, exact) => {
        const both = bothWays(pattern, (matcher) => {
          matcher.setText(text);
          const found = matcher.matchAt(0, { exact, notNull: false, previousAvailable: false });
          return found ? [...matcher.result] : null;
        });
        if (both !== null) expect(both[1]).toEqual(both[0]);
      }),
      { numRuns: 1000 },
    );
  });
  it('remembering changes nothing for searches', () => {
    fc.assert(
      fc.property(short, texts, (pattern, text) => {
        const both = bothWays(pattern, (matcher) => {
          matcher.setText(text);
          const out: number[][] = [];
          let at = 0;
          while (at <= text.length && matcher.search(at, at > 0, null)) {
            out.push([...matcher.result]);
            at = Math.max(matcher.result[1]!, at + 1);
          }
          return out;
        });
        if (both !== null) expect(both[1]).toEqual(both[0]);
      }),
      { numRuns: 1000 },
    );
  });
});
