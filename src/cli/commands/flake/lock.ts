// `tsnix flake lock` and `tsnix flake update`: a flake's lock file.
import { parseInputPath } from '../../../builtins/flake/lock-file.ts';
import { utf8 } from '../../../util/bytes.ts';
import { UsageError } from '../../../util/errors.ts';
import type { Config } from '../../config.ts';
import { lockArgument } from '../../flake-installable.ts';
import { flag, parseFlags, type Flag } from '../../flags.ts';
import { say } from '../../output.ts';
import { flakeArgument, PLAIN_FLAGS, withSession } from './flags.ts';

export const LOCK_FLAGS = PLAIN_FLAGS;

export const UPDATE_FLAGS: readonly Flag[] = [
  flag('flake', 'the flake (default: the current folder)', { args: ['REF'] }),
  ...PLAIN_FLAGS,
];

export async function flakeLock(argv: readonly string[], config: Config): Promise<number> {
  const flags = parseFlags(argv, LOCK_FLAGS, config);
  askServersAgain(config);
  return withSession(flags, config, ({ evaluator }) => {
    lockArgument(evaluator, flakeArgument(flags), flags, config, {
      failOnUnlocked: true,
      writesOverrides: true,
    });
    return 0;
  });
}

export async function flakeUpdate(argv: readonly string[], config: Config): Promise<number> {
  const flags = parseFlags(argv, UPDATE_FLAGS, config);
  askServersAgain(config);
  const updates = flags.positionals.map(inputToUpdate);
  return withSession(flags, config, ({ evaluator }) => {
    const what = updates.length === 0 ? { recreate: true } : { updates };
    lockArgument(evaluator, flags.get('flake') ?? '.', flags, config, { ...what, writesOverrides: true });
    return 0;
  });
}

/** Who locks wants what is there now. */
function askServersAgain(config: Config): void {
  config.setByFlag('tarball-ttl', '0');
}

/** @throws EvalError, UsageError */
function inputToUpdate(word: string, at: number, words: readonly string[]): readonly string[] {
  const text = utf8(word);
  if (words.indexOf(word) < at) {
    say(`warning: Input '${text}' was specified multiple times. You may have done this by accident.`);
  }
  try {
    const path = parseInputPath(text);
    if (path.length > 0) return path;
    throw new UsageError(
      'input path to be updated cannot be zero-length; it would refer to the flake itself, not an input',
    );
  } catch (error) {
    say(
      `warning: Invalid flake input '${text}'. To update a specific flake, use 'nix flake update --flake ${text}' instead.`,
    );
    throw error;
  }
}
