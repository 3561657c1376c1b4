// JSON in derivations (`__json`, structured attributes) is always the compact text with sorted keys that nlohmann's
// dump() gives: it is part of the hash. Works on byte strings: values that are not UTF-8 pass through untouched.
import { StoreError } from '../util/errors.ts';

/** Deeper nesting than this is refused: reading is recursive. */
const MAX_DEPTH = 2000;

const NEEDS_ESCAPE = /["\\\x00-\x1f]/;

const ESCAPE = /["\\\x00-\x1f]/g;
const SHORT: Readonly<Record<string, string>> = {
  '"': '\\"',
  '\\': '\\\\',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
};

/** A JSON string literal of a byte string; everything but `"`, `\` and control characters stays raw. */
export function jsonString(bytes: string): string {
  if (!NEEDS_ESCAPE.test(bytes)) return `"${bytes}"`;
  return `"${bytes.replace(ESCAPE, (c) => SHORT[c] ?? `\\u00${c.charCodeAt(0).toString(16).padStart(2, '0')}`)}"`;
}

/** A double as nlohmann prints it: shortest digits that read back, always with a point or an exponent. */
export function jsonFloat(value: number): string {
  if (!Number.isFinite(value)) return 'null';
  if (value === 0) return Object.is(value, -0) ? '-0.0' : '0.0';
  const [mantissa, exponentText] = Math.abs(value).toExponential().split('e') as [string, string];
  const digits = mantissa.replace('.', '');
  // Where the decimal point stands, counted from the first digit.
  const point = Number(exponentText) + 1;
  const sign = value < 0 ? '-' : '';
  if (digits.length <= point && point <= 15) return `${sign}${digits}${'0'.repeat(point - digits.length)}.0`;
  if (point > 0 && point <= 15) return `${sign}${digits.slice(0, point)}.${digits.slice(point)}`;
  if (point > -4 && point <= 0) return `${sign}0.${'0'.repeat(-point)}${digits}`;
  const exponent = point - 1;
  const shown = `${exponent < 0 ? '-' : '+'}${String(Math.abs(exponent)).padStart(2, '0')}`;
  return `${sign}${digits[0]!}${digits.length > 1 ? `.${digits.slice(1)}` : ''}e${shown}`;
}

/** Reads any JSON text and prints it canonically. @throws StoreError where it is not JSON */
export function canonicalJson(text: string): string {
  let offset = 0;

  function fail(what: string): never {
    throw new StoreError(`cannot process __json attribute: ${what} at byte ${offset + 1}`);
  }
  function skipSpace(): void {
    for (;;) {
      const c = text.charCodeAt(offset);
      if (c !== 0x20 && c !== 0x0a && c !== 0x0d && c !== 0x09) return;
      offset++;
    }
  }
  function readString(): string {
    offset++;
    let out = '';
    let start = offset;
    for (;;) {
      const c = text.charCodeAt(offset);
      if (Number.isNaN(c) || c < 0x20) fail('invalid string');
      if (c === 0x22) {
        out += text.slice(start, offset++);
        return out;
      }
      if (c !== 0x5c) {
        offset++;
        continue;
      }
      out += text.slice(start, offset);
      out += readEscape();
      start = offset;
    }
  }
  function readEscape(): string {
    const c = text[offset + 1];
    offset += 2;
    switch (c) {
      case '"':
      case '\\':
      case '/':
        return c;
      case 'b':
        return '\b';
      case 'f':
        return '\f';
      case 'n':
        return '\n';
      case 'r':
        return '\r';
      case 't':
        return '\t';
      case 'u': {
        let unit = readUnit();
        if (unit >= 0xdc00 && unit <= 0xdfff) fail('lone surrogate');
        if (unit >= 0xd800 && unit <= 0xdbff) {
          if (text.slice(offset, offset + 2) !== '\\u') fail('lone surrogate');
          offset += 2;
          const low = readUnit();
          if (low < 0xdc00 || low > 0xdfff) fail('lone surrogate');
          unit = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
        }
        return Buffer.from(String.fromCodePoint(unit), 'utf8').toString('latin1');
      }
      default:
        return fail('invalid escape');
    }
  }
  function readUnit(): number {
    const hex = text.slice(offset, offset + 4);
    if (!/^[0-9a-fA-F]{4}$/.test(hex)) fail('invalid escape');
    offset += 4;
    return Number.parseInt(hex, 16);
  }
  function readNumber(): string {
    const match = /-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?/y;
    match.lastIndex = offset;
    const found = match.exec(text);
    if (found === null) fail('unexpected character');
    offset += found[0].length;
    if (found[1] === undefined && found[2] === undefined) {
      const integer = BigInt(found[0]);
      if (integer >= -(2n ** 63n) && integer < 2n ** 64n) return integer.toString();
    }
    const value = Number(found[0]);
    if (!Number.isFinite(value)) fail('number out of range');
    return jsonFloat(value);
  }
  function readValue(depth: number): string {
    if (depth > MAX_DEPTH) fail('nested too deeply');
    skipSpace();
    switch (text[offset]) {
      case '"':
        return jsonString(readString());
      case '{':
        return readObject(depth);
      case '[': {
        offset++;
        const items: string[] = [];
        skipSpace();
        if (text[offset] === ']') {
          offset++;
          return '[]';
        }
        for (;;) {
          items.push(readValue(depth + 1));
          skipSpace();
          const c = text[offset++];
          if (c === ']') return `[${items.join(',')}]`;
          if (c !== ',') fail("expected ',' or ']'");
        }
      }
      case 't':
        return readWord('true');
      case 'f':
        return readWord('false');
      case 'n':
        return readWord('null');
      default:
        return readNumber();
    }
  }
  function readWord(word: string): string {
    if (!text.startsWith(word, offset)) fail('unexpected character');
    offset += word.length;
    return word;
  }
  function readObject(depth: number): string {
    offset++;
    const entries = new Map<string, string>();
    skipSpace();
    if (text[offset] === '}') {
      offset++;
      return '{}';
    }
    for (;;) {
      skipSpace();
      if (text[offset] !== '"') fail('expected a key');
      const key = readString();
      skipSpace();
      if (text[offset++] !== ':') fail("expected ':'");
      entries.set(key, readValue(depth + 1));
      skipSpace();
      const c = text[offset++];
      if (c === '}') return jsonObject(entries);
      if (c !== ',') fail("expected ',' or '}'");
    }
  }

  const out = readValue(0);
  skipSpace();
  if (offset < text.length) fail('unexpected character');
  return out;
}

/** A compact object of JSON texts, keys sorted bytewise. */
export function jsonObject(entries: ReadonlyMap<string, string>): string {
  const keys = [...entries.keys()].sort();
  return `{${keys.map((key) => `${jsonString(key)}:${entries.get(key)!}`).join(',')}}`;
}
