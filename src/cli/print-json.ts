// JSON as `nix` prints it: keys sorted, compact; indented by two with --pretty, and on terminals.
import { jsonObject, jsonString } from '../store/json.ts';
import type { Flag, ParsedFlags } from './flags.ts';
import { flag } from './flags.ts';
import { isTerminal, print } from './output.ts';

/** Text that is JSON already. */
export class JsonText {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

/** Strings are byte strings. */
export type JsonValue =
  | string
  | number
  | boolean
  | null
  | JsonText
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue }
  | ReadonlyMap<string, JsonValue>;

/** Compact, keys in bytewise order. */
export function compactJson(value: JsonValue): string {
  if (typeof value === 'string') return jsonString(value);
  if (value === null || typeof value === 'number' || typeof value === 'boolean') return String(value);
  if (value instanceof JsonText) return value.text;
  if (Array.isArray(value)) return `[${(value as readonly JsonValue[]).map(compactJson).join(',')}]`;
  const entries = value instanceof Map ? [...(value as ReadonlyMap<string, JsonValue>)] : Object.entries(value);
  return jsonObject(new Map(entries.map(([key, item]) => [key, compactJson(item as JsonValue)])));
}

/** Compact JSON → lines indented by two spaces. */
export function indentJson(compact: string): string {
  let out = '';
  let depth = 0;
  const newLine = (): void => {
    out += `\n${'  '.repeat(depth)}`;
  };
  for (const [token] of compact.matchAll(/"(?:[^"\\]|\\.)*"|\{\}|\[\]|[{}[\],:]|[^{}[\],:"]+/gs)) {
    if (token === '{' || token === '[') {
      depth++;
      out += token;
      newLine();
    } else if (token === '}' || token === ']') {
      depth--;
      newLine();
      out += token;
    } else if (token === ',') {
      out += token;
      newLine();
    } else if (token === ':') out += ': ';
    else out += token;
  }
  return out;
}

export const JSON_FLAGS: readonly Flag[] = [
  flag('json', 'print JSON'),
  flag('pretty', 'print JSON on indented lines (the default on terminals)', { negatable: true }),
];

export function wantsIndentedJson(flags: ParsedFlags): boolean {
  return flags.has('pretty') || (!flags.isOff('pretty') && isTerminal(1));
}

export function printJson(value: JsonValue, flags: ParsedFlags): void {
  const compact = compactJson(value);
  print(`${wantsIndentedJson(flags) ? indentJson(compact) : compact}\n`);
}
