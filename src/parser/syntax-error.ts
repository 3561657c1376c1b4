// What is wrong with a source that the grammar does not accept, in Nix's words. Nix's parser is bison's, and its
// message depends on the state of an LALR automaton at the first unexpected token; so the same automaton, made when it
// is first needed, runs over the tokens once more.
import { InternalError, ParseError } from '../util/errors.ts';
import type { Pos } from '../util/positions.ts';
import { LalrAutomaton, type LalrGrammar, type LalrRule } from './lalr.ts';
import type { Tokens } from './lexer.ts';
import * as t from './tokens.ts';
import { utf8 } from '../util/bytes.ts';

/** Terminals in bison's numbering: those declared first, then by first use in precedences and rules. */
const TERMINALS = [
  ...['END', 'error', 'INVALID', 'ID', 'STR', 'IND_STR', 'INT', 'FLOAT', 'PATH', 'HPATH', 'SPATH', 'PATH_END', 'URI'],
  ...['IF', 'THEN', 'ELSE', 'ASSERT', 'WITH', 'LET', 'IN', 'REC', 'INHERIT', '==', '!=', '<=', '>=', '//', '++', '&&'],
  ...['||', '->', 'OR', '<|', '|>', '${', 'IND_OPEN', 'IND_CLOSE', '...', 'REPL', '<', '>', 'NOT', '+', '-', '*', '/'],
  ...['?', 'NEGATE', ':', '@', ';', '!', '.', '"', '(', ')', '{', '}', '[', ']', '=', ','],
];

/** Alternatives of each left-hand side, separated by `|`; `%X` gives one X's precedence. */
const RULES: Readonly<Record<string, string>> = {
  start: 'expr | REPL binds1',
  expr: 'function',
  function:
    'ID : function | formalSet : function | formalSet @ ID : function | ID @ formalSet : function | ' +
    'ASSERT expr ; function | WITH expr ; function | LET binds IN function | if',
  if: 'IF expr THEN expr ELSE expr | pipeFrom | pipeInto | op',
  pipeFrom: 'op <| pipeFrom | op <| op',
  pipeInto: 'pipeInto |> op | op |> op',
  op:
    '! op %NOT | - op %NEGATE | op == op | op != op | op < op | op <= op | op > op | op >= op | op && op | op || op | ' +
    'op -> op | op // op | op ? attrPath | op + op | op - op | op * op | op / op | op ++ op | app',
  app: 'app select | select',
  select: 'simple . attrPath | simple . attrPath OR select | simple OR | simple',
  simple:
    'ID | INT | FLOAT | " stringParts " | IND_OPEN indParts IND_CLOSE | pathStart PATH_END | ' +
    'pathStart interpolated PATH_END | SPATH | URI | ( expr ) | LET { binds } | REC { binds } | { binds1 } | { } | [ list ]',
  stringParts: 'STR | interpolated |',
  interpolated: 'interpolated STR | interpolated ${ expr } | ${ expr } | STR ${ expr }',
  pathStart: 'PATH | HPATH',
  indParts: 'indParts IND_STR | indParts ${ expr } |',
  binds: 'binds1 |',
  binds1: 'binds1 attrPath = expr ; | binds INHERIT attrs ; | binds INHERIT ( expr ) attrs ; | attrPath = expr ;',
  attrs: 'attrs attr | attrs stringAttr |',
  attrPath: 'attrPath . attr | attrPath . stringAttr | attr | stringAttr',
  attr: 'ID | OR',
  stringAttr: '" stringParts " | ${ expr }',
  list: 'list select |',
  formalSet: '{ formals , ... } | { ... } | { formals , } | { formals } | { }',
  formals: 'formals , formal | formal',
  formal: 'ID | ID ? expr',
};

function parseRules(): LalrRule[] {
  const rules: LalrRule[] = [];
  for (const [left, alternatives] of Object.entries(RULES)) {
    for (const alternative of alternatives.split(/ \|(?: |$)/)) {
      const symbols = alternative.split(' ').filter((symbol) => symbol !== '');
      const last = symbols.at(-1);
      if (last?.startsWith('%') === true) rules.push({ left, right: symbols.slice(0, -1), precedence: last.slice(1) });
      else rules.push({ left, right: symbols });
    }
  }
  return rules;
}

const GRAMMAR = (): LalrGrammar => ({
  terminals: TERMINALS,
  rules: parseRules(),
  precedences: [
    ['right', '->'],
    ['left', '||'],
    ['left', '&&'],
    ['none', '==', '!='],
    ['none', '<', '>', '<=', '>='],
    ['right', '//'],
    ['left', 'NOT'],
    ['left', '+', '-'],
    ['left', '*', '/'],
    ['right', '++'],
    ['none', '?'],
    ['none', 'NEGATE'],
  ],
});

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
  readonly automaton = new LalrAutomaton(GRAMMAR());
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

/** The error that Nix's parser ends with on these tokens, which our grammar rejected. */
export function syntaxError(tokens: Tokens, base: Pos): ParseError {
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
  if (found === null) throw new InternalError('the grammar rejects what Nix accepts');
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
