// `tsnix drop-ins`: where commands of Nix's own names lie, for PATH.
import { join } from 'node:path';
import { UsageError } from '../../util/errors.ts';
import { utf8 } from '../../util/bytes.ts';
import { packageRoot } from '../../util/program-files.ts';
import { print } from '../output.ts';

/** Prints the folder. @throws UsageError */
export function dropIns(argv: readonly string[]): Promise<number> {
  if (argv[0] !== undefined) throw new UsageError(`unexpected argument '${utf8(argv[0])}'`);
  print(utf8(`${join(packageRoot(), 'libexec')}\n`));
  return Promise.resolve(0);
}
