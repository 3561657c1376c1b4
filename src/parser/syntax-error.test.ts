import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parse, parseFailure } from '../../test/support/parse.ts';
import { ParseError } from '../util/errors.ts';
import { nixGrammar } from './bison-grammar.ts';
import { LalrAutomaton } from './lalr.ts';
import { tokenize } from './lexer.ts';
import { syntaxError } from './syntax-error.ts';

describe('LalrAutomaton', () => {
  it('has as many states and rules for the grammar of Nix as bison 3.8 makes', () => {
    const automaton = new LalrAutomaton(nixGrammar());
    expect(automaton.states).toHaveLength(199);
    expect(automaton.rules).toHaveLength(100);
  });
  it('refuses a grammar with an unresolved conflict', () => {
    const grammar = {
      terminals: ['END', 'a', '+'],
      rules: [
        { left: 'e', right: ['e', '+', 'e'] },
        { left: 'e', right: ['a'] },
      ],
      precedences: [],
    };
    expect(() => new LalrAutomaton(grammar)).toThrow('conflict');
    expect(new LalrAutomaton({ ...grammar, precedences: [['left', '+']] }).states.length).toBeGreaterThan(0);
  });
});

describe('syntax errors', () => {
  it.each([
    ['a.', `expecting identifier or 'or' or '\${' or '"'`],
    ['if 1 else 2', "unexpected 'else', expecting 'then'"],
    ['{ a ... }', "unexpected '...', expecting '.' or '='"],
    ['{ inherit (a b; }', "unexpected ';', expecting ')'"],
    ['(a b', "unexpected end of file, expecting ')'"],
    ['[ a b', 'unexpected end of file'],
    ['a b ]', "unexpected ']', expecting end of file"],
    ['{ a = 1; b }', "unexpected '}', expecting '.' or '='"],
    ['x@y', "unexpected identifier, expecting '{'"],
    ['let a = 1; b', "unexpected end of file, expecting '.' or '='"],
    ['"${a b', "unexpected end of file, expecting '}'"],
    ['with a', "unexpected end of file, expecting ';'"],
    ['a."b', `unexpected end of file, expecting '"'`],
    ['{ a."${b}" 1; }', "unexpected integer, expecting '.' or '='"],
    ['rec a', "unexpected identifier, expecting '{'"],
    ['1 .. 2', "unexpected '.', expecting identifier or 'or' or '${' or '\"'"],
    ['{ } ? ./foo', `unexpected path, expecting identifier or 'or' or '\${' or '"'`],
    ['{ inherit http://x; }', 'unexpected URI'],
    ['123 é 4', 'unexpected invalid token, expecting end of file'],
  ])('%s', (source, expected) => {
    expect(parseFailure(source)).toMatch(/^\d+:\d+ syntax error, /);
    expect(parseFailure(source).endsWith(expected)).toBe(true);
  });

  it('at the end of input are placed there, and before a path that ends it', () => {
    expect(parseFailure('(a\n\n')).toMatch(/^3:1 /);
    expect(parseFailure('(a # b')).toMatch(/^1:7 /);
    expect(parseFailure('( ./a')).toMatch(/^1:3 /);
    expect(parseFailure('( ./a ')).toMatch(/^1:7 /);
    expect(parseFailure('( ./${a}')).toMatch(/^1:8 /);
  });

  it('there is none to word where the grammar of Nix accepts', () => {
    expect(syntaxError(tokenize('a b', { pipeOperators: false }), 1)).toBeNull();
  });
});

const PIECES = [
  ...['a', 'b', 'or', 'if', 'then', 'else', 'assert', 'with', 'let', 'in', 'rec', 'inherit', '1', '1.5', './p', '<p>'],
  ...['"s"', '"', '${', "''i''", "''", 'u:r', '{', '}', '(', ')', '[', ']', ';', ':', ',', '.', '...', '=', '@', '?'],
  ...['!', '-', '+', '*', '/', '++', '//', '==', '<', '>=', '&&', '||', '->', '|>', '<|', 'x:', '{ a }:', '{ ... }@b:'],
  ...['let a = 1; in', '{ a = b; }', '(a b)', 'a.b', 'a.b or c', '[ a ]', './p/${a}', '"a${b}c"', 'inherit (a) b;'],
];

describe('the parser and the grammar that words its errors', () => {
  it('accept the same programs', () => {
    const pieces = fc.array(fc.constantFrom(...PIECES), { maxLength: 14 });
    fc.assert(
      fc.property(pieces, (words) => {
        const source = words.join(' ');
        try {
          parse(source, { features: ['pipe-operators'] });
        } catch (error) {
          // An InternalError says that only the parser rejects.
          if (!(error instanceof ParseError)) throw error;
          return;
        }
        const tokens = tokenize(source, { pipeOperators: true });
        expect(syntaxError(tokens, 1)).toBeNull();
      }),
      { numRuns: 10_000 },
    );
  });
});
