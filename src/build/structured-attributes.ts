// Structured attributes (`__structuredAttrs`): the JSON of a derivation's attributes, and the two files that a builder
// finds it in. Values are byte strings; numbers keep their text, which is what .attrs.json repeats.
// Follows Nix's libstore/parsed-derivations.cc.
import { canonicalJson, jsonObject, jsonString } from '../store/json.ts';
import { StoreError } from '../util/errors.ts';

/** Keys in bytewise order. */
export type JsonObject = ReadonlyMap<string, Json>;
export type Json = string | boolean | null | { readonly number: string } | readonly Json[] | JsonObject;

export function isJsonObject(value: Json): value is JsonObject {
  return value instanceof Map;
}

export function isJsonArray(value: Json): value is readonly Json[] {
  return Array.isArray(value);
}

/** @throws StoreError where `text`, the variable `__json`, is not a JSON object */
export function parseStructuredAttributes(text: string): JsonObject {
  // Canonical text is raw bytes with sorted keys, so JSON.parse works on it as it is.
  const value = JSON.parse(canonicalJson(text), (_key, parsed: unknown, context?: { source?: string }) =>
    typeof parsed === 'number' ? new NumberText(context?.source ?? String(parsed)) : parsed,
  ) as unknown;
  const json = convert(value);
  if (!isJsonObject(json)) throw new StoreError('cannot process __json attribute: it is not an object');
  return json;
}

class NumberText {
  readonly number: string;
  constructor(number: string) {
    this.number = number;
  }
}

function convert(value: unknown): Json {
  if (Array.isArray(value)) return value.map(convert);
  if (value instanceof NumberText) return { number: value.number };
  if (typeof value === 'object' && value !== null) {
    const keys = Object.keys(value).sort();
    return new Map(keys.map((key) => [key, convert((value as Record<string, unknown>)[key])]));
  }
  return value as string | boolean | null;
}

/** Compact, keys sorted. */
export function printJson(value: Json): string {
  if (typeof value === 'string') return jsonString(value);
  if (value === null) return 'null';
  if (typeof value === 'boolean') return String(value);
  if (isJsonArray(value)) return `[${value.map(printJson).join(',')}]`;
  if (isJsonObject(value)) return jsonObject(new Map([...value].map(([key, item]) => [key, printJson(item)])));
  return value.number;
}

/** `.attrs.sh`: a bash `declare` for every attribute that bash can hold. */
export function shellAttributes(json: JsonObject): string {
  let text = '';
  for (const key of [...json.keys()].sort()) {
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(key)) continue;
    const value = json.get(key)!;
    const simple = shellValue(value);
    if (simple !== undefined) text += `declare ${key}=${simple}\n`;
    else if (isJsonArray(value)) {
      const items = value.map(shellValue);
      if (!items.includes(undefined)) text += `declare -a ${key}=(${items.map((item) => `${item!} `).join('')})\n`;
    } else if (isJsonObject(value)) {
      const items = [...value.keys()].sort().map((name) => [name, shellValue(value.get(name)!)] as const);
      if (items.every(([, item]) => item !== undefined)) {
        text += `declare -A ${key}=(${items.map(([name, item]) => `[${quote(name)}]=${item!} `).join('')})\n`;
      }
    }
  }
  return text;
}

function shellValue(value: Json): string | undefined {
  if (typeof value === 'string') return quote(value);
  if (value === null) return "''";
  if (typeof value === 'boolean') return value ? '1' : '';
  if (isJsonArray(value) || isJsonObject(value)) return undefined;
  return shellNumber(value.number);
}

// Nix quirk: a number counts as an integer if it is one as a 32-bit float, and is printed as a C int.
function shellNumber(text: string): string | undefined {
  const value = Number(text);
  const float = Math.fround(value);
  if (Math.ceil(float) !== float) return undefined;
  if (/^-?[0-9]+$/.test(text)) return BigInt.asIntN(32, BigInt(text)).toString();
  const truncated = Math.trunc(value);
  // Out of range, the conversion of x86 gives the smallest int.
  return truncated >= -2147483648 && truncated <= 2147483647 ? String(truncated) : '-2147483648';
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
