// The arrays that the lexer fills and the parser reads.
import * as t from './tokens.ts';

/** A lexical error: Nix's words and the byte offset that they are about. */
export interface LexError {
  readonly message: string;
  readonly offset: number;
}

/** Tokens of one source. Valid until the next call of `tokenize`: the arrays are used again. */
export interface Tokens {
  /** Token type indices; the last one is End or LexFailure. */
  types: Uint8Array;
  /** Byte offset of each token. */
  starts: Int32Array;
  /** Id: its symbol. Literals and pieces of them: index into values. */
  data: Int32Array;
  values: (string | number | bigint)[];
  count: number;
  /** What LexFailure stands for. */
  error: LexError | null;
}

/** Longer buffers than this are not kept. */
const KEEP = 4 << 20;
let spare: Tokens | undefined;

export function forgetTokens(): void {
  spare = undefined;
}

/** Room for the tokens of `length` bytes. */
export function emptyTokens(length: number): Tokens {
  const need = length + 4; // no token is shorter than a byte but End and PathEnd, which ends one of two or more
  let tokens = spare;
  if (tokens === undefined || tokens.types.length < need) {
    const size = need <= KEEP ? Math.min(KEEP, Math.max(1 << 13, need * 2)) : need;
    tokens = {
      types: new Uint8Array(size),
      starts: new Int32Array(size),
      data: new Int32Array(size),
      values: [],
      count: 0,
      error: null,
    };
    if (size <= KEEP) spare = tokens;
  }
  tokens.values = [];
  tokens.count = 0;
  tokens.error = null;
  return tokens;
}

const ID = t.index(t.Id);
const LAMBDA_ID = t.index(t.LambdaId);
const BRACE_OPEN = t.index(t.BraceOpen);
const BRACE_CLOSE = t.index(t.BraceClose);
const FORMALS_OPEN = t.index(t.FormalsOpen);
const LET = t.index(t.Let);
const LET_OPEN = t.index(t.LetOpen);
const LEX_FAILURE = t.index(t.LexFailure);

/** Adds tokens, and gives earlier ones another type where a later one decides what they are. */
export class TokenWriter {
  protected readonly tokens: Tokens;
  protected readonly types: Uint8Array;
  protected readonly starts: Int32Array;
  protected readonly data: Int32Array;
  protected readonly values: (string | number | bigint)[];
  protected count = 0;

  constructor(tokens: Tokens) {
    this.tokens = tokens;
    this.types = tokens.types;
    this.starts = tokens.starts;
    this.data = tokens.data;
    this.values = tokens.values;
  }

  protected push(type: number, start: number): void {
    const n = this.count++;
    this.types[n] = type;
    this.starts[n] = start;
  }
  protected pushValue(type: number, start: number, value: string | number | bigint): void {
    const n = this.count++;
    this.types[n] = type;
    this.starts[n] = start;
    this.data[n] = this.values.push(value) - 1;
  }
  protected fail(message: string, offset: number): false {
    this.tokens.error = { message, offset };
    this.push(LEX_FAILURE, offset);
    return false;
  }

  /** Before `:` or `@` is added. */
  protected markLambda(): void {
    const { types } = this;
    const n = this.count;
    if (n === 0) return;
    const last = types[n - 1];
    if (last === ID) types[n - 1] = LAMBDA_ID;
    else if (last === BRACE_CLOSE && n > 1 && types[n - 2] === BRACE_OPEN) types[n - 2] = FORMALS_OPEN;
  }
  /** Before `,`, `?` or `}` is added: `{ x ,` and the like begin formals. */
  protected markFormals(): void {
    const { types } = this;
    const n = this.count;
    if (n > 1 && types[n - 1] === ID && types[n - 2] === BRACE_OPEN) types[n - 2] = FORMALS_OPEN;
  }
  /** Before `...` is added. */
  protected markEllipsis(): void {
    const n = this.count;
    if (n > 0 && this.types[n - 1] === BRACE_OPEN) this.types[n - 1] = FORMALS_OPEN;
  }
  /** Before `{` is added. */
  protected markLet(): void {
    const n = this.count;
    if (n > 0 && this.types[n - 1] === LET) this.types[n - 1] = LET_OPEN;
  }
}
