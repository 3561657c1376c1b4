// Builtins that run foreign code with the rights of the user; there only with
// allow-unsafe-native-code-during-evaluation.
import { ContextBuilder } from '../eval/context.ts';
import type { Evaluator } from '../eval/evaluator.ts';
import type { BuiltinRecord, Slot, Value } from '../eval/value.ts';
import { EvalError, NotImplementedError, StoreError } from '../util/errors.ts';

function exec(ev: Evaluator, argument: Slot): Value {
  const list = ev.expectList(argument, 0, 'while evaluating the first argument passed to builtins.exec');
  if (list.length === 0) throw new EvalError("at least one argument to 'exec' required");
  const context = new ContextBuilder();
  const words = list.map((element, i) => {
    const which = i === 0 ? 'the first element' : 'an element';
    const why = `while evaluating ${which} of the argument passed to builtins.exec`;
    return ev.coerceToString(element, 0, context, why, { copy: false });
  });
  const program = words[0]!;
  let command: string[];
  try {
    command = words.map((word) => ev.realiseContext(context, word));
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    throw new EvalError(`cannot execute '${program}', since ${error.message}`, { cause: error });
  }
  if (ev.io.exec === undefined) throw new NotImplementedError('builtins.exec without a machine');
  const output = ev.io.exec(command);
  try {
    return ev.evalString(output, '/', { kind: 'string' });
  } catch (error) {
    throw ev.frame(error, `while evaluating the output from '${program}'`, 0);
  }
}

export const nativeBuiltins: readonly BuiltinRecord[] = [
  {
    name: 'exec',
    args: ['command'],
    unsafe: true,
    doc: 'Runs a program (a list: its name or path, then arguments) and evaluates what it prints as an expression.',
    impl: (ev, _pos, command) => exec(ev, command),
  },
  {
    name: 'importNative',
    args: ['path', 'symbol'],
    unsafe: true,
    doc: 'Would load a function from a shared library written for C++ Nix. Not implemented: there is no C++ Nix here.',
    impl() {
      throw new NotImplementedError('builtins.importNative: a library for C++ Nix cannot be loaded');
    },
  },
];
