// Types of generated expressions, and random ones.
import type { Choices } from './choices.ts';

export type Type =
  | { readonly kind: 'int' | 'float' | 'bool' | 'string' | 'path' | 'null' }
  | { readonly kind: 'list'; readonly of: Type }
  /** A set with these attributes, and maybe more. */
  | { readonly kind: 'set'; readonly fields: Readonly<Record<string, Type>> }
  /** A set of any names whose values are of one type. */
  | { readonly kind: 'dict'; readonly of: Type }
  | { readonly kind: 'function'; readonly from: Type; readonly to: Type };

export const INT: Type = { kind: 'int' };
export const FLOAT: Type = { kind: 'float' };
export const BOOL: Type = { kind: 'bool' };
export const STRING: Type = { kind: 'string' };
export const PATH: Type = { kind: 'path' };
export const NULL: Type = { kind: 'null' };
export const listOf = (of: Type): Type => ({ kind: 'list', of });
export const dictOf = (of: Type): Type => ({ kind: 'dict', of });
export const setOf = (fields: Readonly<Record<string, Type>>): Type => ({ kind: 'set', fields });
export const functionOf = (from: Type, to: Type): Type => ({ kind: 'function', from, to });

/** Names of attributes; the first are identifiers. */
export const PLAIN_NAMES = ['a', 'b', 'c', 'd', 'x', 'y', "z'", 'a-b', '_u'] as const;
const QUOTED_NAMES = ['', 'a b', 'if', 'or', '1', 'a.b', 'é', '$', 'q"r', '\n', '${'] as const;

export function attributeName(choices: Choices): string {
  return choices.once(7) ? choices.from(QUOTED_NAMES) : choices.from(PLAIN_NAMES);
}

export function scalar(choices: Choices): Type {
  return choices.of(INT, STRING, BOOL, STRING, INT, FLOAT, NULL, PATH);
}

export function type(choices: Choices, depth: number): Type {
  if (depth <= 0) return scalar(choices);
  return choices.way<Type>([
    [5, () => scalar(choices)],
    [3, () => listOf(type(choices, depth - 1))],
    [4, () => setOf(fields(choices, depth - 1))],
    [1, () => dictOf(type(choices, depth - 1))],
    [1, () => functionOf(type(choices, depth - 1), type(choices, depth - 1))],
  ]);
}

export function fields(choices: Choices, depth: number): Record<string, Type> {
  const made = choices.list(4, () => [attributeName(choices), type(choices, depth)] as const);
  return Object.fromEntries(made);
}

/** Types whose values have an order. */
export function ordered(choices: Choices, depth: number): Type {
  return depth > 0 && choices.once(4)
    ? listOf(ordered(choices, depth - 1))
    : choices.of(INT, STRING, FLOAT, PATH, STRING);
}

/** Types that toString takes. */
export function printable(choices: Choices, depth: number): Type {
  return depth > 0 && choices.once(4) ? listOf(printable(choices, depth - 1)) : scalar(choices);
}

/** Types that are the same in JSON before and after 2.8: no floats; no paths, which would be copied; no functions. */
export function plainData(choices: Choices, depth: number): Type {
  if (depth <= 0 || choices.below(2) === 0) return choices.of(INT, STRING, BOOL, NULL);
  return choices.way<Type>([
    [1, () => listOf(plainData(choices, depth - 1))],
    [1, () => dictOf(plainData(choices, depth - 1))],
    [
      1,
      () =>
        setOf(
          Object.fromEntries(choices.list(3, () => [attributeName(choices), plainData(choices, depth - 1)] as const)),
        ),
    ],
  ]);
}

/** Whether a value of `a` can stand where one of `b` is wanted. */
export function fits(a: Type, b: Type): boolean {
  if (a.kind === 'list') return b.kind === 'list' && fits(a.of, b.of);
  if (a.kind === 'dict') return b.kind === 'dict' && fits(a.of, b.of);
  if (a.kind === 'function') return b.kind === 'function' && fits(b.from, a.from) && fits(a.to, b.to);
  if (a.kind === 'set') {
    if (b.kind !== 'set') return false;
    return Object.entries(b.fields).every(([name, want]) => {
      const have = Object.hasOwn(a.fields, name) ? a.fields[name] : undefined;
      return have !== undefined && fits(have, want);
    });
  }
  return a.kind === b.kind;
}
