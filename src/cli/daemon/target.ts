// What is to be built, as Nix's protocols write it.
import type { BuildTarget } from '../../build/realise-options.ts';
import { splitTarget } from '../../store/daemon/target.ts';
import { isDerivationPath } from '../../store/store-path.ts';

/** `PATH`, `DRV`, `DRV!*`, `DRV!OUT,OUT`. @param bare what a derivation without outputs means @throws StoreError */
export function readTarget(text: string, storeDir: string, bare: 'outputs' | 'itself' = 'outputs'): BuildTarget {
  const [path, names] = splitTarget(text, storeDir);
  if (!isDerivationPath(path) || (names === undefined && bare === 'itself')) return { kind: 'path', path };
  const all = names === undefined || (names.length === 1 && names[0] === '*');
  return { kind: 'derivation', drvPath: path, outputs: all ? 'all' : names };
}
