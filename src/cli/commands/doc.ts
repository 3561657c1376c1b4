// `tsnix doc`: the manual of builtins, from their records.
import { builtinNames, manualEntry, summary } from '../../builtins/manual.ts';
import { utf8 } from '../../util/bytes.ts';
import { EvalError } from '../../util/errors.ts';
import { bestMatches } from '../../util/suggestions.ts';
import type { Config } from '../config.ts';
import { COMMON_FLAGS, parseFlags, type Flag } from '../flags.ts';
import { forTerminal } from '../markdown.ts';
import { print } from '../output.ts';

export const FLAGS: readonly Flag[] = COMMON_FLAGS;

/** `tsnix doc builtins.map`, `doc map`, `doc __head`; without names, all of them with one line each. */
export function doc(argv: readonly string[], config: Config): Promise<number> {
  const { positionals } = parseFlags(argv, FLAGS, config);
  if (positionals.length === 0) {
    for (const name of builtinNames()) print(utf8(`${summary(name)}\n`));
    return Promise.resolve(0);
  }
  const entries = positionals.map((word) => {
    const name = utf8(word).replace(/^builtins\.(?=.)|^__(?=.)/, '');
    const entry = manualEntry(name);
    if (entry !== undefined) return entry;
    throw new EvalError(`there is no builtin '${name}'`, { suggestions: bestMatches(builtinNames(), name) });
  });
  print(forTerminal(utf8(entries.join('\n'))));
  return Promise.resolve(0);
}
