// Type tests: each forces its argument and looks.
import { Attrs } from '../eval/attrs.ts';
import { Lambda } from '../eval/lambda.ts';
import { typeOfValue } from '../eval/value-type.ts';
import {
  ContextString,
  ExternalValue,
  NixFloat,
  PathValue,
  Primop,
  PrimopApp,
  type BuiltinRecord,
  type Value,
} from '../eval/value.ts';

function isFunction(value: Value): boolean {
  return value instanceof Lambda || value instanceof Primop || value instanceof PrimopApp;
}

function typeOf(value: Value): string {
  if (value instanceof ExternalValue) return value.typeName;
  const type = typeOfValue(value);
  return type === 'function' ? 'lambda' : type;
}

function test(name: string, doc: string, holds: (value: Value) => boolean, global = false): BuiltinRecord {
  return {
    name,
    args: ['e'],
    doc,
    ...(global ? { global } : {}),
    impl: (ev, _pos, slot) => holds(ev.force(slot)),
  };
}

export const typeBuiltins: readonly BuiltinRecord[] = [
  {
    name: 'typeOf',
    args: ['e'],
    doc:
      'The type of a value as a string: `"int"`, `"bool"`, `"string"`, `"path"`, `"null"`, `"set"`, `"list"`, ' +
      '`"lambda"` or `"float"`.',
    impl: (ev, _pos, slot) => typeOf(ev.force(slot)),
  },
  test('isNull', 'Whether *e* is `null`. Comparing with `== null` does the same.', (v) => v === null, true),
  test(
    'isFunction',
    'Whether *e* is a function: a lambda or a builtin, also a partly applied one. Sets with `__functor` are not.',
    isFunction,
  ),
  test('isInt', 'Whether *e* is an integer.', (v) => typeof v === 'number' || typeof v === 'bigint'),
  test('isFloat', 'Whether *e* is a float.', (v) => v instanceof NixFloat),
  test('isString', 'Whether *e* is a string.', (v) => typeof v === 'string' || v instanceof ContextString),
  test('isBool', 'Whether *e* is a Boolean.', (v) => typeof v === 'boolean'),
  test('isPath', 'Whether *e* is a path. A string that looks like one is not.', (v) => v instanceof PathValue),
  test('isAttrs', 'Whether *e* is an attribute set. Derivations are.', (v) => v instanceof Attrs),
  test('isList', 'Whether *e* is a list.', (v) => Array.isArray(v)),
];
