// JSON as the original's programs print it: jq 1.6 (indented by two, numbers as doubles) and jshon (indented by one,
// slashes escaped, integers kept). Image ids are hashes of these texts, so every byte counts. Objects keep the order
// in which their keys came; a repeated key keeps its first place and its last value. Texts are byte strings (UTF-8).
import { fromUtf8, utf8 } from '../util/bytes.ts';
import { StoreError } from '../util/errors.ts';

/** A number as it was written: only the printers know what becomes of it. */
export interface JsonNumber {
  readonly number: string;
}
export type JsonObject = Map<string, JsonValue>;
/** Strings are text here, not byte strings: escapes may name any character. */
export type JsonValue = null | boolean | string | JsonNumber | JsonValue[] | JsonObject;

/** Deeper nesting is refused, as jq does. */
const MAX_DEPTH = 256;
const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?/y;
const STRING = /"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;

class Reader {
  readonly #text: string;
  readonly #what: string;
  #at = 0;

  constructor(text: string, what: string) {
    this.#text = text;
    this.#what = what;
  }

  #fail(): never {
    throw new StoreError(`${this.#what} is not valid JSON (at character ${this.#at + 1})`);
  }

  #space(): void {
    for (;;) {
      const char = this.#text[this.#at];
      if (char !== ' ' && char !== '\n' && char !== '\t' && char !== '\r') return;
      this.#at++;
    }
  }

  #match(pattern: RegExp): string {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text);
    if (found === null) this.#fail();
    this.#at = pattern.lastIndex;
    return found[0];
  }

  #accept(text: string): boolean {
    this.#space();
    if (!this.#text.startsWith(text, this.#at)) return false;
    this.#at += text.length;
    return true;
  }

  #string(): string {
    return JSON.parse(this.#match(STRING)) as string;
  }

  #object(depth: number): JsonObject {
    const object: JsonObject = new Map();
    if (this.#accept('}')) return object;
    do {
      this.#space();
      const key = this.#string();
      if (!this.#accept(':')) this.#fail();
      object.set(key, this.value(depth + 1));
    } while (this.#accept(','));
    if (!this.#accept('}')) this.#fail();
    return object;
  }

  #array(depth: number): JsonValue[] {
    const array: JsonValue[] = [];
    if (this.#accept(']')) return array;
    do array.push(this.value(depth + 1));
    while (this.#accept(','));
    if (!this.#accept(']')) this.#fail();
    return array;
  }

  value(depth: number): JsonValue {
    if (depth > MAX_DEPTH) throw new StoreError(`${this.#what} is nested too deeply`);
    if (this.#accept('{')) return this.#object(depth);
    if (this.#accept('[')) return this.#array(depth);
    if (this.#accept('null')) return null;
    if (this.#accept('true')) return true;
    if (this.#accept('false')) return false;
    if (this.#text[this.#at] === '"') return this.#string();
    return { number: this.#match(NUMBER) };
  }

  end(): void {
    this.#space();
    if (this.#at !== this.#text.length) this.#fail();
  }
}

/**
 * Reads a JSON text (a byte string).
 * @param what what it is, for the message
 * @throws StoreError
 */
export function parseJsonText(bytes: string, what: string): JsonValue {
  const reader = new Reader(fromUtf8(bytes), what);
  const value = reader.value(0);
  reader.end();
  return value;
}

/** @throws StoreError where the text is not an object */
export function parseJsonObject(bytes: string, what: string): JsonObject {
  const value = parseJsonText(bytes, what);
  if (!(value instanceof Map)) throw new StoreError(`${what} is not a JSON object`);
  return value;
}

export function jsonInteger(value: number): JsonNumber {
  return { number: String(value) };
}

/** Digits and decimal exponent (value = 0.DIGITS * 10^exponent) of the shortest text that reads back the same. */
function shortestDigits(value: number): { digits: string; exponent: number } {
  const [mantissa, exponent] = value.toExponential().split('e') as [string, string];
  return { digits: mantissa.replace('.', ''), exponent: Number(exponent) + 1 };
}

/** How jq 1.6 prints a number: seventeen significant digits at most, no `1e+17` below a width of its own. */
function jqNumber(text: string): string {
  let value = Number(text);
  if (!Number.isFinite(value)) value = value > 0 ? Number.MAX_VALUE : -Number.MAX_VALUE;
  if (value === 0) return Object.is(value, -0) ? '-0' : '0';
  const sign = value < 0 ? '-' : '';
  const { digits, exponent } = shortestDigits(Math.abs(value));
  if (exponent <= -4 || exponent > digits.length + 15) {
    const fraction = digits.length > 1 ? `.${digits.slice(1)}` : '';
    const power = exponent - 1;
    return `${sign}${digits[0]!}${fraction}e${power < 0 ? '-' : '+'}${String(Math.abs(power)).padStart(2, '0')}`;
  }
  if (exponent <= 0) return `${sign}0.${'0'.repeat(-exponent)}${digits}`;
  if (digits.length <= exponent) return sign + digits.padEnd(exponent, '0');
  return `${sign}${digits.slice(0, exponent)}.${digits.slice(exponent)}`;
}

/** Seventeen significant digits, a tie going to the even digit as in C (JS goes up); value = D.DDDD * 10^exponent. */
function seventeenDigits(value: number): { digits: string; exponent: number } {
  const [exact] = value.toExponential(100).split('e') as [string];
  const all = exact.replace('.', '');
  const tieToEven = /^50*$/.test(all.slice(17)) && Number(all[16]) % 2 === 0;
  const [mantissa, exponent] = value.toExponential(16).split('e') as [string, string];
  return { digits: tieToEven ? all.slice(0, 17) : mantissa.replace('.', ''), exponent: Number(exponent) };
}

/** How jshon prints a number: integers as they are, others with seventeen digits and always a point or exponent. */
function jshonNumber(text: string): string {
  if (/^-?[0-9]+$/.test(text)) {
    const value = BigInt(text);
    if (BigInt.asIntN(64, value) !== value) throw new StoreError(`integer ${text} in JSON is too big`);
    return value.toString();
  }
  const value = Number(text);
  if (!Number.isFinite(value)) throw new StoreError(`number ${text} in JSON is too big`);
  if (value === 0) return Object.is(value, -0) ? '-0.0' : '0.0';
  // C's %.17g: exponential below 1e-4 and from 1e17 on.
  const sign = value < 0 ? '-' : '';
  const { digits, exponent } = seventeenDigits(Math.abs(value));
  const trimmed = digits.replace(/0+$/, '');
  if (exponent < -4 || exponent >= 17) {
    return `${sign}${trimmed[0]!}${trimmed.length > 1 ? `.${trimmed.slice(1)}` : ''}e${exponent}`;
  }
  if (exponent < 0) return `${sign}0.${'0'.repeat(-1 - exponent)}${trimmed}`;
  const fraction = trimmed.slice(exponent + 1);
  return `${sign}${digits.slice(0, exponent + 1)}.${fraction === '' ? '0' : fraction}`;
}

const SHORT_ESCAPES: Readonly<Record<string, string>> = {
  '"': '\\"',
  '\\': '\\\\',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
};

function unicodeEscape(char: string): string {
  return `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

function jqString(text: string): string {
  return utf8(`"${text.replace(/["\\\x00-\x1f\x7f]/g, (char) => SHORT_ESCAPES[char] ?? unicodeEscape(char))}"`);
}

function jshonString(text: string): string {
  const escape = (char: string) => (char === '/' ? '\\/' : (SHORT_ESCAPES[char] ?? unicodeEscape(char).toUpperCase()));
  return utf8(`"${text.replace(/["\\/\x00-\x1f]/g, (char) => escape(char).replace('\\U', '\\u'))}"`);
}

interface Style {
  readonly indent: string;
  string(text: string): string;
  number(text: string): string;
}

const JQ: Style = { indent: '  ', string: jqString, number: jqNumber };
const JSHON: Style = { indent: ' ', string: jshonString, number: jshonNumber };

function print(value: JsonValue, style: Style, margin: string): string {
  if (value === null) return 'null';
  if (typeof value === 'boolean') return String(value);
  if (typeof value === 'string') return style.string(value);
  const inner = margin + style.indent;
  if (Array.isArray(value)) {
    if (value.length === 0) return '[]';
    return `[\n${value.map((item) => inner + print(item, style, inner)).join(',\n')}\n${margin}]`;
  }
  if (value instanceof Map) {
    if (value.size === 0) return '{}';
    const entries = [...value].map(([key, item]) => `${inner}${style.string(key)}: ${print(item, style, inner)}`);
    return `{\n${entries.join(',\n')}\n${margin}}`;
  }
  return style.number(value.number);
}

/** As `jq .` prints it, newline included. */
export function printLikeJq(value: JsonValue): string {
  return `${print(value, JQ, '')}\n`;
}

/** As `jshon` prints it, newline included. @throws StoreError for numbers that it refuses */
export function printLikeJshon(value: JsonValue): string {
  return `${print(value, JSHON, '')}\n`;
}
