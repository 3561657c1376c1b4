import { parse, TomlDate, type TomlValue } from 'smol-toml';
import { ContextBuilder } from '../eval/context.ts';
import { NixFloat, makeInt, type BuiltinRecord, type Slot } from '../eval/value.ts';
import { fromUtf8, utf8 } from '../util/bytes.ts';
import { EvalError } from '../util/errors.ts';
import { intern, type Sym } from '../util/symbols.ts';
import { attrsOfMap } from './attrs-of-map.ts';

function convert(value: TomlValue): Slot {
  if (typeof value === 'string') return utf8(value);
  if (typeof value === 'bigint') return makeInt(value);
  if (typeof value === 'number') return new NixFloat(value);
  if (typeof value === 'boolean') return value;
  if (Array.isArray(value)) return value.map(convert);
  if (value instanceof TomlDate) throw new EvalError('Dates and times are not supported');
  const map = new Map<Sym, Slot>();
  for (const [key, item] of Object.entries(value)) map.set(intern(utf8(key)), convert(item));
  return attrsOfMap(map);
}

export const tomlBuiltins: readonly BuiltinRecord[] = [
  {
    name: 'fromTOML',
    args: ['e'],
    doc: 'The set that a TOML 1.0 document describes.',
    global: true,
    impl(ev, _pos, e) {
      const why = 'while evaluating the argument passed to builtins.fromTOML';
      const text = ev.expectStringText(e, 0, why, new ContextBuilder());
      try {
        return convert(parse(fromUtf8(text), { integersAsBigInt: true }));
      } catch (error) {
        throw new EvalError(`while parsing TOML: ${utf8((error as Error).message)}`);
      }
    },
  },
];
