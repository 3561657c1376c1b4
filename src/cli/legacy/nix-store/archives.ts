// `nix-store --dump`, `--restore`, `--export`, `--import`: objects as streams of bytes.
import { exportPaths, importPaths } from '../../../store/export-import.ts';
import { dumpNar } from '../../../store/nar-dump.ts';
import { restoreNarFromFd } from '../../../store/nar-restore.ts';
import { WireInput } from '../../../store/wire-input.ts';
import { UsageError } from '../../../util/errors.ts';
import { print, printBytes } from '../../output.ts';
import { allowFlags, localStore, namedPath, noArguments, type Operation } from './operation.ts';

/** The sole argument. @throws UsageError */
function soleArgument(operation: Pick<Operation, 'flags' | 'args'>): string {
  if (operation.flags.length > 0) throw new UsageError('unknown flag');
  if (operation.args.length !== 1) throw new UsageError('only one argument allowed');
  return operation.args[0]!;
}

export function dump(operation: Pick<Operation, 'flags' | 'args'>): number {
  dumpNar(soleArgument(operation), printBytes);
  return 0;
}

export function restore(operation: Pick<Operation, 'flags' | 'args'>): number {
  restoreNarFromFd(soleArgument(operation), 0);
  return 0;
}

export function exportStorePaths(operation: Operation): number {
  allowFlags(operation);
  const paths = new Set(operation.args.map((arg) => namedPath(operation, arg)));
  exportPaths(operation.store, [...paths], printBytes);
  return 0;
}

export function importStorePaths(operation: Operation): number {
  allowFlags(operation);
  noArguments(operation);
  for (const path of importPaths(localStore(operation), new WireInput(0))) print(`${path}\n`);
  return 0;
}
