// What an evaluating command is asked about: -E expressions, FILE, standard input, or the default file.
import { existsSync } from 'node:fs';
import type { Value } from '../../eval/value.ts';
import { UsageError } from '../../util/errors.ts';
import { isFlakeArgument, loadFlakeArgument } from '../flake-installable.ts';
import type { Session } from '../session.ts';

export interface Source {
  /** As the user wrote it; for messages. */
  readonly label: string;
  /** Whether it is the embedded package set: there is nothing else to evaluate. */
  readonly embedded: boolean;
  readonly load: () => Value;
}

/**
 * FILEs, flakes and -E of a command line; without any ./default.nix, ./flake.nix, or the embedded package set.
 * @param flakes false: the older commands know none
 */
export function sourcesOf(
  session: Session,
  flakes = true,
  positionals: readonly string[] = session.flags.positionals,
): Source[] {
  const { flags } = session;
  const expressions = flags.list('expr');
  if (expressions.length > 0) {
    if (positionals.length > 0) throw new UsageError(`'--expr' and FILE do not go together: '${positionals[0]!}'`);
    return expressions.map((text) => ({ label: text, embedded: false, load: () => session.evalExpression(text) }));
  }
  const files = [...flags.list('file'), ...positionals];
  if (files.length > 0) {
    return files.map((file) => ({
      label: file,
      embedded: false,
      load: () => {
        if (file === '-') return session.evalStdin();
        return flakes && isFlake(session, file) ? loadFlake(session, file) : session.evalFileArgument(file);
      },
    }));
  }
  if (existsSync('default.nix')) {
    return [{ label: './default.nix', embedded: false, load: () => session.evalFileArgument('./default.nix') }];
  }
  if (flakes && isFlake(session, '.')) return [{ label: '.', embedded: false, load: () => loadFlake(session, '.') }];
  return [{ label: 'the embedded package set', embedded: true, load: () => session.embeddedPackageSet() }];
}

function isFlake(session: Session, argument: string): boolean {
  return isFlakeArgument(argument, session.config);
}

function loadFlake(session: Session, argument: string): Value {
  session.doubtResult('a flake was locked first');
  return loadFlakeArgument(session.evaluator, argument, session.flags, session.config, session.io.system);
}
