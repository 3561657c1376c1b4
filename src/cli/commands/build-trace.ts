// `tsnix store build-trace info`: what outputs of content-addressed derivations came to be.
import { printRealisation, type Realisation } from '../../store/realisation.ts';
import { baseName } from '../../store/store-path.ts';
import { utf8 } from '../../util/bytes.ts';
import { UsageError } from '../../util/errors.ts';
import { requireFeature } from '../../builtins/features.ts';
import type { Config } from '../config.ts';
import { COMMON_FLAGS, parseFlags, type Flag } from '../flags.ts';
import { findInstallables, INSTALLABLE_FLAGS, pathsOf } from '../installables.ts';
import { print } from '../output.ts';
import { JSON_FLAGS, printJson, type JsonValue } from '../print-json.ts';
import { openConfiguredStore } from '../session.ts';
import { TracedStore } from '../traced-store.ts';

export const FLAGS: readonly Flag[] = [...INSTALLABLE_FLAGS, ...JSON_FLAGS, ...COMMON_FLAGS];

export async function storeBuildTrace(argv: readonly string[], config: Config): Promise<number> {
  const flags = parseFlags(argv, FLAGS, config);
  const [verb, ...words] = flags.positionals;
  if (verb !== 'info')
    throw new UsageError(verb === undefined ? "say what to do: 'info'" : `unknown command '${utf8(verb)}'`);
  requireFeature(config, 'ca-derivations');
  const store = openConfiguredStore(config, true);
  try {
    const traced = new TracedStore(store, store);
    const paths = (await findInstallables(store, { flags, config, words })).flatMap((found) =>
      pathsOf(traced, found, false),
    );
    const entries = traced.asked.sort((a, b) => (lineOf(a) < lineOf(b) ? -1 : 1));
    const opaque = [...new Set(paths)].sort();
    if (flags.has('json')) {
      printJson([...entries.map(asJson), ...opaque.map((path): JsonValue => ({ opaquePath: path }))], flags);
    } else for (const line of [...entries.map(lineOf), ...opaque]) print(`${line}\n`);
    return 0;
  } finally {
    await store.close();
  }
}

function lineOf({ drvPath, output, outPath }: Realisation): string {
  return `${baseName(drvPath)}^${output} ${outPath}`;
}

function asJson(realisation: Realisation): JsonValue {
  const { drvPath, output } = realisation;
  return {
    key: { drvPath: baseName(drvPath), outputName: output },
    value: JSON.parse(printRealisation(realisation)) as JsonValue,
  };
}
