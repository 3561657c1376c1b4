// Texts that stand for output paths until those are known; replaced when a derivation is built.
// See the Nix manual, "Placeholders".
import { compressHash, hashString } from './hash.ts';
import { outputPathName } from './derivation.ts';
import { encodeNix32 } from './nix32.ts';
import { hashPart, storePathName } from './store-path.ts';
import type { StorePath } from './store.ts';

/** What a derivation calls its own output (builtins.placeholder). */
export function outputPlaceholder(output: string): string {
  return `/${encodeNix32(hashString('sha256', `nix-output:${output}`))}`;
}

/** What others call an output of `drvPath` whose path is not known before it is built: 32 bytes. */
function upstreamHash(drvPath: StorePath, output: string): Uint8Array {
  const drvName = storePathName(drvPath).slice(0, -'.drv'.length);
  return hashString('sha256', `nix-upstream-output:${hashPart(drvPath)}:${outputPathName(drvName, output)}`);
}

/**
 * Placeholder of an output reached from `drvPath` by `outputs`: of the derivation itself, then of the derivation
 * that this output is, and so on.
 */
export function downstreamPlaceholder(drvPath: StorePath, outputs: readonly string[]): string {
  let hash = upstreamHash(drvPath, outputs[0]!);
  for (const output of outputs.slice(1)) {
    hash = hashString('sha256', `nix-computed-output:${encodeNix32(compressHash(hash, 20))}:${output}`);
  }
  return `/${encodeNix32(hash)}`;
}
