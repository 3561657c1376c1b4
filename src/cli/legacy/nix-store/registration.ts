// `nix-store --dump-db`, `--load-db`, `--register-validity`: what the database says, as text.
import { readFileSync } from 'node:fs';
import { parseRegistration } from '../../../store/load-registration.ts';
import { printRegistration } from '../../../store/query.ts';
import { fromBuffer } from '../../../util/bytes.ts';
import { UsageError } from '../../../util/errors.ts';
import { print } from '../../output.ts';
import { allowFlags, hasFlag, localStore, namedPath, noArguments, type Operation } from './operation.ts';

export function dumpDb(operation: Operation): number {
  if (operation.flags.length > 0) throw new UsageError('unknown flag');
  const { store } = operation;
  const paths = operation.args.map((arg) => namedPath(operation, arg));
  for (const path of paths) print(printRegistration(store, [path]));
  if (paths.length === 0) print(printRegistration(store, store.validPaths()));
  return 0;
}

interface RegistrationMode {
  /** Paths that are valid already, too. */
  readonly reregister: boolean;
  /** The text has hashes and sizes. */
  readonly hashGiven: boolean;
  readonly canonicalise: boolean;
}

function register(operation: Operation, mode: RegistrationMode): void {
  const store = localStore(operation);
  const text = fromBuffer(readFileSync(0));
  const infos = parseRegistration(text, store.storeDir, mode.hashGiven)
    .filter(({ path }) => mode.reregister || !store.isValidPath(path))
    .map((info) => {
      const real = store.realPath(info.path);
      if (mode.canonicalise) store.canonicalisePath(real);
      return mode.hashGiven ? info : { ...info, ...store.hashPath(real) };
    });
  store.registerValidPaths([...new Map(infos.map((info) => [info.path, info])).values()]);
}

export function loadDb(operation: Operation): number {
  if (operation.flags.length > 0) throw new UsageError('unknown flag');
  noArguments(operation);
  register(operation, { reregister: true, hashGiven: true, canonicalise: false });
  return 0;
}

export function registerValidity(operation: Operation): number {
  allowFlags(operation, ['reregister', 'hash-given']);
  noArguments(operation);
  register(operation, {
    reregister: hasFlag(operation, 'reregister'),
    hashGiven: hasFlag(operation, 'hash-given'),
    canonicalise: true,
  });
  return 0;
}
