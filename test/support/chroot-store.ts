// The store below a folder, as `local?root=…` opens it.
import { LocalStore } from '../../src/store/local-store.ts';

/** Not opened yet: nothing is made before it is asked for something. */
export function chrootStore(root: string): LocalStore {
  return new LocalStore({
    uri: `local?root=${root}`,
    storeDir: '/nix/store',
    realStoreDir: `${root}/nix/store`,
    stateDir: `${root}/nix/var/nix`,
    logDir: `${root}/nix/var/log/nix`,
    fsyncMetadata: false,
  });
}
