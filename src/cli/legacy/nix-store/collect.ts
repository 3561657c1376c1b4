// `nix-store --gc` and `--delete`.
import { utf8 } from '../../../util/bytes.ts';
import { UsageError } from '../../../util/errors.ts';
import { renderSize } from '../../../util/render-size.ts';
import { collect, collectable, type Collected } from '../../collect.ts';
import { print } from '../../output.ts';
import { allowFlags, hasFlag, namedPath, noArguments, type Operation } from './operation.ts';
import { allRoots } from './query.ts';

/** `500`, `2G`. @throws UsageError in Nix's words */
export function parseByteCount(text: string): number {
  const unit = /[A-Za-z]$/.exec(text)?.[0].toUpperCase() ?? '';
  const power = ['', 'K', 'M', 'G', 'T'].indexOf(unit);
  if (power < 0) throw new UsageError(`invalid unit specifier '${unit}'`);
  const digits = text.slice(0, text.length - unit.length);
  if (!/^-?\d{1,15}$/.test(digits)) throw new UsageError(`'${utf8(digits)}' is not an integer`);
  return Number(digits) * 1024 ** power;
}

export function printFreed(result: Collected): void {
  print(`${String(result.paths.length)} store paths deleted, ${renderSize(result.bytesFreed)} freed\n`);
}

export function gc(operation: Operation): number {
  const store = collectable(operation.store);
  let action: 'live' | 'dead' | 'delete' = 'delete';
  let printRoots = false;
  let maxFreedBytes: number | undefined;
  for (const { name, word, args } of operation.flags) {
    if (name === 'print-roots') printRoots = true;
    else if (name === 'print-live') action = 'live';
    else if (name === 'print-dead') action = 'dead';
    else if (name === 'max-freed') maxFreedBytes = Math.max(0, parseByteCount(args[0]!));
    else throw new UsageError(`bad sub-operation '${utf8(word)}' in GC`);
  }
  noArguments(operation);
  if (maxFreedBytes !== undefined && (printRoots || action !== 'delete')) {
    throw new UsageError('option --max-freed cannot be combined with --print-live, --print-dead, or --print-roots');
  }
  if (printRoots) {
    for (const [link, path] of allRoots(operation)) print(`${link} -> ${path}\n`);
    return 0;
  }
  const { config } = operation;
  const result = collect(store, config, { action, ...(maxFreedBytes === undefined ? {} : { maxFreedBytes }) });
  if (action === 'delete') printFreed(result);
  else print(result.paths.map((path) => `${path}\n`).join(''));
  return 0;
}

export function deletePaths(operation: Operation): number {
  allowFlags(operation, ['ignore-liveness']);
  const store = collectable(operation.store);
  const paths = [...new Set(operation.args.map((arg) => namedPath(operation, arg)))];
  let result: Collected = { paths: [], bytesFreed: 0 };
  try {
    if (paths.length > 0) {
      const ignoreLiveness = hasFlag(operation, 'ignore-liveness');
      result = collect(store, operation.config, { action: 'delete', paths, ignoreLiveness });
    }
  } finally {
    printFreed(result);
  }
  return 0;
}
