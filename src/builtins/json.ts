import { ContextBuilder } from '../eval/context.ts';
import { valueToJson } from '../eval/json.ts';
import { makeString, type BuiltinRecord } from '../eval/value.ts';
import { JsonSyntaxError, parseJson } from './json-parser.ts';

export const jsonBuiltins: readonly BuiltinRecord[] = [
  {
    name: 'toJSON',
    args: ['e'],
    doc:
      'A value as JSON. Paths are copied to the store; sets with `__toString` or `outPath` are written as what these ' +
      'give, derivations thus as their output path. Functions cannot be written.',
    impl(ev, _pos, e) {
      const context = new ContextBuilder();
      return makeString(valueToJson(ev, e, { context }), context.get());
    },
  },
  {
    name: 'fromJSON',
    args: ['e'],
    doc: 'The value that a JSON string describes.',
    impl(ev, _pos, e) {
      const text = ev.expectStringNoContext(e, 0, 'while evaluating the first argument passed to builtins.fromJSON');
      try {
        return parseJson(text, ev.spend);
      } catch (error) {
        if (error instanceof JsonSyntaxError) error.addFrame('while decoding a JSON string', 0);
        throw error;
      }
    },
  },
];
