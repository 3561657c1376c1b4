// Input that no sane person writes: an error in Nix's words, soon. What the fuzzer (scripts/fuzz.ts) found is here.
import { describe, expect, it } from 'vitest';
import { renderError } from '../src/util/render-error.ts';
import { errorOf, memoryEvaluator, show } from './support/evaluator.ts';

/** Far more than is needed, and far less than what is quadratic takes. */
const SOON = { timeout: 30_000 };

describe('nesting', () => {
  const openings = [
    '(',
    '[ ',
    '{ a = ',
    '{a=',
    '"${',
    "''${",
    'let a = ',
    'if ',
    'x: ',
    '{ x ? ',
    '!',
    '-',
    '1 + (',
    'rec { a = ',
  ];
  it.each(openings)('%j without an end is a syntax error, 100,000 deep', SOON, (opening) => {
    expect(errorOf(opening.repeat(100_000)).message).toMatch(/^syntax error, unexpected end of file/);
  });
  it.each([')', ']', '}', 'in', ';'])('%j has to be opened', SOON, (closing) => {
    expect(errorOf(`${'[ '.repeat(50_000)}${` ${closing}`.repeat(100_000)}`).message).toMatch(
      /^syntax error, unexpected/,
    );
  });

  const shapes: [open: string, close: string, middle: string][] = [
    ['(', ')', '1'],
    ['[ ', ' ]', '1'],
    ['{ a = ', '; }', '1'],
    ['let a = ', '; in a', '1'],
    ['"${', '}"', '"x"'],
    ['x: ', '', '1'],
    ['-', '', '1'],
    ['if true then ', ' else 1', '1'],
    ['with { }; ', '', '1'],
  ];
  it.each(shapes)('%s … %s 300,000 deep ends', { timeout: 60_000 }, (open, close, middle) => {
    const { message } = errorOf(open.repeat(300_000) + middle + close.repeat(300_000));
    expect(message).toMatch(/^stack overflow/);
  });
  it('deep in one place does not count for its neighbours', () => {
    const many = Array.from({ length: 5000 }, (_, i) => `a${i} = x: if x then -1 else [ ] ++ [ ];`).join('\n');
    expect(show(`builtins.length (builtins.attrNames { ${many} })`)).toBe('5000');
  });
});

describe('texts that the lexer looks far ahead in', () => {
  it('comments that nobody closes', SOON, () => {
    expect(errorOf('/* '.repeat(300_000)).message).toBe("syntax error, unexpected '/'");
  });
  it('comments before a far carriage return', SOON, () => {
    expect(show(`${'#\n'.repeat(500_000)}1\r`)).toBe('1');
  });
  it.each(['a.', 'a+', 'a-', 'a:', '"', "''", '$', '~/', '<a', './', '1.'])('%j', SOON, (piece) => {
    expect(errorOf(`${piece.repeat(100_000)} )`).message).not.toBe('');
  });
});

describe('documents', () => {
  it.each([
    ['[a', '.a', ']'],
    ['a', '.a', ' = 1'],
  ])('TOML: %s%s… a million times', { timeout: 60_000 }, (open, piece, close) => {
    const document = `(builtins.concatStringsSep "" (builtins.genList (_: "${piece}") 1000000))`;
    expect(show(`builtins.attrNames (builtins.fromTOML ("${open}" + ${document} + "${close}"))`)).toBe('[ "a" ]');
  });
});

describe('values and texts without an end', () => {
  it('a text that V8 cannot hold', () => {
    expect(
      errorOf('let f = n: s: if n == 0 then s else f (n - 1) (s + s); in builtins.stringLength (f 40 "0123456789")')
        .message,
    ).toBe('out of memory');
  });
  it('a trace of frames that all quote one long line', SOON, () => {
    const ev = memoryEvaluator({}, { showTrace: true });
    const error = errorOf(`${'-'.repeat(1500)}${' '.repeat(50_000)}x`.replace('x', '(throw "a")'), ev);
    const text = renderError(error, ev.positions, { color: false, showTrace: true });
    expect(text.length).toBeLessThan(1 << 27);
    expect(text).toMatch(/error: a$/m);
  });
  it('global names below many scopes are found as soon as below few', SOON, () => {
    const cost = (depth: number): number => {
      const before = process.cpuUsage().user;
      expect(show(`${'x: '.repeat(depth)}[ ${'true '.repeat(100_000)} ]`)).toBe('<LAMBDA>');
      return process.cpuUsage().user - before;
    };
    cost(1);
    expect(cost(1000)).toBeLessThan(5 * cost(1));
  });
  it('blanks at the end of a line do not take quadratic time', SOON, () => {
    const ev = memoryEvaluator();
    const error = errorOf(`throw "a"${' '.repeat(1_000_000)}+ 1`, ev);
    expect(renderError(error, ev.positions, { color: false, showTrace: true })).toContain('error: a');
  });
});

describe('regular expressions', () => {
  it('that are too large for JS are matched all the same', () => {
    const text = ']'.repeat(3000);
    expect(show(`builtins.match "${text}" "${text}"`)).toBe('[ ]');
  });
  it.each([
    '([a-z]*)*x',
    '(a*)*b',
    '(a|a)*b',
    '(a?){1000}b',
    '((a*)*)*',
    '(.*)*(.*)*(.*)*x',
    '(x+x+)+y',
    '([ax]*[ay]*)*z',
    '(a{0,30}){0,30}b',
  ])('%s on a long text ends', SOON, (pattern) => {
    const text = 'a'.repeat(3000);
    const run = `[ (builtins.match "${pattern}" "${text}") (builtins.length (builtins.split "${pattern}" "${text}")) ]`;
    try {
      expect(show(run)).toMatch(/^\[/);
    } catch (error) {
      expect((error as Error).message).toMatch(/^memory limit exceeded by regular expression/);
    }
  });
  it('whose matches are dear, one after the other', { timeout: 120_000 }, () => {
    const pattern = `${'('.repeat(4000)}a${'|b)'.repeat(4000)}`;
    expect(errorOf(`builtins.split "${pattern}" "${'ab'.repeat(200)}"`).message).toMatch(
      /^memory limit exceeded by regular expression/,
    );
  });
  it('that have more states than the C++ library allows', () => {
    expect(errorOf(`builtins.match "${'a'.repeat(200_000)}" "a"`).message).toMatch(
      /^memory limit exceeded by regular expression/,
    );
  });
});
