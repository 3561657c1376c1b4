// Bracket expressions: `[a-z_]`, `[^]x]`, `[[:alpha:][=e=][.hyphen.]]`.
import { RegexSyntaxError, singleton, type ByteSet } from './syntax.ts';

type ByteTest = (c: number) => boolean;

const between =
  (low: number, high: number): ByteTest =>
  (c) =>
    c >= low && c <= high;
const isDigit = between(48, 57);
const isUpper = between(65, 90);
const isLower = between(97, 122);
const isAlpha: ByteTest = (c) => isUpper(c) || isLower(c);
const isAlnum: ByteTest = (c) => isAlpha(c) || isDigit(c);
const isGraph = between(33, 126);
const isSpace: ByteTest = (c) => c === 32 || (c >= 9 && c <= 13);

const CLASSES: ReadonlyMap<string, ByteTest> = new Map<string, ByteTest>([
  ['d', isDigit],
  ['w', (c) => isAlnum(c) || c === 95],
  ['s', isSpace],
  ['alnum', isAlnum],
  ['alpha', isAlpha],
  ['blank', (c) => c === 32 || c === 9],
  ['cntrl', (c) => c < 32 || c === 127],
  ['digit', isDigit],
  ['graph', isGraph],
  ['lower', isLower],
  ['print', between(32, 126)],
  ['punct', (c) => isGraph(c) && !isAlnum(c)],
  ['space', isSpace],
  ['upper', isUpper],
  ['xdigit', (c) => isDigit(c) || (c >= 65 && c <= 70) || (c >= 97 && c <= 102)],
]);

/** POSIX names of the ASCII characters, in order; letters name themselves. */
const COLLATING_NAMES = (
  'NUL SOH STX ETX EOT ENQ ACK alert backspace tab newline vertical-tab form-feed carriage-return SO SI DLE DC1 DC2 ' +
  'DC3 DC4 NAK SYN ETB CAN EM SUB ESC IS4 IS3 IS2 IS1 space exclamation-mark quotation-mark number-sign dollar-sign ' +
  'percent-sign ampersand apostrophe left-parenthesis right-parenthesis asterisk plus-sign comma hyphen period slash ' +
  'zero one two three four five six seven eight nine colon semicolon less-than-sign equals-sign greater-than-sign ' +
  'question-mark commercial-at A B C D E F G H I J K L M N O P Q R S T U V W X Y Z left-square-bracket backslash ' +
  'right-square-bracket circumflex underscore grave-accent a b c d e f g h i j k l m n o p q r s t u v w x y z ' +
  'left-curly-bracket vertical-line right-curly-bracket tilde DEL'
).split(' ');

/** Whether the last thing read can begin a range. */
type Last = { readonly kind: 'char'; readonly code: number } | { readonly kind: 'class' } | null;

type Token = 'char' | 'dash' | 'end' | 'collating' | 'equivalence' | 'class';

/** Reads from behind the `[`. */
export class BracketParser {
  /** Offset behind what was read. */
  at: number;
  private readonly pattern: string;
  private readonly set: ByteSet = new Uint8Array(256);
  private readonly negated: boolean;
  private token: Token = 'end';
  private atStart = true;
  /** Byte of a `char` token, name of the others. */
  private code = 0;
  private name = '';

  constructor(pattern: string, at: number) {
    this.pattern = pattern;
    this.negated = pattern[at] === '^';
    this.at = this.negated ? at + 1 : at;
  }

  /** @throws RegexSyntaxError */
  parse(): ByteSet {
    this.advance();
    let last: Last = null;
    if (this.token === 'char') {
      last = { kind: 'char', code: this.code };
      this.advance();
    } else if (this.token === 'dash') {
      last = { kind: 'char', code: 45 };
      this.advance();
    }
    while (this.token !== 'end') {
      const next = this.term(last);
      if (next === 'done') {
        last = null;
        break;
      }
      last = next;
    }
    this.flush(last);
    if (this.negated) for (let i = 0; i < 256; i++) this.set[i] = 1 - this.set[i]!;
    const first = this.set.indexOf(1);
    return first >= 0 && this.set.indexOf(1, first + 1) < 0 ? singleton(first) : this.set;
  }

  private term(last: Last): Last | 'done' {
    switch (this.token) {
      case 'char': {
        this.flush(last);
        const code = this.code;
        this.advance();
        return { kind: 'char', code };
      }
      case 'collating': {
        this.flush(last);
        const code = this.collatingElement();
        this.advance();
        return { kind: 'char', code };
      }
      case 'equivalence': {
        this.flush(last);
        const code = toLower(this.collatingElement());
        for (let i = 0; i < 256; i++) if (toLower(i) === code) this.set[i] = 1;
        this.advance();
        return { kind: 'class' };
      }
      case 'class': {
        this.flush(last);
        const test = CLASSES.get(this.name.toLowerCase());
        if (test === undefined) throw new RegexSyntaxError('class');
        for (let i = 0; i < 256; i++) if (test(i)) this.set[i] = 1;
        this.advance();
        return { kind: 'class' };
      }
      case 'dash':
        return this.dash(last);
      case 'end':
        return 'done';
    }
  }

  private dash(last: Last): Last | 'done' {
    this.advance();
    if (this.token === 'end') {
      this.flush(last);
      this.set[45] = 1;
      return 'done';
    }
    if (last?.kind !== 'char') throw new RegexSyntaxError('range');
    if (this.token === 'char') this.range(last.code, this.code);
    else if (this.token === 'dash') this.range(last.code, 45);
    else throw new RegexSyntaxError('range');
    this.advance();
    return null;
  }

  /** Bytes are signed chars to libstdc++: 0x80 … 0xff come before 0. */
  private range(low: number, high: number): void {
    const first = signed(low);
    const end = signed(high);
    if (first > end) throw new RegexSyntaxError('range');
    for (let c = first; c <= end; c++) this.set[c & 255] = 1;
  }

  private flush(last: Last): void {
    if (last?.kind === 'char') this.set[last.code] = 1;
  }

  private collatingElement(): number {
    const code = COLLATING_NAMES.indexOf(this.name);
    if (code < 0) throw new RegexSyntaxError('collating element');
    return code;
  }

  private advance(): void {
    const { pattern } = this;
    if (this.at >= pattern.length) throw new RegexSyntaxError('bracket');
    const c = pattern[this.at++]!;
    const atStart = this.atStart;
    this.atStart = false;
    if (c === '-') this.token = 'dash';
    else if (c === '[') {
      if (this.at >= pattern.length) throw new RegexSyntaxError('bracket');
      const opener = pattern[this.at]!;
      if (opener === '.') this.named('collating', opener);
      else if (opener === ':') this.named('class', opener);
      else if (opener === '=') this.named('equivalence', opener);
      else this.char(c);
    } else if (c === ']' && !atStart) this.token = 'end';
    else this.char(c);
  }

  private char(c: string): void {
    this.token = 'char';
    this.code = c.charCodeAt(0);
  }

  private named(token: Token, delimiter: string): void {
    const start = this.at + 1;
    const end = this.pattern.indexOf(delimiter, start);
    if (end < 0 || this.pattern[end + 1] !== ']') throw new RegexSyntaxError('name');
    this.name = this.pattern.slice(start, end);
    this.at = end + 2;
    this.token = token;
  }
}

const signed = (c: number): number => (c << 24) >> 24;
const toLower = (c: number): number => (isUpper(c) ? c + 32 : c);
