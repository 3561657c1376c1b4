// A store as it would be without one of its valid paths: what comes for that path takes the place of what is there.
import type { StorePath } from '../../store/store.ts';
import type { ReceivingStore } from './arrivals.ts';

export function repairing(store: ReceivingStore, path: StorePath): ReceivingStore {
  let repaired = false;
  return {
    storeDir: store.storeDir,
    isValidPath: (other) => (other === path ? repaired : store.isValidPath(other)),
    addTempRoot: (other) => {
      store.addTempRoot(other);
    },
    makeTempDir: () => store.makeTempDir(),
    holdOffCollector: () => store.holdOffCollector(),
    lockPaths: (paths, options) => store.lockPaths(paths, options),
    moveIntoStore: (real, other) => {
      if (other === path) store.replaceValidPath(real, other);
      else store.moveIntoStore(real, other);
    },
    replaceValidPath: (real, other) => {
      store.replaceValidPath(real, other);
    },
    registerValidPaths: (infos) => {
      store.registerValidPaths(infos);
      if (infos.some((info) => info.path === path)) repaired = true;
    },
  };
}
