// builtins.parseFlakeRef and builtins.flakeRefToString.
import type { Evaluator } from '../eval/evaluator.ts';
import { printAttrName } from '../eval/print-string.ts';
import { ContextString, type BuiltinRecord, type Slot, type Value } from '../eval/value.ts';
import { EvalError } from '../util/errors.ts';
import { intern, type Sym } from '../util/symbols.ts';
import { attrsOfMap } from './attrs-of-map.ts';
import { flakeRefOfAttrs, flakeRefToAttrs, parseFlakeRef, showFlakeRef } from './flake-ref/flake-ref.ts';
import type { FlakeAttrs } from './flake-ref/schemes.ts';

function flakeRefToString(ev: Evaluator, slot: Slot): Value {
  const set = ev.expectAttrs(slot, 0, 'while evaluating the argument passed to builtins.flakeRefToString');
  const attrs: FlakeAttrs = new Map();
  set.forEachByName((name, member, pos) => {
    const value = ev.force(member, pos);
    if (typeof value === 'number' || typeof value === 'bigint') {
      if (value < 0) {
        throw new EvalError(`negative value given for flake ref attr ${printAttrName(name)}: ${value.toString()}`);
      }
      attrs.set(name, value);
    } else if (typeof value === 'boolean' || typeof value === 'string') attrs.set(name, value);
    else if (value instanceof ContextString) attrs.set(name, value.text);
    else {
      throw new EvalError(
        'flake reference attribute sets may only contain integers, Booleans, and strings, ' +
          `but attribute '${printAttrName(name)}' is ${ev.showType(value)}`,
      );
    }
  });
  return showFlakeRef(flakeRefOfAttrs(attrs));
}

export const flakeRefBuiltins: readonly BuiltinRecord[] = [
  {
    name: 'parseFlakeRef',
    args: ['flake-ref'],
    doc: 'A flake reference such as `github:owner/repo/ref?dir=lib`, taken apart into a set.',
    feature: 'flakes',
    impl(ev, _pos, ref) {
      const why = 'while evaluating the argument passed to builtins.parseFlakeRef';
      const members = new Map<Sym, Slot>();
      for (const [name, value] of flakeRefToAttrs(parseFlakeRef(ev.expectStringNoContext(ref, 0, why)))) {
        members.set(intern(name), value);
      }
      return attrsOfMap(members);
    },
  },
  {
    name: 'flakeRefToString',
    args: ['attrs'],
    doc: 'The URL of a flake reference that is given as a set.',
    feature: 'flakes',
    impl: (ev, _pos, attrs) => flakeRefToString(ev, attrs),
  },
];
