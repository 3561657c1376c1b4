// JSON → values: strict RFC 8259, with the errors of nlohmann's library, which Nix shows. Iterative: nesting costs no
// stack. Positions in messages count the bytes read so far, the offending one (or the end) included.
import { Attrs } from '../eval/attrs.ts';
import type { Slot } from '../eval/value.ts';
import { makeInt, NixFloat } from '../eval/value.ts';
import { findInvalidUtf8 } from '../eval/utf8-check.ts';
import { EvalError } from '../util/errors.ts';
import { utf8 } from '../util/bytes.ts';
import { intern } from '../util/symbols.ts';
import { JsonObject, Shapes } from './json-object.ts';
import { forbidNullBytes } from './null-bytes.ts';

/** Text that is no JSON. */
export class JsonSyntaxError extends EvalError {
  override readonly code = 'JSON_SYNTAX';
}

type Token = 'string' | 'number' | 'true' | 'false' | 'null' | '[' | ']' | '{' | '}' | ':' | ',' | 'end';

const TOKEN_NAMES: Readonly<Record<Token, string>> = {
  string: 'string literal',
  number: 'number literal',
  true: 'true literal',
  false: 'false literal',
  null: 'null literal',
  '[': "'['",
  ']': "']'",
  '{': "'{'",
  '}': "'}'",
  ':': "':'",
  ',': "','",
  end: 'end of input',
};
const VALUE_EXPECTED = "'[', '{', or a literal";

const CONTROL_NAMES =
  'NUL SOH STX ETX EOT ENQ ACK BEL BS HT LF VT FF CR SO SI DLE DC1 DC2 DC3 DC4 NAK SYN ETB CAN EM SUB ESC FS GS RS US'.split(
    ' ',
  );
const CONTROL_ESCAPES: Readonly<Record<number, string>> = { 8: '\\b', 9: '\\t', 10: '\\n', 12: '\\f', 13: '\\r' };

/** An open array or object. */
type Frame = Slot[] | JsonObject;

/** @param spend called for each array and object. @throws JsonSyntaxError; EvalError for what Nix cannot hold (NUL bytes, integers of 2^63 to 2^64 - 1) */
export function parseJson(text: string, spend: () => void): Slot {
  return new JsonParser(text).parse(spend);
}

class JsonParser {
  private readonly text: string;
  private at: number;
  /** Where "last read" begins: the last string or number, as nlohmann's lexer resets only there. */
  private tokenStart = 0;
  /** The value of the last string, number or literal. */
  private value: Slot = null;
  /** What is being parsed, and what should come: for messages. */
  private readonly shapes = new Shapes();
  private context = 'value';
  private expected = '';

  constructor(text: string) {
    this.text = text;
    this.at = 0;
    if (text.charCodeAt(0) === 0xef) {
      if (!text.startsWith('\xef\xbb\xbf'))
        this.lexicalError('invalid BOM; must be 0xEF 0xBB 0xBF if given', bomEnd(text));
      this.at = 3;
    }
  }

  parse(spend: () => void): Slot {
    const stack: Frame[] = [];
    let token = this.next('value', '');
    for (;;) {
      let result: Slot;
      // A value begins at `token`.
      if (token === '{') {
        const object = new JsonObject(this.shapes);
        if (this.key(object, true)) {
          stack.push(object);
          token = this.next('value', '');
          continue;
        }
        result = Attrs.EMPTY;
      } else if (token === '[') {
        token = this.next('value', '');
        if (token !== ']') {
          stack.push([]);
          continue;
        }
        result = [];
      } else if (
        token === 'string' ||
        token === 'number' ||
        token === 'true' ||
        token === 'false' ||
        token === 'null'
      ) {
        result = this.value;
      } else {
        if (token === 'end' && this.at === 0) {
          this.fail(
            'attempting to parse an empty input; check that your input string or stream contains the expected JSON',
            1,
          );
        }
        this.unexpected(token, 'value', VALUE_EXPECTED);
      }
      // A value is complete: close what it completes.
      for (;;) {
        const frame = stack.at(-1);
        if (frame === undefined) {
          token = this.next('value', TOKEN_NAMES.end);
          if (token !== 'end') this.unexpected(token, 'value', TOKEN_NAMES.end);
          return result;
        }
        if (frame instanceof JsonObject) {
          frame.add(result);
          token = this.next('object', TOKEN_NAMES['}']);
          if (token === ',') {
            this.key(frame, false);
            token = this.next('value', '');
            break;
          }
          if (token !== '}') this.unexpected(token, 'object', TOKEN_NAMES['}']);
          result = frame.build();
        } else {
          frame.push(result);
          token = this.next('array', TOKEN_NAMES[']']);
          if (token === ',') {
            token = this.next('value', '');
            break;
          }
          if (token !== ']') this.unexpected(token, 'array', TOKEN_NAMES[']']);
          result = frame;
        }
        stack.pop();
        spend();
      }
    }
  }

  /** Reads a key and its colon into `object`; false where the object ends instead. */
  private key(object: JsonObject, mayEnd: boolean): boolean {
    this.skipSpaces();
    const end = object.guessKey(this.text, this.at);
    if (end >= 0) {
      this.tokenStart = this.at;
      this.at = end;
    } else {
      const token = this.next('object key', TOKEN_NAMES.string);
      if (mayEnd && token === '}') return false;
      if (token !== 'string') this.unexpected(token, 'object key', TOKEN_NAMES.string);
      object.setKey(intern(this.value as string));
    }
    const token = this.next('object separator', TOKEN_NAMES[':']);
    if (token !== ':') this.unexpected(token, 'object separator', TOKEN_NAMES[':']);
    return true;
  }

  private skipSpaces(): void {
    const { text } = this;
    let c = text.charCodeAt(this.at);
    while (c === 32 || c === 10 || c === 13 || c === 9) c = text.charCodeAt(++this.at);
  }

  private next(context: string, expected: string): Token {
    this.context = context;
    this.expected = expected;
    this.skipSpaces();
    const c = this.text.charCodeAt(this.at);
    switch (c) {
      case 0x5b:
        this.at++;
        return '[';
      case 0x5d:
        this.at++;
        return ']';
      case 0x7b:
        this.at++;
        return '{';
      case 0x7d:
        this.at++;
        return '}';
      case 0x3a:
        this.at++;
        return ':';
      case 0x2c:
        this.at++;
        return ',';
      case 0x22:
        this.string();
        return 'string';
      case 0x74:
        this.literal('true');
        this.value = true;
        return 'true';
      case 0x66:
        this.literal('false');
        this.value = false;
        return 'false';
      case 0x6e:
        this.literal('null');
        this.value = null;
        return 'null';
      default:
    }
    if (c === 45 || (c >= 48 && c <= 57)) {
      this.number();
      return 'number';
    }
    if (Number.isNaN(c) || c === 0) return 'end';
    this.lexicalError('invalid literal', this.at + 1);
  }

  private literal(word: string): void {
    for (let i = 1; i < word.length; i++) {
      if (this.text[this.at + i] !== word[i]) this.lexicalError('invalid literal', this.at + i + 1);
    }
    this.at += word.length;
  }

  private number(): void {
    const { text } = this;
    const start = (this.tokenStart = this.at);
    // Most numbers are short integers.
    let value = 0;
    let at = start;
    let c = text.charCodeAt(at);
    while (c >= 48 && c <= 57) {
      value = value * 10 + (c - 48);
      c = text.charCodeAt(++at);
    }
    const length = at - start;
    if (length > 0 && length <= 15 && c !== 46 && c !== 101 && c !== 69 && (length === 1 || text[start] !== '0')) {
      this.at = at;
      this.value = value;
      return;
    }
    this.anyNumber(start);
  }

  private anyNumber(start: number): void {
    const { text } = this;
    let at = start;
    if (text.charCodeAt(at) === 45) at++;
    if (text.charCodeAt(at) === 48) at++;
    else at = this.digits(at, "invalid number; expected digit after '-'");
    let integral = true;
    if (text.charCodeAt(at) === 46) {
      integral = false;
      at = this.digits(at + 1, "invalid number; expected digit after '.'");
    }
    const e = text.charCodeAt(at);
    if (e === 101 || e === 69) {
      integral = false;
      const sign = text.charCodeAt(at + 1);
      at =
        sign === 43 || sign === 45
          ? this.digits(at + 2, 'invalid number; expected digit after exponent sign')
          : this.digits(at + 1, "invalid number; expected '+', '-', or digit after exponent");
    }
    this.at = at;
    this.value = this.numberValue(text.slice(start, at), integral);
  }

  /** The offset behind the digits at `at`, of which there must be one. */
  private digits(at: number, message: string): number {
    const { text } = this;
    if (!isDigit(text.charCodeAt(at))) this.lexicalError(message, at + 1);
    while (isDigit(text.charCodeAt(at))) at++;
    return at;
  }

  private numberValue(source: string, integral: boolean): Slot {
    const value = Number(source);
    if (integral) {
      if (Number.isSafeInteger(value)) return value === 0 ? 0 : value;
      const exact = BigInt(source);
      if (exact >= -(2n ** 63n) && exact < 2n ** 63n) return makeInt(exact);
      if (exact > 0 && exact < 2n ** 64n) {
        throw new EvalError(`unsigned json number ${source} outside of Nix integer range`);
      }
    }
    if (!Number.isFinite(value)) {
      throw new JsonSyntaxError(`[json.exception.out_of_range.406] number overflow parsing '${source}'`);
    }
    return new NixFloat(value);
  }

  private string(): void {
    const { text } = this;
    const start = (this.tokenStart = this.at);
    const close = text.indexOf('"', start + 1);
    const simple = close < 0 ? '' : text.slice(start + 1, close);

    if (close >= 0 && /^[\x20-\x5b\x5d-\x7f]*$/.test(simple)) {
      this.at = close + 1;
      this.value = simple;
      return;
    }
    this.value = this.escapedString(start + 1);
    forbidNullBytes(this.value);
  }

  private escapedString(start: number): string {
    const { text } = this;
    let out = '';
    let pending = start;
    let at = start;
    for (;;) {
      const c = text.charCodeAt(at);
      if (c === 0x22) break;
      if (Number.isNaN(c)) this.stringError('missing closing quote', pending, at + 1);
      if (c === 0x5c) {
        this.checkUtf8(pending, at);
        out += text.slice(pending, at);
        at = this.escape(at);
        out += this.unescaped;
        pending = at;
      } else if (c < 0x20) {
        const name = `U+${c.toString(16).toUpperCase().padStart(4, '0')}`;
        const also = CONTROL_ESCAPES[c];
        this.stringError(
          `control character ${name} (${CONTROL_NAMES[c]!}) must be escaped to \\u${name.slice(2)}${also === undefined ? '' : ` or ${also}`}`,
          pending,
          at + 1,
        );
      } else at++;
    }
    this.checkUtf8(pending, at);
    this.at = at + 1;
    return out + text.slice(pending, at);
  }

  /** What the last escape stands for. */
  private unescaped = '';

  /** Reads the escape at the backslash `at`; returns the offset behind it. */
  private escape(at: number): number {
    const { text } = this;
    switch (text[at + 1]) {
      case '"':
      case '\\':
      case '/':
        this.unescaped = text[at + 1]!;
        break;
      case 'b':
        this.unescaped = '\b';
        break;
      case 'f':
        this.unescaped = '\f';
        break;
      case 'n':
        this.unescaped = '\n';
        break;
      case 'r':
        this.unescaped = '\r';
        break;
      case 't':
        this.unescaped = '\t';
        break;
      case 'u':
        return this.unicodeEscape(at + 2);
      default:
        this.lexicalError('invalid string: forbidden character after backslash', at + 2);
    }
    return at + 2;
  }

  private unicodeEscape(at: number): number {
    const unit = this.hexDigits(at);
    if (unit >= 0xdc00 && unit <= 0xdfff) {
      this.lexicalError('invalid string: surrogate U+DC00..U+DFFF must follow U+D800..U+DBFF', at + 4);
    }
    if (unit < 0xd800 || unit > 0xdbff) {
      this.unescaped = utf8(String.fromCharCode(unit));
      return at + 4;
    }
    const unpaired = 'invalid string: surrogate U+D800..U+DBFF must be followed by U+DC00..U+DFFF';
    if (this.text[at + 4] !== '\\') this.lexicalError(unpaired, at + 5);
    if (this.text[at + 5] !== 'u') this.lexicalError(unpaired, at + 6);
    const low = this.hexDigits(at + 6);
    if (low < 0xdc00 || low > 0xdfff) this.lexicalError(unpaired, at + 10);
    this.unescaped = utf8(String.fromCharCode(unit, low));
    return at + 10;
  }

  private hexDigits(at: number): number {
    for (let i = at; i < at + 4; i++) {
      if (!/^[0-9a-fA-F]$/.test(this.text[i] ?? '')) {
        this.lexicalError("invalid string: '\\u' must be followed by 4 hex digits", i + 1);
      }
    }
    return Number.parseInt(this.text.slice(at, at + 4), 16);
  }

  private checkUtf8(from: number, to: number): void {
    const invalid = findInvalidUtf8(this.text.slice(from, to));
    if (invalid >= 0) this.lexicalError('invalid string: ill-formed UTF-8 byte', from + invalid + 1);
  }

  /** An error in a string, unless a byte before it is worse. */
  private stringError(message: string, from: number, end: number): never {
    this.checkUtf8(from, end - 1);
    this.lexicalError(`invalid string: ${message}`, end);
  }

  /** `end`: offset behind the last byte read, the end of input counting as one. */
  private lexicalError(message: string, end: number): never {
    const read = this.text
      .slice(this.tokenStart, end)
      .replace(/[\x00-\x1f]/g, (c) => `<U+${c.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}>`);
    this.syntaxError(`${message}; last read: '${read}'`, this.context, this.expected, end);
  }

  private unexpected(token: Token, context: string, expected: string): never {
    // Nix quirk: a line break behind a number has been read, and given back without what it did to the column.
    const atBreak = token === 'number' && this.text.charCodeAt(this.at) === 10;
    const end = this.at + (token === 'end' ? 1 : 0);
    this.syntaxError(`unexpected ${TOKEN_NAMES[token]}`, context, expected, end, atBreak);
  }

  private syntaxError(what: string, context: string, expected: string, end: number, atBreak = false): never {
    const tail = expected === '' ? '' : `; expected ${expected}`;
    this.fail(`syntax error while parsing ${context} - ${what}${tail}`, end, atBreak);
  }

  private fail(message: string, end: number, atBreak = false): never {
    let line = 1;
    let column = 0;
    for (let i = 0; i < end; i++) {
      if (this.text.charCodeAt(i) === 10) {
        line++;
        column = 0;
      } else column++;
    }
    if (atBreak) column = 0;
    throw new JsonSyntaxError(
      `[json.exception.parse_error.101] parse error at line ${line}, column ${column}: ${message}`,
    );
  }
}

const isDigit = (c: number): boolean => c >= 48 && c <= 57;

/** How far a broken byte order mark is read. */
function bomEnd(text: string): number {
  return text.charCodeAt(1) === 0xbb ? 3 : 2;
}
