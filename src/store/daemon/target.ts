// What is to be built, as Nix's protocols write it.
import { parseStorePath } from '../store-path.ts';
import type { StorePath } from '../store.ts';

/** `PATH` or `DRV!OUT,OUT`: the path, and names of outputs. @throws StoreError */
export function splitTarget(target: string, storeDir: string): readonly [StorePath, readonly string[] | undefined] {
  const bang = target.indexOf('!');
  if (bang < 0) return [parseStorePath(target, storeDir), undefined];
  return [parseStorePath(target.slice(0, bang), storeDir), target.slice(bang + 1).split(',')];
}
