// Bare TOML values: numbers, Booleans, dates and times.
import { NixFloat, makeInt, type NixInt } from '../../eval/value.ts';
import { inInt64 } from '../../eval/int64.ts';
import { tomlError } from './error.ts';

/** A date or time as Nix prints it: `T` between, seconds, fractions in steps of three digits, at most nine. */
export class TomlTimestamp {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

export type TomlScalar = boolean | NixInt | NixFloat | TomlTimestamp;

const DECIMAL = /^[+-]?(?:0|[1-9](?:_?[0-9])*)$/;
const RADIX: readonly (readonly [prefix: string, name: string, digits: RegExp])[] = [
  ['0x', 'hex', /^[0-9A-Fa-f](?:_?[0-9A-Fa-f])*$/],
  ['0o', 'oct', /^[0-7](?:_?[0-7])*$/],
  ['0b', 'bin', /^[01](?:_?[01])*$/],
];
const FLOAT = /^[+-]?(?:0|[1-9](?:_?[0-9])*)(?:\.[0-9](?:_?[0-9])*)?(?:[eE][+-]?[0-9](?:_?[0-9])*)?$/;
const DATE = '([0-9]{4})-([0-9]{2})-([0-9]{2})';
const TIME = '([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\\.([0-9]+))?';
const LOCAL_DATE = new RegExp(`^${DATE}$`);
const LOCAL_TIME = new RegExp(`^${TIME}$`);
const DATE_TIME = new RegExp(`^${DATE}[Tt ]${TIME}(?:([Zz])|([+-])([0-9]{2}):([0-9]{2}))?$`);
/** Everything a bare value can be made of. */
const TOKEN = /[0-9A-Za-z+\-_.:]*/y;

/** Reads a bare value at `at`; `end` is behind it. @throws TomlError */
export function readScalar(text: string, at: number): { readonly value: TomlScalar; readonly end: number } {
  TOKEN.lastIndex = at;
  let token = TOKEN.exec(text)![0];
  // A space may stand between date and time.
  if (LOCAL_DATE.test(token) && /^ [0-9]{2}:/.test(text.slice(at + token.length, at + token.length + 4))) {
    TOKEN.lastIndex = at + token.length + 1;
    token += ` ${TOKEN.exec(text)![0]}`;
  }
  const end = at + token.length;
  const value = scalar(text, at, token);
  if (value !== undefined) return { value, end };
  throw tomlError(text, at, 1, 'toml::parse_value: unknown value appeared', 'here');
}

function scalar(text: string, at: number, token: string): TomlScalar | undefined {
  if (token === 'true') return true;
  if (token === 'false') return false;
  if (DECIMAL.test(token)) return integer(text, at, token, BigInt(token.replaceAll('_', '').replace('+', '')), 'dec');
  for (const [prefix, name, digits] of RADIX) {
    const rest = token.slice(2);
    if (token.startsWith(prefix) && digits.test(rest)) {
      return integer(text, at, token, BigInt(prefix + rest.replaceAll('_', '')), name);
    }
  }
  if (FLOAT.test(token)) return float(text, at, token);
  if (/^[+-]?inf$/.test(token)) return new NixFloat(token.startsWith('-') ? -Infinity : Infinity);
  if (/^[+-]?nan$/.test(token)) return new NixFloat(NaN);
  return timestamp(text, at, token);
}

function integer(text: string, at: number, token: string, value: bigint, name: string): NixInt {
  if (inInt64(value)) return makeInt(value);
  throw tomlError(
    text,
    at + token.length,
    1,
    `toml::parse_${name}_integer: too large integer: current max ${name === 'dec' ? 'digits' : 'value'} = 2^63`,
    'must be < 2^63',
  );
}

/** What is too small is 0; what is too large is no float. */
function float(text: string, at: number, token: string): NixFloat {
  const value = Number(token.replaceAll('_', ''));
  if (Number.isFinite(value)) return new NixFloat(value);
  const title = 'toml::parse_floating: failed to read floating point value from stream';
  throw tomlError(text, at + token.length, 1, title, 'here');
}

function timestamp(text: string, at: number, token: string): TomlTimestamp | undefined {
  const date = LOCAL_DATE.exec(token);
  if (date !== null) return new TomlTimestamp(dateText(text, at, date));
  const time = LOCAL_TIME.exec(token);
  if (time !== null) return new TomlTimestamp(timeText(text, at, time));
  const both = DATE_TIME.exec(token);
  if (both === null) return undefined;
  return new TomlTimestamp(
    `${dateText(text, at, both)}T${timeText(text, at + 11, both.slice(3))}${offsetText(text, at, both.slice(8))}`,
  );
}

function dateText(text: string, at: number, [, year, month, day]: readonly string[]): string {
  const m = Number(month);
  const days = m === 2 ? (isLeap(Number(year)) ? 29 : 28) : [4, 6, 9, 11].includes(m) ? 30 : 31;
  if (m < 1 || m > 12 || Number(day) < 1 || Number(day) > days) {
    throw tomlError(
      text,
      at,
      10,
      'toml::parse_local_date: invalid date.',
      'month must be 01-12, day must be any of 01-28,29,30,31 depending on the month/year.',
    );
  }
  return `${year!}-${month!}-${day!}`;
}

const isLeap = (year: number): boolean => (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0;

function timeText(
  text: string,
  at: number,
  [, hour, minute, second, fraction]: readonly (string | undefined)[],
): string {
  if (Number(hour) > 23 || Number(minute) > 59 || Number(second) > 60) {
    throw tomlError(
      text,
      at,
      8,
      'toml::parse_local_time: invalid time.',
      'hour must be 00-23, minute must be 00-59, second must be 00-60.',
    );
  }
  let digits = (fraction ?? '').slice(0, 9).padEnd(9, '0');
  while (digits.endsWith('000')) digits = digits.slice(0, -3);
  return `${hour!}:${minute!}:${second!}${digits === '' ? '' : `.${digits}`}`;
}

function offsetText(text: string, at: number, [zulu, sign, hour, minute]: readonly (string | undefined)[]): string {
  if (zulu !== undefined) return 'Z';
  if (sign === undefined) return '';
  if (Number(hour) > 24 || Number(minute) > 60) {
    throw tomlError(text, at, 1, 'toml::parse_offset_datetime: too large offset: |hour| <= 24, |minute| <= 60', 'here');
  }
  const total = Number(hour) * 60 + Number(minute);
  if (total === 0) return 'Z';
  const two = (n: number): string => n.toString().padStart(2, '0');
  return `${sign}${two(Math.floor(total / 60))}:${two(total % 60)}`;
}
