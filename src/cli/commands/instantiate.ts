// `tsnix instantiate`: expressions → .drv paths in the store.
import { cachedEvaluation } from '../cached-evaluation.ts';
import type { Config } from '../config.ts';
import { drvPathOf } from '../derivations.ts';
import { FLAKE_FLAGS, preferPure } from '../flake-installable.ts';
import { COMMON_FLAGS, EVAL_FLAGS, flag, parseFlags, WATCH_FLAG, type Flag } from '../flags.ts';
import { print } from '../output.ts';
import { Session } from '../session.ts';
import { derivationsOf } from './targets.ts';

export const FLAGS: readonly Flag[] = [
  flag('expr', 'evaluate EXPR instead of a file', { short: 'E', args: ['EXPR'] }),
  flag('file', 'evaluate FILE', { short: 'f', args: ['FILE'] }),
  flag('dry-run', 'write nothing to the store'),
  flag('json', 'print JSON: attribute path, name, .drv path and output names'),
  WATCH_FLAG,
  ...EVAL_FLAGS,
  ...FLAKE_FLAGS,
  ...COMMON_FLAGS,
];

interface Row {
  readonly attrPath: string;
  readonly name: string;
  readonly drvPath: string;
  readonly outputName: string;
}

export async function instantiate(argv: readonly string[], config: Config): Promise<number> {
  const flags = parseFlags(argv, FLAGS, config);
  preferPure(flags, config);
  const dryRun = flags.has('dry-run');
  const session = new Session({ config, flags, readOnly: dryRun, writes: !dryRun, keepsResults: true });
  try {
    const rows: Row[] = [];
    const evaluate = (emit: (row: Row) => void): void => {
      for (const { attrPath, name, attrs, outputName } of derivationsOf(session)) {
        emit({ attrPath, name, drvPath: drvPathOf(session.evaluator, attrs), outputName });
      }
    };
    cachedEvaluation<Row>(session, {
      purpose: 'instantiate',
      evaluate,
      present: (row) => rows.push(row),
      describe: ({ attrPath, name, drvPath, outputName }) => [[`${attrPath || name} (${outputName})`, drvPath]],
    });
    const line = ({ drvPath, outputName }: Row): string =>
      `${drvPath}${outputName === 'out' ? '' : `!${outputName}`}\n`;
    print(flags.has('json') ? `${JSON.stringify(rows)}\n` : rows.map(line).join(''));
    return 0;
  } finally {
    await session.close();
  }
}
