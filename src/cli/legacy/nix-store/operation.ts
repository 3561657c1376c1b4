// What every operation of nix-store gets: its flags in order, its arguments, and the store.
import { LocalStore } from '../../../store/local-store.ts';
import { followLinksToStorePath } from '../../../store/follow-links.ts';
import type { QueriedStore } from '../../../store/queried-store.ts';
import type { StorePath } from '../../../store/store.ts';
import { utf8 } from '../../../util/bytes.ts';
import { StoreError, UsageError } from '../../../util/errors.ts';
import type { Config } from '../../config.ts';
import type { ParsedFlags } from '../../flags.ts';

export interface OperationFlag {
  /** Long name, without dashes. */
  readonly name: string;
  /** As the user wrote it. */
  readonly word: string;
  readonly args: readonly string[];
}

export interface Operation {
  readonly flags: readonly OperationFlag[];
  /** Byte strings. */
  readonly args: readonly string[];
  readonly config: Config;
  /** All of the command line; the settings among it are in `config` already. */
  readonly parsed: ParsedFlags;
  readonly store: QueriedStore;
}

export type RunOperation = (operation: Operation) => number | Promise<number>;

/** @throws UsageError for the first flag that is not among `known` */
export function allowFlags(operation: Operation, known: readonly string[] = []): void {
  for (const flag of operation.flags) {
    if (!known.includes(flag.name)) throw new UsageError(`unknown flag '${utf8(flag.word)}'`);
  }
}

export function hasFlag(operation: Operation, name: string): boolean {
  return operation.flags.some((flag) => flag.name === name);
}

/** @throws UsageError */
export function noArguments(operation: Operation): void {
  if (operation.args.length > 0) throw new UsageError('no arguments expected');
}

/** The store, if it is one on this machine's disk. @throws StoreError */
export function localStore({ store }: Operation): LocalStore {
  if (store instanceof LocalStore) return store;
  throw new StoreError("you don't have sufficient rights to use this command");
}

/** The store path that an argument names: itself, a path below it, a link to it. @throws StoreError */
export function namedPath(operation: Operation, argument: string): StorePath {
  return followLinksToStorePath(operation.store, argument, utf8(process.cwd()));
}
