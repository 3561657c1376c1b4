// Collecting garbage in the store of the settings: by this process, or by the daemon that has the store.
import { DaemonStore } from '../store/daemon/daemon-store.ts';
import { collectGarbage, type GcOptions, type GcResult } from '../store/gc.ts';
import { LocalStore } from '../store/local-store.ts';
import type { SyncStore } from '../store/store.ts';
import { StoreError } from '../util/errors.ts';
import type { Config } from './config.ts';
import { say } from './output.ts';

export type Collection = Pick<GcOptions, 'action' | 'paths' | 'ignoreLiveness' | 'maxFreedBytes'>;
export type Collected = Pick<GcResult, 'paths' | 'bytesFreed'>;

/** A store that can be collected. @throws StoreError for others */
export function collectable(store: SyncStore): LocalStore | DaemonStore {
  if (store instanceof LocalStore || store instanceof DaemonStore) return store;
  throw new StoreError("you don't have sufficient rights to use this command");
}

/** @throws StoreError; DaemonError, where the daemon won't */
export function collect(store: LocalStore | DaemonStore, config: Config, collection: Collection): Collected {
  if (store instanceof DaemonStore) {
    // What keeps what is for its settings to say.
    const action =
      collection.action === 'delete' && collection.paths !== undefined ? 'delete-specific' : collection.action;
    const { paths, freedBytes } = store.collectGarbage(action, collection);
    return { paths: paths.sort(), bytesFreed: freedBytes };
  }
  return collectGarbage(store, {
    ...collection,
    keepDerivations: config.bool('keep-derivations'),
    keepOutputs: config.bool('keep-outputs'),
    log: say,
  });
}
