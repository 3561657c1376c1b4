// Nix's grammar in the form that decides what its syntax errors say. The parser proper is grammar.ts; a test holds
// that both accept the same.
import type { LalrGrammar, LalrRule } from './lalr.ts';

/** Terminals in bison's numbering: those declared first, then by first use in precedences and rules. */
export const TERMINALS = [
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

/** The grammar as Nix 2.36 gives it to bison, without actions. */
export const nixGrammar = (): LalrGrammar => ({
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
