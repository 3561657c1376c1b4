// What the commands of flakes have in common: their flags, one flake as argument, a session to evaluate it in.
import type { Attrs } from '../../../eval/attrs.ts';
import type { Evaluator } from '../../../eval/evaluator.ts';
import { callFlake } from '../../../builtins/flake/call-flake.ts';
import type { LockedFlake } from '../../../builtins/flake/lock-flake.ts';
import { utf8 } from '../../../util/bytes.ts';
import { UsageError } from '../../../util/errors.ts';
import { intern } from '../../../util/symbols.ts';
import type { Config } from '../../config.ts';
import { FLAKE_FLAGS } from '../../flake-installable.ts';
import { COMMON_FLAGS, flag, type Flag, type ParsedFlags } from '../../flags.ts';
import { Session } from '../../session.ts';

export const PLAIN_FLAGS: readonly Flag[] = [
  flag('store', 'the store to use', { args: ['URI'] }),
  flag('impure', 'allow access to the environment'),
  ...FLAKE_FLAGS,
  ...COMMON_FLAGS,
];

/** The one flake that a command is about; default: the current folder. @throws UsageError */
export function flakeArgument({ positionals }: ParsedFlags): string {
  if (positionals.length > 1) throw new UsageError(`unexpected argument '${utf8(positionals[1]!)}'`);
  return positionals[0] ?? '.';
}

/** Evaluation is pure unless the user says otherwise. */
export async function withSession<T>(
  flags: ParsedFlags,
  config: Config,
  body: (session: Session) => T | Promise<T>,
): Promise<T> {
  if (flags.has('impure')) config.setByFlag('pure-eval', 'false');
  if (!config.isSet('pure-eval')) config.setByFlag('pure-eval', 'true');
  const session = new Session({ config, flags, readOnly: false, writes: true });
  try {
    return await body(session);
  } finally {
    await session.close();
  }
}

/** A flake's outputs. @throws EvalError */
export function outputsOf(ev: Evaluator, locked: LockedFlake): Attrs {
  const flake = ev.expectAttrs(callFlake(ev, locked), 0, 'while evaluating a flake to get its outputs');
  return ev.expectAttrs(flake.get(intern('outputs'))!, 0, 'while evaluating the outputs of a flake');
}
