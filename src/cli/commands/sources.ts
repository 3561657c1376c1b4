// What an evaluating command is asked about: -E expressions, FILE, standard input, or the default file.
import { existsSync } from 'node:fs';
import type { Value } from '../../eval/value.ts';
import { UsageError } from '../../util/errors.ts';
import type { Session } from '../session.ts';

export interface Source {
  /** As the user wrote it; for messages. */
  readonly label: string;
  /** Whether it is the embedded package set: there is nothing else to evaluate. */
  readonly embedded: boolean;
  readonly load: () => Value;
}

/** FILEs and -E of a command line; without any ./default.nix, and without that the embedded package set. */
export function sourcesOf(session: Session): Source[] {
  const { flags } = session;
  const expressions = flags.list('expr');
  if (expressions.length > 0) {
    if (flags.positionals.length > 0)
      throw new UsageError(`'--expr' and FILE do not go together: '${flags.positionals[0]!}'`);
    return expressions.map((text) => ({ label: text, embedded: false, load: () => session.evalExpression(text) }));
  }
  const files = [...flags.list('file'), ...flags.positionals];
  if (files.length > 0) {
    return files.map((file) => ({
      label: file,
      embedded: false,
      load: () => (file === '-' ? session.evalStdin() : session.evalFileArgument(file)),
    }));
  }
  if (existsSync('default.nix')) {
    return [{ label: './default.nix', embedded: false, load: () => session.evalFileArgument('./default.nix') }];
  }
  return [{ label: 'the embedded package set', embedded: true, load: () => session.embeddedPackageSet() }];
}
