// A derivation enters the store only with the output paths that its text leads to: whoever could register others could
// make the store believe that any path is the output of any derivation.
import { StoreError } from '../util/errors.ts';
import { parseDerivation } from './aterm.ts';
import { staticOutputPath } from './derivation.ts';
import type { Derivation } from './derivation.ts';
import type { DerivationHashes } from './hash-modulo.ts';
import { storePathName } from './store-path.ts';
import type { StorePath } from './store.ts';

/** @throws StoreError where the text is no derivation */
export function parseStoredDerivation(drvPath: StorePath, text: string, storeDir: string): Derivation {
  try {
    return parseDerivation(text, storePathName(drvPath).replace(/\.drv$/, ''), storeDir);
  } catch (error) {
    throw new StoreError(`error parsing derivation '${drvPath}': ${(error as Error).message}`, { cause: error });
  }
}

/**
 * The outputs that are known without building, by name.
 * @throws StoreError where one is not what it must be
 */
export function checkedOutputs(
  drvPath: StorePath,
  text: string,
  storeDir: string,
  hashes: DerivationHashes,
): Map<string, StorePath> {
  const drv = parseStoredDerivation(drvPath, text, storeDir);
  const outputs = new Map<string, StorePath>();
  let expected: Map<string, StorePath> | null | undefined;
  for (const [name, output] of drv.outputs) {
    const path = staticOutputPath(output);
    if (path === undefined) continue;
    if (output.kind === 'inputAddressed') {
      expected ??= hashes.inputAddressedPaths(drv);
      const wanted = expected?.get(name);
      if (wanted !== path) {
        throw new StoreError(
          `derivation '${drvPath}' has incorrect output '${path}', should be '${wanted ?? 'known only after building'}'`,
        );
      }
    }
    outputs.set(name, path);
  }
  return outputs;
}
