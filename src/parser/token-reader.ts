// How the parser reads tokens: they stay in the lexer's arrays, and Chevrotain sees one shared token object per type.
import { EmbeddedActionsParser, EOF, type IParserErrorMessageProvider, type IToken } from 'chevrotain';
import type { Pos } from '../util/positions.ts';
import type { Sym } from '../util/symbols.ts';
import type { Tokens } from './token-buffer.ts';
import * as t from './tokens.ts';

const { index } = t;

/** Nobody sees Chevrotain's own messages. */
const REJECTIONS: IParserErrorMessageProvider = {
  buildMismatchTokenMessage: () => '',
  buildNotAllInputParsedMessage: () => '',
  buildNoViableAltMessage: () => '',
  buildEarlyExitMessage: () => '',
};

/** One token object for each type is all that Chevrotain needs to see. */
const shared: IToken[] = [];
for (const type of [...t.vocabulary, EOF]) {
  shared[index(type)] = { image: type.name, startOffset: 0, tokenTypeIdx: index(type), tokenType: type };
}
const EOF_TOKEN = shared[index(EOF)]!;

/** While Chevrotain records the grammar, every token is of type 0. */
const NO_TOKENS: Tokens = {
  types: new Uint8Array(4),
  starts: new Int32Array(4),
  data: new Int32Array(4),
  values: [],
  count: 0,
  error: null,
};

/** The part of the parser that knows about tokens. */
export abstract class TokenReader extends EmbeddedActionsParser {
  declare currIdx: number;
  private types: Uint8Array = NO_TOKENS.types;
  private starts: Int32Array = NO_TOKENS.starts;
  private data: Int32Array = NO_TOKENS.data;
  private values: (string | number | bigint)[] = [];
  private base: Pos = 0;

  constructor(options: { skipValidations: boolean }) {
    super([...t.vocabulary], {
      maxLookahead: 1,
      recoveryEnabled: false,
      skipValidations: options.skipValidations,
      errorMessageProvider: REJECTIONS,
    });
  }

  /** @param base position of byte 0 */
  protected read({ types, starts, data, values }: Tokens, base: Pos): void {
    this.input = [];
    this.types = types;
    this.starts = starts;
    this.data = data;
    this.values = values;
    this.base = base;
  }

  /** Forgets what was read: a parser lives as long as the program. */
  release(): void {
    this.read(NO_TOKENS, 0);
  }

  protected atEnd(): boolean {
    return this.types[this.currIdx + 1] === index(EOF);
  }

  override LA_FAST(n: number): IToken {
    return shared[this.types[this.currIdx + n]!]!;
  }
  override LA(n: number): IToken {
    return n < 1 ? EOF_TOKEN : this.LA_FAST(n);
  }
  protected peek(): number {
    return this.types[this.currIdx + 1]!;
  }
  protected nextIs(type: number): boolean {
    const next = this.types[this.currIdx + 1]!;
    return next === type || next === 0;
  }
  /** Position of the next token. */
  protected here(): Pos {
    return this.base + this.starts[this.currIdx + 1]!;
  }
  /** Position of the last token. */
  protected last(): Pos {
    return this.base + this.starts[this.currIdx]!;
  }
  protected symbol(): Sym {
    return this.data[this.currIdx] as Sym;
  }
  protected value(): string | number | bigint {
    return this.values[this.data[this.currIdx]!]!;
  }
}
