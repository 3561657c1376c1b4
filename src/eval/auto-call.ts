// Calling top-level functions as nix-build does: with --arg and --argstr, and, beyond Nix, with a package set.
import { EvalError, MissingArgumentError } from '../util/errors.ts';
import { intern, symbolName, type Sym } from '../util/symbols.ts';
import { Attrs, AttrsBuilder } from './attrs.ts';
import type { Evaluator } from './evaluator.ts';
import { Lambda } from './lambda.ts';
import type { Slot, Value } from './value.ts';

const FUNCTOR = intern('__functor');

export interface AutoCallOptions {
  /** --arg, --argstr. */
  readonly args: Attrs;
  /** Fills what has neither an argument nor a default; asked for only then. */
  readonly packageSet?: () => Attrs;
}

/**
 * A function with a set pattern is called: with every argument where it takes `...`, else with those that it names.
 * Other values are given back; functors are looked into.
 * @throws MissingArgumentError "cannot evaluate a function that has an argument without a value ('x')"
 */
export function autoCall(ev: Evaluator, slot: Slot, options: AutoCallOptions): Value {
  const value = ev.force(slot);
  if (value instanceof Attrs) {
    const functor = value.get(FUNCTOR);
    return functor === undefined ? value : autoCall(ev, ev.call(functor, [value], 0), options);
  }
  if (!(value instanceof Lambda) || value.record.formals === null) return value;
  const { formals } = value.record;
  const { args } = options;
  const passed = new AttrsBuilder();
  if (formals.ellipsis) {
    for (let i = 0; i < args.size; i++) passed.set(args.keys.ids[i] as Sym, args.values[i]!);
  }
  for (let i = 0; i < formals.names.length; i++) {
    const sym = formals.names[i]!;
    const given = args.get(sym);
    if (given !== undefined) passed.set(sym, given);
    else if (formals.fallbacks[i]! < 0) {
      const found = options.packageSet?.().get(sym);
      if (found !== undefined) passed.set(sym, found);
      else if (!formals.ellipsis || options.packageSet !== undefined) throw withoutValue(sym, formals.positions[i]!);
    }
  }
  return ev.call(value, [passed.build()], value.record.pos);
}

function withoutValue(sym: Sym, pos: number): EvalError {
  return new MissingArgumentError(
    `cannot evaluate a function that has an argument without a value ('${symbolName(sym)}')\n` +
      'Nix attempted to evaluate a function as a top level expression; in\n' +
      'this case it must have its arguments supplied either by default\n' +
      "values, or passed explicitly with '--arg' or '--argstr'. See\n" +
      'https://nix.dev/manual/nix/stable/language/syntax.html#functions.',
    { pos },
  );
}
