// Texts of literals → their values.

const MAX_INT = 9223372036854775807n;

/** `[0-9]+` → a number where it is safe, else a bigint; null beyond 2^63-1. */
export function parseIntLiteral(digits: string): number | bigint | null {
  if (digits.length < 16) return Number(digits);
  const value = BigInt(digits);
  if (value > MAX_INT) return null;
  return value <= 9007199254740991n ? Number(value) : value;
}

/** Nix's FLOAT → its value; null where strtod has a range error. */
export function parseFloatLiteral(text: string): number | null {
  const value = Number(text);
  if (value === Infinity) return null;
  // Results below the normal range are range errors, too; only a true zero is not.
  if (value < 2.2250738585072014e-308 && /[1-9]/.test(/^[^eE]*/.exec(text)![0])) return null;
  return value;
}

/** The text of a piece of `"…"`: escapes resolved, CR and CRLF made LF. Null if it has a zero byte. */
export function unescapeString(raw: string): string | null {
  if (!/[\\\r\0]/.test(raw)) return raw;
  let out = '';
  let from = 0;
  for (let i = 0; i < raw.length; i++) {
    const c = raw.charCodeAt(i);
    if (c === 92) {
      out += raw.slice(from, i);
      const d = raw[++i] ?? '';
      out += d === 'n' ? '\n' : d === 'r' ? '\r' : d === 't' ? '\t' : d;
      from = i + 1;
    } else if (c === 13) {
      out += `${raw.slice(from, i)}\n`;
      if (raw.charCodeAt(i + 1) === 10) i++;
      from = i + 1;
    } else if (c === 0) return null;
  }
  return out + raw.slice(from);
}
