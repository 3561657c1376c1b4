// What is wrong with a source that the grammar does not accept, in Nix's words. Nix's parser is bison's, and its
// message depends on the state of an LALR automaton at the first unexpected token; so the same automaton, made when it
// is first needed, runs over the tokens once more.
import { utf8 } from '../util/bytes.ts';
import { ParseError } from '../util/errors.ts';
import type { Pos } from '../util/positions.ts';
import { nixGrammar, TERMINALS } from './bison-grammar.ts';
import { LalrAutomaton } from './lalr.ts';
import type { Tokens } from './token-buffer.ts';
import * as t from './tokens.ts';

/** What the lexer's tokens are to bison; literals are several. */
const EXPANSIONS: readonly (readonly [t.TokenType, string])[] = [
  [t.Id, 'ID'],
  [t.LambdaId, 'ID'],
  [t.StringLiteral, '" STR "'],
  [t.IndentedLiteral, 'IND_OPEN IND_STR IND_CLOSE'],
  [t.PathLiteral, 'PATH PATH_END'],
  [t.HomePathLiteral, 'HPATH PATH_END'],
  [t.Str, 'STR'],
  [t.IndentedStr, 'IND_STR'],
  [t.EscapedStr, 'IND_STR'],
  [t.Int, 'INT'],
  [t.Float, 'FLOAT'],
  [t.Path, 'PATH'],
  [t.HomePath, 'HPATH'],
  [t.SearchPath, 'SPATH'],
  [t.PathEnd, 'PATH_END'],
  [t.Uri, 'URI'],
  [t.If, 'IF'],
  [t.Then, 'THEN'],
  [t.Else, 'ELSE'],
  [t.Assert, 'ASSERT'],
  [t.With, 'WITH'],
  [t.Let, 'LET'],
  [t.LetOpen, 'LET'],
  [t.In, 'IN'],
  [t.Rec, 'REC'],
  [t.Inherit, 'INHERIT'],
  [t.OrKeyword, 'OR'],
  [t.Equal, '=='],
  [t.NotEqual, '!='],
  [t.LessEqual, '<='],
  [t.GreaterEqual, '>='],
  [t.Less, '<'],
  [t.Greater, '>'],
  [t.Update, '//'],
  [t.Concat, '++'],
  [t.And, '&&'],
  [t.Or, '||'],
  [t.Implies, '->'],
  [t.Plus, '+'],
  [t.Minus, '-'],
  [t.Times, '*'],
  [t.Divide, '/'],
  [t.Not, '!'],
  [t.Question, '?'],
  [t.PipeFrom, '<|'],
  [t.PipeInto, '|>'],
  [t.DollarCurly, '${'],
  [t.Quote, '"'],
  [t.IndentedOpen, 'IND_OPEN'],
  [t.IndentedClose, 'IND_CLOSE'],
  [t.Ellipsis, '...'],
  [t.BraceOpen, '{'],
  [t.FormalsOpen, '{'],
  [t.BraceClose, '}'],
  [t.ParenOpen, '('],
  [t.ParenClose, ')'],
  [t.BracketOpen, '['],
  [t.BracketClose, ']'],
  [t.Semicolon, ';'],
  [t.Colon, ':'],
  [t.Comma, ','],
  [t.Dot, '.'],
  [t.Assign, '='],
  [t.At, '@'],
  [t.Invalid, 'INVALID'],
  [t.End, 'END'],
];

class Machine {
  readonly automaton = new LalrAutomaton(nixGrammar());
  /** By token type. */
  readonly expansions: number[][] = [];
  /** By terminal. */
  readonly words: string[] = [];

  constructor() {
    const numbers = new Map(TERMINALS.map((name, i) => [name, i]));
    for (const [type, names] of EXPANSIONS) {
      const terminals = names.split(' ').map((name) => numbers.get(name)!);
      this.expansions[t.index(type)] = terminals;
      this.words[terminals[0]!] ??= utf8(t.tokenWords[t.index(type)]!);
    }
  }
}

let machine: Machine | undefined;

/** The error that Nix's parser ends with on these tokens; null if it accepts them. */
export function syntaxError(tokens: Tokens, base: Pos): ParseError | null {
  machine ??= new Machine();
  const { automaton, expansions, words } = machine;
  let i = -1;
  let pending: readonly number[] = [];
  let sub = 0;
  const found = automaton.firstError(() => {
    if (sub === pending.length) {
      sub = 0;
      i++;
      if (tokens.types[i] === t.index(t.LexFailure)) return LEX_FAILURE;
      pending = expansions[tokens.types[i]!]!;
    }
    return pending[sub++]!;
  });
  if (found === null) return null;
  if (found.unexpected === LEX_FAILURE) {
    const { message, offset } = tokens.error!;
    return new ParseError(message, { pos: base + offset });
  }
  const expected = found.expected.map((terminal) => words[terminal]!);
  const list = expected.length === 0 ? '' : `, expecting ${expected.join(' or ')}`;
  return new ParseError(`syntax error, unexpected ${words[found.unexpected]!}${list}`, {
    pos: base + tokens.starts[i]!,
  });
}

/** A terminal of no rule. */
const LEX_FAILURE = 1000;
