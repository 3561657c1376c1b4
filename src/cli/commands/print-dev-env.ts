// `tsnix print-dev-env`: a derivation's environment as shell code to source, or as JSON.
import { join } from 'node:path';
import { utf8 } from '../../util/bytes.ts';
import { UsageError } from '../../util/errors.ts';
import type { Config } from '../config.ts';
import { parseFlags, type Flag } from '../flags.ts';
import { print } from '../output.ts';
import { JSON_FLAGS, printJson } from '../print-json.ts';
import { devEnvironment, devScript } from '../shell/dev-environment.ts';
import { derivationToDevelop, SOURCE_FLAGS, withSession } from './shell.ts';

export const FLAGS: readonly Flag[] = [...JSON_FLAGS, ...SOURCE_FLAGS];

export async function printDevEnv(argv: readonly string[], config: Config): Promise<number> {
  config.nixCommand = true; // its argument is an installable
  const flags = parseFlags(argv, FLAGS, config);
  const [, more] = flags.positionals;
  if (more !== undefined) throw new UsageError(`unexpected argument '${utf8(more)}'`);
  return withSession(flags, config, async (session) => {
    const words = flags.positionals.length === 0 ? [''] : flags.positionals;
    const drvPath = session.asStorePath(derivationToDevelop(session, words));
    const environment = await devEnvironment(session, drvPath);
    if (flags.has('json')) {
      const { variables, bashFunctions, structuredAttrs } = environment;
      const known = Object.fromEntries(Object.entries(variables).filter(([, { type }]) => type !== 'unknown'));
      printJson(
        { bashFunctions, variables: known, ...(structuredAttrs === undefined ? {} : { structuredAttrs }) },
        flags,
      );
    } else print(devScript(environment, utf8(join(process.cwd(), 'outputs'))));
    return 0;
  });
}
