// Pieces of Nix source that know how tightly they bind, so that parentheses stand only where they are needed.
export interface Source {
  readonly text: string;
  readonly binds: number;
}

/** How tightly, from weakest: as in Nix's table of operators. */
export const BINDS = {
  expression: 0,
  implies: 1,
  or: 2,
  and: 3,
  equal: 4,
  less: 5,
  update: 6,
  not: 7,
  add: 8,
  multiply: 9,
  concat: 10,
  has: 11,
  negate: 12,
  apply: 13,
  simple: 14,
} as const;

export const simple = (text: string): Source => ({ text, binds: BINDS.simple });
export const expression = (text: string): Source => ({ text, binds: BINDS.expression });

/** Text of something that stands where only what binds at least so tightly may. */
export function at(binds: number, source: Source): string {
  return source.binds >= binds ? source.text : `(${source.text})`;
}

export function apply(fn: string, ...args: readonly Source[]): Source {
  return { text: [fn, ...args.map((arg) => at(BINDS.simple, arg))].join(' '), binds: BINDS.apply };
}

/** Neither side may be the same operator without parentheses, except where it is associative on that side. */
export function binary(
  left: Source,
  operator: string,
  right: Source,
  binds: number,
  associative: 'left' | 'right' | 'none',
): Source {
  const l = at(associative === 'left' ? binds : binds + 1, left);
  const r = at(associative === 'right' ? binds : binds + 1, right);
  return { text: `${l} ${operator} ${r}`, binds };
}

/** A name of an attribute as a binding or a selection needs it. */
export function quoteName(name: string): string {
  if (/^[a-zA-Z_][\w'-]*$/.test(name) && !KEYWORDS.has(name)) return name;
  return quote(name);
}

export function quote(text: string): string {
  return `"${text.replace(/["\\]/g, '\\$&').replaceAll('${', '\\${').replaceAll('\r', '\\r')}"`;
}

const KEYWORDS = new Set(['if', 'then', 'else', 'assert', 'with', 'let', 'in', 'rec', 'inherit', 'or']);
