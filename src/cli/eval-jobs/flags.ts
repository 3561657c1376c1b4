// The flags of `tsnix eval-jobs`: those of nix-eval-jobs, and what the other commands of tsnix take.
import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { UsageError } from '../../util/errors.ts';
import type { Config } from '../config.ts';
import { FLAKE_FLAGS, preferPure } from '../flake-installable.ts';
import { COMMON_FLAGS, EVAL_FLAGS, flag, parseFlags, type Flag, type ParsedFlags } from '../flags.ts';

export const FLAGS: readonly Flag[] = [
  flag('expr', 'evaluate EXPR instead of a file', { short: 'E', args: ['EXPR'] }),
  flag('file', 'evaluate FILE', { short: 'f', args: ['FILE'] }),
  flag('flake', 'evaluate a flake, purely', { args: ['FLAKEREF'] }),
  flag('select', 'apply the function EXPR to the root first', { args: ['EXPR'] }),
  flag('apply', 'apply the function EXPR to each derivation: its result is extraValue', { args: ['EXPR'] }),
  flag('workers', 'evaluate in N processes (default: as many as there are processors)', { args: ['N'] }),
  flag('max-memory-size', 'start a process anew once it has more than N MiB of memory (default: 4096)', {
    args: ['N'],
  }),
  flag('force-recurse', 'look into every set, whether it has recurseForDerivations or not'),
  flag('gc-roots-dir', 'make a garbage collector root for each derivation in DIR', { args: ['DIR'] }),
  flag('check-cache-status', 'say whether outputs are here, in a binary cache, or to be built'),
  flag('show-input-drvs', 'show the inputs of each derivation'),
  flag('meta', 'show the meta attributes of each derivation'),
  flag('no-instantiate', 'write nothing to the store'),
  // Workers have nobody to ask.
  ...EVAL_FLAGS.filter(({ name }) => name !== 'debugger'),
  ...FLAKE_FLAGS,
  ...COMMON_FLAGS,
];

export interface JobsOptions {
  readonly flags: ParsedFlags;
  readonly workers: number;
  readonly maxMemoryMiB: number;
  readonly instantiate: boolean;
}

/** @throws UsageError */
export function parseJobsFlags(argv: readonly string[], config: Config): JobsOptions {
  const flags = parseFlags(argv, FLAGS, config);
  for (const name of ['flake', 'attr', 'select', 'apply', 'gc-roots-dir']) {
    if (flags.list(name).length > 1) throw new UsageError(`'--${name}' can be given only once`);
  }
  const sources = ['flake', 'expr', 'file'].flatMap((name) => flags.list(name)).concat(flags.positionals);
  if (sources.length > 1) throw new UsageError('one FILE, expression or flake only');
  if (flags.has('flake')) {
    if (!flags.has('impure') && !config.isSet('pure-eval')) config.setByFlag('pure-eval', 'true');
  } else preferPure(flags, config);
  const instantiate = !flags.has('no-instantiate');
  const needing = ['show-input-drvs', 'check-cache-status'].filter((name) => !instantiate && flags.has(name));
  if (needing.length > 0) {
    const shown = needing.map((name) => `--${name}`).join(', ');
    throw new UsageError(
      `--no-instantiate is incompatible with: ${shown}. These features require instantiated derivations.`,
    );
  }
  const dir = flags.get('gc-roots-dir');
  if (dir !== undefined && !existsSync(dir)) throw new UsageError(`there is no directory '${dir}' for --gc-roots-dir`);
  const workers = natural(flags, 'workers') ?? availableParallelism();
  if (workers > 1 && config.string('eval-profiler') !== 'disabled') {
    throw new UsageError('workers would overwrite the profiles of one another: use --workers 1 with --eval-profiler');
  }
  return {
    flags,
    workers,
    maxMemoryMiB: natural(flags, 'max-memory-size') ?? 4096,
    instantiate,
  };
}

function natural(flags: ParsedFlags, name: string): number | undefined {
  const text = flags.get(name);
  if (text === undefined) return undefined;
  if (!/^[1-9][0-9]{0,8}$/.test(text)) throw new UsageError(`flag '--${name}' wants a number above 0, not '${text}'`);
  return Number(text);
}
