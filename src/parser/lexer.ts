// Bytes → tokens, in arrays. Longest match as in Nix's lexer; the whole source at once. A lexical error becomes a
// token that the grammar accepts nowhere, so that errors before it are reported first.
import { intern, findSymbol, type Sym } from '../util/symbols.ts';
import { BLANK, BYTES, DIGIT, ID_CHAR, LETTER, PATH_CHAR } from './bytes-table.ts';
import { stripIndentation, type IndentedPart } from './indented-string.ts';
import { parseFloatLiteral, parseIntLiteral, unescapeString } from './literals.ts';
import * as scan from './scan.ts';
import { emptyTokens, TokenWriter, type Tokens } from './token-buffer.ts';
import * as t from './tokens.ts';

export interface LexOptions {
  readonly pipeOperators: boolean;
}

// Modes: what the next byte belongs to. INITIAL is DEFAULT outside of all braces.
const INITIAL = 0;
const DEFAULT = 1;
const STRING = 2;
const INDENTED = 3;
const PATH = 4;
/** In a path, after a `/`. */
const PATH_SLASH = 5;

const STR = t.index(t.Str);
const INDENTED_STR = t.index(t.IndentedStr);
const ESCAPED_STR = t.index(t.EscapedStr);
const BRACE_OPEN = t.index(t.BraceOpen);
const BRACE_CLOSE = t.index(t.BraceClose);
const DOLLAR_CURLY = t.index(t.DollarCurly);
const QUOTE = t.index(t.Quote);
const INVALID = t.index(t.Invalid);
const INDENTED_OPEN = t.index(t.IndentedOpen);
const INDENTED_CLOSE = t.index(t.IndentedClose);
const STRING_LITERAL = t.index(t.StringLiteral);
const INDENTED_LITERAL = t.index(t.IndentedLiteral);
const PATH_LITERAL = t.index(t.PathLiteral);
const HOME_PATH_LITERAL = t.index(t.HomePathLiteral);
const PATH_TOKEN = t.index(t.Path);
const HOME_PATH = t.index(t.HomePath);
const SEARCH_PATH = t.index(t.SearchPath);
const PATH_END = t.index(t.PathEnd);
const URI = t.index(t.Uri);
const INT = t.index(t.Int);
const FLOAT = t.index(t.Float);
const END = t.index(t.End);
const COLON = t.index(t.Colon);
const AT = t.index(t.At);
const COMMA = t.index(t.Comma);
const QUESTION = t.index(t.Question);
const ELLIPSIS = t.index(t.Ellipsis);
const LESS_EQUAL = t.index(t.LessEqual);
const LESS = t.index(t.Less);
const UPDATE = t.index(t.Update);
const CONCAT = t.index(t.Concat);
const OR = t.index(t.Or);
const IMPLIES = t.index(t.Implies);
const PLUS = t.index(t.Plus);
const MINUS = t.index(t.Minus);
const DIVIDE = t.index(t.Divide);
const PIPE_FROM = t.index(t.PipeFrom);
const PIPE_INTO = t.index(t.PipeInto);
const DOT = t.index(t.Dot);

/** Token types of single bytes that need no thought, and of pairs by their first byte. */
const SINGLE = new Uint8Array(256).fill(INVALID);
const SECOND = new Int16Array(256).fill(-1);
const DOUBLE = new Uint8Array(256);
for (const [text, single, double] of [
  ['(', t.ParenOpen],
  [')', t.ParenClose],
  ['[', t.BracketOpen],
  [']', t.BracketClose],
  [';', t.Semicolon],
  ['*', t.Times],
  ['==', t.Assign, t.Equal],
  ['!=', t.Not, t.NotEqual],
  ['>=', t.Greater, t.GreaterEqual],
  ['&&', t.Invalid, t.And],
] as const) {
  const byte = text.charCodeAt(0);
  SINGLE[byte] = t.index(single);
  if (double === undefined) continue;
  SECOND[byte] = text.charCodeAt(1);
  DOUBLE[byte] = t.index(double);
}

/** Splits `source`; never throws. */
export function tokenize(source: string, options: LexOptions): Tokens {
  const tokens = emptyTokens(source.length);
  new Lexer(source, tokens, options).run();
  return tokens;
}

/** A copy of a name that does not keep its source alive, as V8's substrings do. */
function internSlice(text: string): Sym {
  const known = findSymbol(text);
  if (known !== undefined) return known;
  return intern(text.length < 13 ? text : Buffer.from(text, 'latin1').toString('latin1'));
}

class Lexer extends TokenWriter {
  private readonly source: string;
  private readonly length: number;
  private readonly pipeOperators: boolean;
  private readonly hasCr: boolean;
  private pos = 0;
  private mode: number = INITIAL;
  private readonly modes: number[] = [];
  /** Where Nix places the end of input; it is not always the end. */
  private end: number;
  /** Up to here every byte is a PATH_CHAR and no `/` follows. */
  private noPathBefore = 0;
  /** No more of these comments are closed. */
  private commentsEnd = false;
  /** The first CR from where one was last looked for. */
  private nextCr = -1;
  /** Up to here every byte is a SCHEME_CHAR and no URI's `:` follows. */
  private noUriBefore = 0;

  constructor(source: string, tokens: Tokens, options: LexOptions) {
    super(tokens);
    this.source = source;
    this.length = source.length;
    this.pipeOperators = options.pipeOperators;
    this.hasCr = source.includes('\r');
    this.end = source.length;
  }

  run(): void {
    let more = true;
    while (more && this.tokens.error === null) {
      switch (this.mode) {
        case STRING:
          more = this.stringPart();
          break;
        case INDENTED:
          more = this.indentedPart();
          break;
        case PATH:
        case PATH_SLASH:
          more = this.pathPart();
          break;
        default:
          more = this.ordinary();
      }
    }
    if (this.tokens.error === null) this.push(END, this.end);
    this.tokens.count = this.count;
  }

  private enter(mode: number): void {
    this.modes.push(this.mode);
    this.mode = mode;
  }
  private leave(): void {
    this.mode = this.modes.pop()!;
  }

  /** Outside of strings and paths; until the mode changes. False at the end. */
  private ordinary(): boolean {
    const { source, length } = this;
    while (this.pos < length) {
      const pos = this.pos;
      const c = source.charCodeAt(pos);
      const bits = BYTES[c]!;
      if ((bits & BLANK) !== 0) {
        let p = pos + 1;
        while ((BYTES[source.charCodeAt(p)]! & BLANK) !== 0) p++; // NaN, past the end, has no bits
        this.pos = p;
        continue;
      }
      if ((bits & LETTER) !== 0) {
        if (!this.word(pos)) return true;
        continue;
      }
      if ((bits & DIGIT) !== 0) {
        if (!this.number(pos)) return true;
        continue;
      }
      const next = source.charCodeAt(pos + 1);
      switch (c) {
        case 35: // #
          this.pos = this.lineEnd(pos + 1);
          continue;
        case 34: // "
          if (this.string(pos)) return true;
          continue;
        case 39: // '
          if (next === 39) {
            if (this.indented(pos)) return true;
            continue;
          }
          this.one(INVALID, pos);
          continue;
        case 123: // {
          this.markLet();
          this.one(BRACE_OPEN, pos);
          this.enter(DEFAULT);
          continue;
        case 125: // }
          this.markFormals();
          this.one(BRACE_CLOSE, pos);
          if (this.mode !== INITIAL) {
            this.leave();
            if (this.mode > DEFAULT) return true;
          }
          continue;
        case 36: // $
          if (next === 123) {
            this.two(DOLLAR_CURLY, pos);
            this.enter(DEFAULT);
          } else this.one(INVALID, pos);
          continue;
        case 47: // /
          if (next === 42) {
            const close = this.commentsEnd ? -1 : source.indexOf('*/', pos + 2);
            if (close >= 0) {
              this.pos = close + 2;
              continue;
            }
            this.commentsEnd = true;
            this.one(DIVIDE, pos);
            continue;
          }
          if (scan.isPathSlash(source, pos)) {
            if (this.path(pos, pos)) return true;
            continue;
          }
          if (next === 47) this.two(UPDATE, pos);
          else this.one(DIVIDE, pos);
          continue;
        case 46: // .
        case 43: // +
        case 45: {
          // -
          const slash = this.slashAfter(pos);
          if (slash >= 0) {
            if (this.path(pos, slash)) return true;
          } else if (c === 46) {
            if (next === 46 && source.charCodeAt(pos + 2) === 46) {
              this.markEllipsis();
              this.push(ELLIPSIS, pos);
              this.pos = pos + 3;
            } else if ((BYTES[next]! & DIGIT) !== 0) {
              if (!this.float(pos, scan.digitsEnd(source, pos + 1))) return true;
            } else this.one(DOT, pos);
          } else if (c === 43) {
            if (next === 43) this.two(CONCAT, pos);
            else this.one(PLUS, pos);
          } else if (next === 62) this.two(IMPLIES, pos);
          else this.one(MINUS, pos);
          continue;
        }
        case 126: // ~
          if (next === 47 && scan.isPathSlash(source, pos + 1)) {
            if (this.path(pos, pos + 1)) return true;
            continue;
          }
          this.one(INVALID, pos);
          continue;
        case 60: // <
          if (next === 61) this.two(LESS_EQUAL, pos);
          else if (next === 124) {
            if (!this.pipe(PIPE_FROM, pos)) return false;
          } else {
            const close = scan.searchPathEnd(source, pos);
            if (close < 0) this.one(LESS, pos);
            else {
              this.pushValue(SEARCH_PATH, pos, source.slice(pos + 1, close));
              this.pos = close + 1;
            }
          }
          continue;
        case 124: // |
          if (next === 124) this.two(OR, pos);
          else if (next === 62) {
            if (!this.pipe(PIPE_INTO, pos)) return false;
          } else this.one(INVALID, pos);
          continue;
        case 58: // :
          this.markLambda();
          this.one(COLON, pos);
          continue;
        case 64: // @
          this.markLambda();
          this.one(AT, pos);
          continue;
        case 44: // ,
          this.markFormals();
          this.one(COMMA, pos);
          continue;
        case 63: // ?
          this.markFormals();
          this.one(QUESTION, pos);
          continue;
        case 0: // A zero byte is the end of input to Nix's parser.
          this.end = pos + 1;
          return false;
        default:
          if (next === SECOND[c]) this.two(DOUBLE[c]!, pos);
          else this.one(SINGLE[c]!, pos);
      }
    }
    return false;
  }

  private one(type: number, pos: number): void {
    this.push(type, pos);
    this.pos = pos + 1;
  }
  private two(type: number, pos: number): void {
    this.push(type, pos);
    this.pos = pos + 2;
  }

  private pipe(type: number, pos: number): boolean {
    if (!this.pipeOperators) {
      return this.fail(
        "experimental Nix feature 'pipe-operators' is disabled; add '--extra-experimental-features pipe-operators' to enable it",
        pos,
      );
    }
    this.two(type, pos);
    return true;
  }

  private lineEnd(from: number): number {
    const lf = this.source.indexOf('\n', from);
    const end = lf < 0 ? this.length : lf;
    if (!this.hasCr) return end;
    if (this.nextCr < from) {
      const cr = this.source.indexOf('\r', from);
      this.nextCr = cr < 0 ? this.length : cr;
    }
    return Math.min(this.nextCr, end);
  }
  /** Offset of the `/` that makes a path of what starts at `pos`, else -1. */
  private slashAfter(pos: number): number {
    if (pos < this.noPathBefore) return -1;
    const p = scan.pathCharsEnd(this.source, pos);
    if (this.source.charCodeAt(p) === 47 && scan.isPathSlash(this.source, p)) return p;
    this.noPathBefore = p;
    return -1;
  }

  /** False when the mode changed or the lexer gave up. */
  private word(start: number): boolean {
    const { source } = this;
    let p = start + 1;
    while ((BYTES[source.charCodeAt(p)]! & ID_CHAR) !== 0) p++;
    // What can make more of it than an identifier begins with one of `/ . + :`.
    const c = source.charCodeAt(p);
    if (c === 47 || c === 46 || c === 43) {
      const slash = this.slashAfter(start);
      if (slash >= 0) return !this.path(start, slash);
    }
    if (c === 58 || ((c === 46 || c === 43) && start >= this.noUriBefore)) {
      const colon = scan.schemeEnd(source, start);
      const end = scan.uriEnd(source, colon);
      if (end >= 0) {
        this.pushValue(URI, start, source.slice(start, end));
        this.pos = end;
        return true;
      }
      this.noUriBefore = colon;
    }
    const sym = internSlice(source.slice(start, p));
    const n = this.count++;
    this.types[n] = t.wordType(sym);
    this.starts[n] = start;
    this.data[n] = sym;
    this.pos = p;
    return true;
  }

  private number(start: number): boolean {
    const { source } = this;
    const digits = scan.digitsEnd(source, start + 1);
    const slash = this.slashAfter(start);
    if (slash >= 0) return !this.path(start, slash);
    if (source.charCodeAt(digits) === 46) {
      const first = source.charCodeAt(start);
      // `[1-9][0-9]*\.[0-9]*` or `0?\.[0-9]+`
      const end = scan.digitsEnd(source, digits + 1);
      if (first !== 48 || (digits === start + 1 && end > digits + 1)) return this.float(start, end);
    }
    const value = parseIntLiteral(source.slice(start, digits));
    if (value === null) return this.fail(`invalid integer '${source.slice(start, digits)}'`, start);
    this.pushValue(INT, start, value);
    this.pos = digits;
    return true;
  }

  /** The mantissa ends at `end`; there may be an exponent. */
  private float(start: number, end: number): boolean {
    const { source } = this;
    const p = scan.exponentEnd(source, end);
    const value = parseFloatLiteral(source.slice(start, p));
    if (value === null) return this.fail(`invalid float '${source.slice(start, p)}'`, start);
    this.pushValue(FLOAT, start, value);
    this.pos = p;
    return true;
  }

  /**
   * A path whose first `/` is at `slash`, followed by a path character or `${`. A literal without interpolation is one
   * token; else the mode changes and the result is true.
   */
  private path(start: number, slash: number): boolean {
    const { source } = this;
    const home = source.charCodeAt(start) === 126;
    const p = scan.segmentsEnd(source, slash);
    const text = source.slice(start, p);
    const trailing = source.charCodeAt(p - 1) === 47;
    this.pos = p;
    if (!trailing && !(source.charCodeAt(p) === 36 && source.charCodeAt(p + 1) === 123)) {
      this.pushValue(home ? HOME_PATH_LITERAL : PATH_LITERAL, start, text);
      if (p === this.length) this.end = start;
      return false;
    }
    this.pushValue(home ? HOME_PATH : PATH_TOKEN, start, text);
    this.enter(trailing ? PATH_SLASH : PATH);
    return true;
  }

  /** After the first piece of a path, or after a `}` in it. */
  private pathPart(): boolean {
    const { source, pos } = this;
    const c = source.charCodeAt(pos);
    if (c === 36 && source.charCodeAt(pos + 1) === 123) {
      this.two(DOLLAR_CURLY, pos);
      this.mode = PATH;
      this.enter(DEFAULT);
      return true;
    }
    if (c === 47 || (BYTES[c]! & PATH_CHAR) !== 0) {
      const p = scan.segmentsEnd(source, scan.pathCharsEnd(source, pos));
      this.pushValue(STR, pos, source.slice(pos, p));
      this.pos = p;
      this.mode = source.charCodeAt(p - 1) === 47 ? PATH_SLASH : PATH;
      return true;
    }
    const previous = this.count > 0 ? this.starts[this.count - 1]! : 0;
    if (this.mode === PATH_SLASH) {
      return this.fail('path has a trailing slash', pos < this.length ? pos : previous);
    }
    // Nix quirk: at the end of input it has gone back over one piece too many when it says where it is.
    if (pos === this.length) {
      this.end = previous;
      this.push(PATH_END, this.starts[Math.max(0, this.count - 2)]!);
    } else this.push(PATH_END, previous);
    this.leave();
    return true;
  }

  /** True when the mode changed: it is not a literal without interpolation. */
  private string(start: number): boolean {
    const { source } = this;
    const end = scan.stringTextEnd(source, start + 1);
    if (source.charCodeAt(end) === 34) {
      const raw = source.slice(start + 1, end);
      const text = unescapeString(raw);
      if (text === null) {
        this.one(QUOTE, start);
        this.enter(STRING);
        return true;
      }
      this.pushValue(STRING_LITERAL, start, text);
      this.pos = end + 1;
      return false;
    }
    this.one(QUOTE, start);
    this.enter(STRING);
    return true;
  }

  private stringPart(): boolean {
    const { source, pos } = this;
    const end = scan.stringTextEnd(source, pos);
    if (end > pos) {
      const text = unescapeString(source.slice(pos, end));
      if (text === null) return this.failNull(source.slice(pos, end), pos);
      this.pushValue(STR, pos, text);
      this.pos = end;
    }
    const c = source.charCodeAt(end);
    if (c === 34) {
      this.one(QUOTE, end);
      this.leave();
      return true;
    }
    if (c === 36 && source.charCodeAt(end + 1) === 123) {
      this.two(DOLLAR_CURLY, end);
      this.enter(DEFAULT);
      return true;
    }
    return false; // end of input, also within `\`, `$` or `$\`
  }

  private failNull(raw: string, offset: number): false {
    return this.fail(
      `input string '${nullsShown(raw)}' cannot be represented as Nix string because it contains null bytes`,
      offset,
    );
  }

  /** True when the mode changed: there is an interpolation. */
  private indented(start: number): boolean {
    const { source } = this;
    const opener = this.count;
    this.push(INDENTED_OPEN, start);
    let p = start + 2;
    while (source.charCodeAt(p) === 32) p++;
    this.pos = source.charCodeAt(p) === 10 ? p + 1 : start + 2;
    this.enter(INDENTED);
    while (this.indentedPart()) {
      if (this.mode !== INDENTED) {
        const n = this.count;
        if (this.types[n - 1] !== INDENTED_CLOSE) return true;
        // The whole literal: one token in the place of its pieces.
        const parts: IndentedPart[] = [];
        for (let i = opener + 1; i < n - 1; i++) {
          parts.push({
            text: this.values[this.data[i]!] as string,
            indented: this.types[i] === INDENTED_STR,
            expr: null,
            pos: 0,
          });
        }
        const stripped = stripIndentation(parts);
        // Nix quirk: escapes make pieces of a literal, which `--parse` shows as a sum.
        if (stripped.length > 1) return false;
        if (parts.length > 0) this.values.length = this.data[opener + 1]!;
        this.count = opener;
        this.pushValue(INDENTED_LITERAL, start, stripped[0]?.text ?? '');
        return false;
      }
    }
    return true;
  }

  /** One token of `''…''`. */
  private indentedPart(): boolean {
    const { source, length, pos } = this;
    const p = scan.indentedTextEnd(source, pos);
    if (p > pos) {
      const text = source.slice(pos, p);
      if (text.includes('\0')) return this.failNull(text, pos);
      this.pushValue(INDENTED_STR, pos, text);
      this.pos = p;
      return true;
    }
    if (p >= length) return false;
    const next = source.charCodeAt(p + 1);
    if (source.charCodeAt(p) === 36) {
      if (next === 123) {
        this.two(DOLLAR_CURLY, p);
        this.enter(DEFAULT);
      } else {
        this.pushValue(ESCAPED_STR, p, '$');
        this.pos = p + 1;
      }
      return true;
    }
    if (next !== 39) {
      this.pushValue(ESCAPED_STR, p, "'");
      this.pos = p + 1;
      return true;
    }
    const third = source.charCodeAt(p + 2);
    if (third === 36 || third === 39) {
      this.pushValue(ESCAPED_STR, p, third === 36 ? '$' : "''");
      this.pos = p + 3;
    } else if (third === 92 && p + 3 < length) {
      this.pushValue(ESCAPED_STR, p, unescapeString(source.slice(p + 2, p + 4))!);
      this.pos = p + 4;
    } else {
      this.two(INDENTED_CLOSE, p);
      this.leave();
    }
    return true;
  }
}

/** Nix shows zero bytes in messages as ␀. */
function nullsShown(text: string): string {
  return text.replaceAll('\0', '\xe2\x90\x80');
}
