// `nix-store --add`, `--add-fixed`, `--print-fixed-path`: what is known by its contents.
import { parseHash, parseHashAlgorithm } from '../../../store/hash.ts';
import { canonPath, makeFixedOutputPath } from '../../../store/store-path.ts';
import { utf8 } from '../../../util/bytes.ts';
import { UsageError } from '../../../util/errors.ts';
import { print } from '../../output.ts';
import { allowFlags, hasFlag, type Operation } from './operation.ts';

function absolute(path: string): string {
  return canonPath(path.startsWith('/') ? path : `${utf8(process.cwd())}/${path}`);
}

/** The last part of a path, whatever slashes follow. */
function baseNameOf(path: string): string {
  const trimmed = path.replace(/\/+$/, '');
  return trimmed.slice(trimmed.lastIndexOf('/') + 1);
}

export function add(operation: Operation): number {
  if (operation.flags.length > 0) throw new UsageError('unknown flag');
  const { store } = operation;
  for (const arg of operation.args) {
    print(`${store.addPath(absolute(arg), { name: baseNameOf(arg), method: 'nar' })}\n`);
  }
  store.flush();
  return 0;
}

export function addFixed(operation: Operation): number {
  allowFlags(operation, ['recursive']);
  const [type, ...files] = operation.args;
  if (type === undefined) throw new UsageError('first argument must be hash algorithm');
  const algorithm = parseHashAlgorithm(type);
  const method = hasFlag(operation, 'recursive') ? 'nar' : 'flat';
  const { store } = operation;
  for (const file of files) {
    const options = { name: baseNameOf(file), method, algorithm, keepExecutable: true } as const;
    print(`${store.addPath(absolute(file), options)}\n`);
  }
  store.flush();
  return 0;
}

export function printFixedPath(operation: Operation): number {
  allowFlags(operation, ['recursive']);
  const [type, hash, name] = operation.args;
  if (operation.args.length !== 3) throw new UsageError("'--print-fixed-path' requires three arguments");
  const { algorithm, digest } = parseHash(hash!, parseHashAlgorithm(type!));
  const method = hasFlag(operation, 'recursive') ? 'nar' : 'flat';
  print(`${makeFixedOutputPath({ name: name!, method, algorithm, hash: digest }, operation.store.storeDir)}\n`);
  return 0;
}
