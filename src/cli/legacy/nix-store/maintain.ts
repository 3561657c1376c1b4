// `nix-store --verify`, `--verify-path`, `--optimise` and others that look after the store.
import { DaemonStore } from '../../../store/daemon/daemon-store.ts';
import { createHasher, equalDigests, printHash } from '../../../store/hash.ts';
import { Optimiser } from '../../../store/optimise.ts';
import { requirePathInfo } from '../../../store/query.ts';
import { verifyStore } from '../../../store/verify.ts';
import type { LocalStore } from '../../../store/local-store.ts';
import type { QueriedStore } from '../../../store/queried-store.ts';
import type { StorePath } from '../../../store/store.ts';
import { NixError, UsageError } from '../../../util/errors.ts';
import { renderSize } from '../../../util/render-size.ts';
import { say } from '../../output.ts';
import { allowFlags, hasFlag, localStore, namedPath, noArguments, type Operation } from './operation.ts';

export async function verify(operation: Operation): Promise<number> {
  noArguments(operation);
  allowFlags(operation, ['check-contents', 'repair']);
  const repair = hasFlag(operation, 'repair');
  const checkContents = hasFlag(operation, 'check-contents');
  if (operation.store instanceof DaemonStore) {
    const errors = operation.store.verify({ checkContents, repair });
    if (errors) say('warning: not all store errors were fixed');
    return errors ? 1 : 0;
  }
  const errors = await verifyLocalStore(localStore(operation), { checkContents, repair }, operation);
  if (errors) say('warning: not all store errors were fixed');
  return errors ? 1 : 0;
}

/** @returns whether something is wrong and was not put right */
export async function verifyLocalStore(
  store: LocalStore,
  { checkContents, repair }: { readonly checkContents: boolean; readonly repair: boolean },
  operation: Pick<Operation, 'config' | 'parsed'>,
): Promise<boolean> {
  const found = verifyStore(store, { checkContents, removeBadLinks: repair, log: say });
  const damaged = [...found.missing, ...found.modified];
  let errors = found.errors || (damaged.length > 0 && !repair);
  if (repair && damaged.length > 0) {
    const { repairStorePath } = await import('../../repair.ts');
    for (const path of damaged) {
      try {
        await repairStorePath(store, path, operation);
      } catch (error) {
        if (!(error instanceof NixError)) throw error;
        say(`error: ${error.message}`);
        errors = true;
      }
    }
  }
  return errors;
}

/** Whether an object is what was registered. Says so where not. @throws StoreError for an invalid path */
export function checkPathContents(store: QueriedStore, path: StorePath): boolean {
  const { narHash } = requirePathInfo(store, path);
  const hasher = createHasher('sha256');
  store.dumpPath(path, (chunk) => {
    hasher.update(chunk);
  });
  const current = hasher.digest();
  if (equalDigests(current, narHash)) return true;
  const print = (digest: Uint8Array): string => printHash({ algorithm: 'sha256', digest }, 'nix32');
  say(`path '${path}' was modified! expected hash '${print(narHash)}', got '${print(current)}'`);
  return false;
}

export function verifyPath(operation: Operation): number {
  if (operation.flags.length > 0) throw new UsageError('no flags expected');
  const { store } = operation;
  let status = 0;
  for (const arg of operation.args) if (!checkPathContents(store, namedPath(operation, arg))) status = 1;
  return status;
}

export async function repairPath(operation: Operation): Promise<number> {
  if (operation.flags.length > 0) throw new UsageError('no flags expected');
  const store = localStore(operation);
  const { repairStorePath } = await import('../../repair.ts');
  for (const arg of operation.args) await repairStorePath(store, namedPath(operation, arg), operation);
  return 0;
}

export function optimise(operation: Operation): number {
  if (operation.flags.length > 0) throw new UsageError('no arguments expected');
  noArguments(operation);
  if (operation.store instanceof DaemonStore) operation.store.optimise();
  else optimiseStore(localStore(operation));
  return 0;
}

/** Hard-links all files of valid paths that are the same. */
export function optimiseStore(store: LocalStore): void {
  const paths = store.validPaths();
  const optimiser = new Optimiser(store.realStoreDir, { warn: (message) => say(`warning: ${message}`), note: say });
  const release = store.holdOffCollector();
  try {
    optimiser.loadLinks();
    for (const path of paths) if (store.isValidPath(path)) optimiser.optimise(store.realPath(path));
  } finally {
    release();
  }
  say(`${renderSize(optimiser.bytesFreed)} freed by hard-linking ${String(optimiser.filesLinked)} files`);
}

/** `--init`: the database is made when the store is opened. */
export function init(operation: Operation): number {
  if (operation.flags.length > 0) throw new UsageError('unknown flag');
  noArguments(operation);
  localStore(operation).open();
  return 0;
}
