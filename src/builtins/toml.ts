// builtins.fromTOML.
import type { Evaluator } from '../eval/evaluator.ts';
import type { BuiltinRecord, Slot } from '../eval/value.ts';
import { EvalError } from '../util/errors.ts';
import { intern, type Sym } from '../util/symbols.ts';
import { attrsOfMap } from './attrs-of-map.ts';
import { forbidNullBytes } from './null-bytes.ts';
import { TomlError } from './toml/error.ts';
import { parseToml, TomlTable, TomlTables, type TomlValue } from './toml/parser.ts';
import { TomlTimestamp, type TomlScalar } from './toml/scalar.ts';

const TYPE = intern('_type');
const VALUE = intern('value');

/** A fault of the document. */
class DocumentError extends Error {}

type Container = TomlTable | TomlTables | readonly TomlValue[];

function isContainer(value: TomlValue): value is Container {
  return value instanceof TomlTable || value instanceof TomlTables || Array.isArray(value);
}

function itemsOf(container: Container): Iterable<TomlValue> {
  if (container instanceof TomlTable) return container.members.values();
  return container instanceof TomlTables ? container.tables : container;
}

/** Without recursion: headers make tables as deep as they are long, and what walks a deep stack often takes for ever. */
function convert(ev: Evaluator, root: TomlTable): Slot {
  const all: Container[] = [root];
  for (const container of all) {
    for (const item of itemsOf(container)) if (isContainer(item)) all.push(item);
  }
  const made = new Map<TomlValue, Slot>();
  const slotOf = (value: TomlValue): Slot => (isContainer(value) ? made.get(value)! : convertScalar(ev, value));
  // Whatever is in a container comes behind it.
  for (const container of all.reverse()) {
    ev.spend();
    if (container instanceof TomlTable) {
      const members = new Map<Sym, Slot>();
      for (const [key, item] of container.members) {
        forbidNullBytes(key);
        members.set(intern(key), slotOf(item));
      }
      made.set(container, attrsOfMap(members));
    } else made.set(container, Array.from(itemsOf(container), slotOf));
  }
  return made.get(root)!;
}

function convertScalar(ev: Evaluator, value: string | TomlScalar): Slot {
  if (typeof value === 'string') {
    forbidNullBytes(value);
    return value;
  }
  if (!(value instanceof TomlTimestamp)) return value;
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
