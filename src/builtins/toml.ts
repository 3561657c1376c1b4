// builtins.fromTOML.
import type { Evaluator } from '../eval/evaluator.ts';
import type { BuiltinRecord, Slot } from '../eval/value.ts';
import { EvalError } from '../util/errors.ts';
import { intern, type Sym } from '../util/symbols.ts';
import { attrsOfMap } from './attrs-of-map.ts';
import { forbidNullBytes } from './null-bytes.ts';
import { TomlError } from './toml/error.ts';
import { parseToml, TomlTable, TomlTables, type TomlValue } from './toml/parser.ts';
import { TomlTimestamp } from './toml/scalar.ts';

const TYPE = intern('_type');
const VALUE = intern('value');

/** A fault of the document. */
class DocumentError extends Error {}

function convert(ev: Evaluator, value: TomlValue): Slot {
  if (typeof value === 'string') {
    forbidNullBytes(value);
    return value;
  }
  if (value instanceof TomlTable) {
    const members = new Map<Sym, Slot>();
    for (const [key, item] of value.members) {
      forbidNullBytes(key);
      members.set(intern(key), convert(ev, item));
    }
    return attrsOfMap(members);
  }
  if (value instanceof TomlTables) return value.tables.map((table) => convert(ev, table));
  if (value instanceof TomlTimestamp) {
    if (!ev.settings.experimentalFeatures.has('parse-toml-timestamps')) {
      throw new DocumentError('Dates and times are not supported');
    }
    return attrsOfMap(
      new Map<Sym, Slot>([
        [TYPE, 'timestamp'],
        [VALUE, value.text],
      ]),
    );
  }
  if (Array.isArray(value)) return (value as readonly TomlValue[]).map((item) => convert(ev, item));
  return value as Slot;
}

export const tomlBuiltins: readonly BuiltinRecord[] = [
  {
    name: 'fromTOML',
    args: ['e'],
    doc:
      'The set that a TOML 1.0 document describes. Dates and times are errors unless the feature ' +
      '`parse-toml-timestamps` is on, which makes them `{ _type = "timestamp"; value = "…"; }`.',
    global: true,
    impl(ev, _pos, e) {
      const why = 'while evaluating the argument passed to builtins.fromTOML';
      const text = ev.expectStringNoContext(e, 0, why);
      try {
        return convert(ev, parseToml(text));
      } catch (error) {
        if (error instanceof TomlError || error instanceof DocumentError) {
          throw new EvalError(`while parsing TOML: ${error.message}`);
        }
        // Nix quirk: its own errors are quoted with their prefix.
        if (error instanceof EvalError) throw new EvalError(`while parsing TOML: error: ${error.message}`);
        throw error;
      }
    },
  },
];
