// Types of values in the words of messages.
import { Attrs } from './attrs.ts';
import { Thunk, BLACKHOLE, APPLY, APPLY_NAMED, VALUE, FAILED } from './thunk.ts';
import {
  ContextString,
  ExternalValue,
  NixFloat,
  PathValue,
  Primop,
  PrimopApp,
  type Slot,
  type Value,
} from './value.ts';

export type TypeName =
  | 'string' | 'int' | 'float' | 'bool' | 'null' | 'list' | 'set' | 'path' | 'function' | 'external'; // prettier-ignore

export function typeOfValue(value: Value): TypeName {
  switch (typeof value) {
    case 'string':
      return 'string';
    case 'number':
    case 'bigint':
      return 'int';
    case 'boolean':
      return 'bool';
    default:
  }
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'list';
  if (value instanceof Attrs) return 'set';
  if (value instanceof ContextString) return 'string';
  if (value instanceof PathValue) return 'path';
  if (value instanceof NixFloat) return 'float';
  if (value instanceof ExternalValue) return 'external';
  return 'function';
}

const WITH_ARTICLE: Readonly<Record<TypeName, string>> = {
  string: 'a string',
  int: 'an integer',
  float: 'a float',
  bool: 'a Boolean',
  null: 'null',
  list: 'a list',
  set: 'a set',
  path: 'a path',
  function: 'a function',
  external: 'an external value',
};

/** "an integer", "a set", "a string with context", "the built-in function 'map'" … */
export function showType(slot: Slot): string {
  let value = slot;
  while (value instanceof Thunk) {
    if (value.off === FAILED) return 'an error';
    if (value.off === BLACKHOLE) return 'a black hole';
    if (value.off === APPLY || value.off <= APPLY_NAMED) return 'a function application';
    if (value.off !== VALUE) return 'a thunk';
    value = value.a as Slot;
  }
  if (value instanceof ContextString) return 'a string with context';
  if (value instanceof Primop) return `the built-in function '${value.name}'`;
  if (value instanceof PrimopApp) return `the partially applied built-in function '${value.primop.name}'`;
  if (value instanceof ExternalValue) return value.typeName;
  return WITH_ARTICLE[typeOfValue(value)];
}
