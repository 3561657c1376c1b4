// The four kinds of TOML strings.
import { utf8 } from '../../util/bytes.ts';
import { tomlError } from './error.ts';

const ESCAPES: Readonly<Record<string, string>> = {
  b: '\b',
  t: '\t',
  n: '\n',
  f: '\f',
  r: '\r',
  '"': '"',
  '\\': '\\',
};

/** Reads the string whose first quote is at `at`; `end` is behind it. @throws TomlError */
export function readTomlString(text: string, at: number): { readonly value: string; readonly end: number } {
  const quote = text[at]!;
  const isBasic = quote === '"';
  const isMultiline = text.startsWith(quote.repeat(3), at);
  const kind = `${isMultiline ? 'ml_' : ''}${isBasic ? 'basic' : 'literal'}_string`;
  const fail = (where: number, note: string): never => {
    throw tomlError(text, where, 1, `toml::parse_${kind}: invalid string format`, note);
  };
  let i = at + (isMultiline ? 3 : 1);
  if (isMultiline) {
    if (text[i] === '\n') i++;
    else if (text.startsWith('\r\n', i)) i += 2;
  }
  let out = '';
  let pending = i;
  for (;;) {
    const c = text.charCodeAt(i);
    if (Number.isNaN(c)) fail(i, `expected ${quote}`);
    if (text[i] === quote) {
      if (!isMultiline) return { value: out + text.slice(pending, i), end: i + 1 };
      let quotes = 1;
      while (quotes < 5 && text[i + quotes] === quote) quotes++;
      if (quotes >= 3) return { value: out + text.slice(pending, i + quotes - 3), end: i + quotes };
      i += quotes;
    } else if (isBasic && c === 92) {
      out += text.slice(pending, i);
      const escape = readEscape(text, i, isMultiline);
      out += escape.value;
      i = pending = escape.end;
    } else if (isMultiline && (c === 10 || text.startsWith('\r\n', i))) {
      i += c === 10 ? 1 : 2;
    } else if ((c < 32 && c !== 9) || c === 127) fail(i, 'control characters are not allowed');
    else i++;
  }
}

function readEscape(text: string, at: number, isMultiline: boolean): { readonly value: string; readonly end: number } {
  const c = text[at + 1] ?? '';
  const simple = ESCAPES[c];
  if (simple !== undefined) return { value: simple, end: at + 2 };
  if (c === 'u' || c === 'U') {
    const length = c === 'u' ? 4 : 8;
    const digits = text.slice(at + 2, at + 2 + length);
    const code = Number.parseInt(digits, 16);
    if (!/^[0-9A-Fa-f]+$/.test(digits) || digits.length < length) {
      throw tomlError(
        text,
        at + 2,
        1,
        'toml::parse_escape_sequence: invalid token found in UTF-8 codepoint escape',
        'here',
      );
    }
    if (code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) {
      throw tomlError(
        text,
        at,
        2 + length,
        'toml::parse_utf8_codepoint: input codepoint is not a valid Unicode scalar value',
        'here',
      );
    }
    return { value: utf8(String.fromCodePoint(code)), end: at + 2 + length };
  }
  // A backslash at the end of a line swallows the white space that follows.
  const blank = isMultiline ? /^[ \t]*\r?\n[ \t\r\n]*/.exec(text.slice(at + 1)) : null;
  if (blank !== null) return { value: '', end: at + 1 + blank[0].length };
  throw tomlError(text, at + 1, 1, 'toml::parse_escape_sequence: unknown escape sequence.', 'here');
}
