// Operations of `nix-env` on the generations of a profile.
import { resolve } from 'node:path';
import {
  deleteGenerations,
  deleteGenerationsBefore,
  deleteOldGenerations,
  findGenerations,
  switchGeneration,
  switchLink,
  withProfileLock,
} from '../../../store/profiles.ts';
import { fromUtf8, utf8 } from '../../../util/bytes.ts';
import { EvalError, UsageError } from '../../../util/errors.ts';
import { makeDirs } from '../../../util/make-dirs.ts';
import { dirname } from 'node:path';
import { print, say } from '../../output.ts';
import { profileLink } from '../../user-env/profile-dirs.ts';
import { parseOlderThan } from '../nix-collect-garbage.ts';
import type { NixEnvContext } from './context.ts';

function noFlags({ flags }: NixEnvContext): void {
  if (flags.length > 0) throw new UsageError(`unknown flag '${flags[0]![0]}'`);
}

function noArguments(context: NixEnvContext): void {
  noFlags(context);
  if (context.args.length > 0) throw new UsageError('no arguments expected');
}

function oneArgument(context: NixEnvContext): string {
  noFlags(context);
  if (context.args.length !== 1) throw new UsageError('exactly one argument expected');
  return context.args[0]!;
}

const numberIn = (text: string): number | undefined => (/^\d{1,15}$/.test(text) ? Number(text) : undefined);

const optionsOf = ({ dryRun }: NixEnvContext): { dryRun: boolean; log: (line: string) => void } => ({
  dryRun,
  log: say,
});

export function switchProfile(context: NixEnvContext): void {
  const profile = utf8(resolve(fromUtf8(oneArgument(context))));
  const link = profileLink(context.session.config);
  makeDirs(dirname(link));
  switchLink(link, profile);
}

export function switchToGeneration(context: NixEnvContext): void {
  const number = numberIn(oneArgument(context));
  if (number === undefined) throw new UsageError('expected a generation number');
  switchGeneration(context.profile, number, optionsOf(context));
}

export function rollback(context: NixEnvContext): void {
  noArguments(context);
  switchGeneration(context.profile, undefined, optionsOf(context));
}

export function listGenerations(context: NixEnvContext): void {
  noArguments(context);
  const { generations, current } = withProfileLock(context.profile, say, () => findGenerations(context.profile));
  for (const { number, creationTime } of generations) {
    const at = new Date(creationTime * 1000);
    const two = (value: number): string => String(value).padStart(2, '0');
    const date = `${String(at.getFullYear()).padStart(4)}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
    const time = `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
    print(`${String(number).padStart(4)}   ${date} ${time}   ${number === current ? '(current)' : ''}\n`);
  }
}

export function deleteSomeGenerations(context: NixEnvContext): void {
  noFlags(context);
  const { args, profile } = context;
  const options = optionsOf(context);
  const [word = ''] = args;
  if (args.length === 1 && word === 'old') deleteOldGenerations(profile, options);
  else if (args.length === 1 && word.includes('d')) {
    deleteOldGenerations(profile, { ...options, olderThan: parseOlderThan(word, Math.floor(Date.now() / 1000)) });
  } else if (args.length === 1 && word.includes('+')) {
    if (word.length < 2) throw new EvalError(`invalid number of generations '${word}'`);
    const kept = numberIn(word.slice(1));
    if (kept === undefined) throw new EvalError(`invalid number of generations to keep '${word}'`);
    deleteGenerationsBefore(profile, kept, options);
  } else {
    const numbers = args.map((text) => {
      const number = numberIn(text);
      if (number === undefined) throw new UsageError(`invalid generation number '${text}'`);
      return number;
    });
    deleteGenerations(profile, new Set(numbers), options);
  }
}
