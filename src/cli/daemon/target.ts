// What is to be built, as Nix's protocols write it.
import type { BuildTarget } from '../../build/realise-options.ts';
import { isDerivationPath, parseStorePath } from '../../store/store-path.ts';

/** `PATH`, `DRV`, `DRV!*`, `DRV!OUT,OUT`. @param bare what a derivation without outputs means @throws StoreError */
export function readTarget(text: string, storeDir: string, bare: 'outputs' | 'itself' = 'outputs'): BuildTarget {
  const bang = text.indexOf('!');
  const path = parseStorePath(bang < 0 ? text : text.slice(0, bang), storeDir);
  if (!isDerivationPath(path) || (bang < 0 && bare === 'itself')) return { kind: 'path', path };
  const outputs = bang < 0 || text.slice(bang + 1) === '*' ? 'all' : text.slice(bang + 1).split(',');
  return { kind: 'derivation', drvPath: path, outputs };
}
