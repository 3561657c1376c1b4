// `tsnix instantiate`: expressions → .drv paths in the store.
import type { Config } from '../config.ts';
import { drvPathOf } from '../derivations.ts';
import { FLAKE_FLAGS, preferPure } from '../flake-installable.ts';
import { COMMON_FLAGS, EVAL_FLAGS, flag, parseFlags, type Flag } from '../flags.ts';
import { print } from '../output.ts';
import { Session } from '../session.ts';
import { derivationsOf } from './targets.ts';

export const FLAGS: readonly Flag[] = [
  flag('expr', 'evaluate EXPR instead of a file', { short: 'E', args: ['EXPR'] }),
  flag('file', 'evaluate FILE', { short: 'f', args: ['FILE'] }),
  flag('dry-run', 'write nothing to the store'),
  flag('json', 'print JSON: attribute path, name, .drv path and output names'),
  ...EVAL_FLAGS,
  ...FLAKE_FLAGS,
  ...COMMON_FLAGS,
];

export async function instantiate(argv: readonly string[], config: Config): Promise<number> {
  const flags = parseFlags(argv, FLAGS, config);
  preferPure(flags, config);
  const session = new Session({ config, flags, readOnly: flags.has('dry-run'), writes: !flags.has('dry-run') });
  try {
    const lines: string[] = [];
    const rows: unknown[] = [];
    for (const drv of derivationsOf(session)) {
      const drvPath = drvPathOf(session.evaluator, drv.attrs);
      lines.push(`${drvPath}${drv.outputName === 'out' ? '' : `!${drv.outputName}`}\n`);
      rows.push({ attrPath: drv.attrPath, name: drv.name, drvPath, outputName: drv.outputName });
    }
    print(flags.has('json') ? `${JSON.stringify(rows)}\n` : lines.join(''));
    return 0;
  } finally {
    await session.close();
  }
}
