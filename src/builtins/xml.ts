import { ContextBuilder } from '../eval/context.ts';
import { valueToXml } from '../eval/print-xml.ts';
import { makeString, type BuiltinRecord } from '../eval/value.ts';

export const xmlBuiltins: readonly BuiltinRecord[] = [
  {
    name: 'toXML',
    args: ['e'],
    doc:
      'A value as an indented XML document: elements `int`, `float`, `bool`, `string`, `path`, `null`, `list`, `attrs`, ' +
      '`derivation`, `function`, and `unevaluated` for builtins.',
    impl(ev, _pos, e) {
      const context = new ContextBuilder();
      return makeString(valueToXml(ev, e, { context }), context.get());
    },
  },
];
