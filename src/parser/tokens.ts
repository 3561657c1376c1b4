// Token types. The lexer decides some questions that would need more than one token of look-ahead in the grammar, by
// giving a token another type once the next ones are known (LambdaId, FormalsOpen, LetOpen), and hands over literals
// without interpolation as one token. syntax-error.ts undoes this to word errors as Nix does.
import { createToken, EOF, type TokenType } from 'chevrotain';
import { intern, type Sym } from '../util/symbols.ts';

export type { TokenType };

const all: TokenType[] = [];
const names: string[] = [];

/** @param words what Nix calls the token in "syntax error, unexpected …" */
function token(name: string, words: string, categories: TokenType[] = []): TokenType {
  const type = createToken({ name, categories, label: words });
  all.push(type);
  names[index(type)] = words;
  return type;
}

/** The number that a token type has in the lexer's arrays. */
export function index(type: TokenType): number {
  return type.tokenTypeIdx!;
}

/** Binary operators but `?`, whose right side is an attribute path. */
export const BinaryOperator = token('BinaryOperator', '');
export const PrefixOperator = token('PrefixOperator', '');

export const Id = token('Id', 'identifier');
/** An identifier with `:` or `@` after it: only a function can start so. */
export const LambdaId = token('LambdaId', 'identifier');
/** `"…"` without interpolation, as one token. */
export const StringLiteral = token('StringLiteral', `'"'`);
/** `''…''` without interpolation or escapes, as one token. */
export const IndentedLiteral = token('IndentedLiteral', 'start of an indented string');
/** A path without interpolation. */
export const PathLiteral = token('PathLiteral', 'path');
export const HomePathLiteral = token('HomePathLiteral', "'~/…' path");
export const Str = token('Str', 'string');
export const IndentedStr = token('IndentedStr', 'indented string');
/** A piece of an indented string that was escaped: indentation does not apply to it. */
export const EscapedStr = token('EscapedStr', 'indented string');
export const Int = token('Int', 'integer');
export const Float = token('Float', 'floating-point literal');
export const Path = token('Path', 'path');
export const HomePath = token('HomePath', "'~/…' path");
export const SearchPath = token('SearchPath', "'<…>' path");
export const PathEnd = token('PathEnd', 'end of path');
export const Uri = token('Uri', 'URI');
export const If = token('If', "'if'");
export const Then = token('Then', "'then'");
export const Else = token('Else', "'else'");
export const Assert = token('Assert', "'assert'");
export const With = token('With', "'with'");
export const Let = token('Let', "'let'");
/** `let` with `{` after it. */
export const LetOpen = token('LetOpen', "'let'");
export const In = token('In', "'in'");
export const Rec = token('Rec', "'rec'");
export const Inherit = token('Inherit', "'inherit'");
export const OrKeyword = token('OrKeyword', "'or'");
export const Equal = token('Equal', "'=='", [BinaryOperator]);
export const NotEqual = token('NotEqual', "'!='", [BinaryOperator]);
export const LessEqual = token('LessEqual', "'<='", [BinaryOperator]);
export const GreaterEqual = token('GreaterEqual', "'>='", [BinaryOperator]);
export const Less = token('Less', "'<'", [BinaryOperator]);
export const Greater = token('Greater', "'>'", [BinaryOperator]);
export const Update = token('Update', "'//'", [BinaryOperator]);
export const Concat = token('Concat', "'++'", [BinaryOperator]);
export const And = token('And', "'&&'", [BinaryOperator]);
export const Or = token('Or', "'||'", [BinaryOperator]);
export const Implies = token('Implies', "'->'", [BinaryOperator]);
export const Plus = token('Plus', "'+'", [BinaryOperator]);
export const Minus = token('Minus', "'-'", [BinaryOperator, PrefixOperator]);
export const Times = token('Times', "'*'", [BinaryOperator]);
export const Divide = token('Divide', "'/'", [BinaryOperator]);
export const Not = token('Not', "'!'", [PrefixOperator]);
export const Question = token('Question', "'?'");
export const PipeFrom = token('PipeFrom', "'<|'");
export const PipeInto = token('PipeInto', "'|>'");
export const DollarCurly = token('DollarCurly', "'${'");
export const Quote = token('Quote', `'"'`);
export const IndentedOpen = token('IndentedOpen', 'start of an indented string');
export const IndentedClose = token('IndentedClose', 'end of an indented string');
export const Ellipsis = token('Ellipsis', "'...'");
export const BraceOpen = token('BraceOpen', "'{'");
/** `{` of a function's formals. */
export const FormalsOpen = token('FormalsOpen', "'{'");
export const BraceClose = token('BraceClose', "'}'");
export const ParenOpen = token('ParenOpen', "'('");
export const ParenClose = token('ParenClose', "')'");
export const BracketOpen = token('BracketOpen', "'['");
export const BracketClose = token('BracketClose', "']'");
export const Semicolon = token('Semicolon', "';'");
export const Colon = token('Colon', "':'");
export const Comma = token('Comma', "','");
export const Dot = token('Dot', "'.'");
export const Assign = token('Assign', "'='");
export const At = token('At', "'@'");
/** A byte that starts nothing. */
export const Invalid = token('Invalid', 'invalid token');
/** Where the lexer gave up; it keeps the error that the parser throws if it gets so far. */
export const LexFailure = token('LexFailure', '');
export const End = EOF;
names[index(End)] = 'end of file';

// Types are bytes in the lexer's arrays; 255 is taken by operators.ts.
if (names.length >= 255) throw new Error('too many token types: is this module loaded twice?');

/** All token types but EOF: the parser's vocabulary. */
export const vocabulary: readonly TokenType[] = all;
/** By index: what Nix calls a token in messages. */
export const tokenWords: readonly string[] = names;

const KEYWORDS: Readonly<Record<string, TokenType>> = {
  if: If,
  then: Then,
  else: Else,
  assert: Assert,
  with: With,
  let: Let,
  in: In,
  rec: Rec,
  inherit: Inherit,
  or: OrKeyword,
};
const keywordBySym = new Map<Sym, number>(Object.entries(KEYWORDS).map(([name, type]) => [intern(name), index(type)]));
const highest = Math.max(...keywordBySym.keys());
const lowest = Math.min(...keywordBySym.keys());
const keywordTypes = Uint8Array.from(
  { length: highest - lowest + 1 },
  (_, i) => keywordBySym.get((lowest + i) as Sym) ?? 0,
);

/** The type of the token that an identifier's text is: a keyword's, or Id. */
export function wordType(sym: Sym): number {
  if (sym > highest || sym < lowest) return ID;
  return keywordTypes[sym - lowest]! || ID;
}

const ID = index(Id);

/** A table by token type index; index 0, which stands for every token while the grammar is recorded, is in it. */
export function tokenSet(...types: TokenType[]): Uint8Array {
  const set = new Uint8Array(256);
  set[0] = 1;
  for (const type of types) set[index(type)] = 1;
  return set;
}
