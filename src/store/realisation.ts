// The build trace, entry by entry: what an output of a resolved derivation came to be, and who vouches for it. In binary
// caches `build-trace-v2/DRV/OUTPUT.doi`, JSON; see the Nix manual, "Build Trace Entry".
import { NixError, StoreError } from '../util/errors.ts';
import { isSignature, isTrustedSignature, type SecretKey, type TrustedKeys } from './signatures.ts';
import { baseName, checkStoreName, storePathFromBaseName } from './store-path.ts';
import type { StorePath } from './store.ts';

export interface Realisation {
  /** Resolved: it has no input derivations any more. */
  readonly drvPath: StorePath;
  readonly output: string;
  readonly outPath: StorePath;
  /** `NAME:BASE64` */
  readonly signatures: readonly string[];
}

/** Longest file that is read. */
export const maxRealisationBytes = 64 * 1024;

/** The file of an entry, relative to its cache. @throws StoreError for a name that is none */
export function realisationName(drvPath: StorePath, output: string): string {
  checkStoreName(output);
  return `build-trace-v2/${baseName(drvPath)}/${output}.doi`;
}

/** What is signed. */
function fingerprint({ drvPath, output, outPath }: Omit<Realisation, 'signatures'>): string {
  const key = { drvPath: baseName(drvPath), outputName: output };
  return JSON.stringify({ key, value: { outPath: baseName(outPath) } });
}

/** With a signature by each key; what is there stays. */
export function signRealisation(realisation: Realisation, keys: readonly SecretKey[]): Realisation {
  if (keys.length === 0) return realisation;
  const text = fingerprint(realisation);
  const signatures = new Set([...realisation.signatures, ...keys.map((key) => key.sign(text))]);
  return { ...realisation, signatures: [...signatures].sort() };
}

export function isTrustedRealisation(realisation: Realisation, keys: TrustedKeys): boolean {
  const text = fingerprint(realisation);
  return realisation.signatures.some((signature) => isTrustedSignature(text, signature, keys));
}

/** The entry without what it is about: the contents of its file. */
export function printRealisation({ outPath, signatures }: Realisation): string {
  const asJson = (signature: string): { keyName: string; sig: string } => {
    const colon = signature.indexOf(':');
    return { keyName: signature.slice(0, colon), sig: signature.slice(colon + 1) };
  };
  return JSON.stringify({ outPath: baseName(outPath), signatures: signatures.map(asJson) });
}

/**
 * Reads what a cache says; signatures as objects, or as texts of old.
 * @throws StoreError for what is no entry
 */
export function parseRealisation(
  text: string,
  { drvPath, output }: Pick<Realisation, 'drvPath' | 'output'>,
  whence: string,
  storeDir: string,
): Realisation {
  const corrupt = (): StoreError =>
    new StoreError(`file '${whence}' is no build trace value for '${baseName(drvPath)}^${output}'`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw corrupt();
  }
  if (typeof value !== 'object' || value === null) throw corrupt();
  const { outPath, signatures = [] } = value as { outPath?: unknown; signatures?: unknown };
  if (typeof outPath !== 'string' || !Array.isArray(signatures)) throw corrupt();
  const texts = signatures.map((signature: unknown) => {
    const { keyName, sig } = (typeof signature === 'object' && signature !== null ? signature : {}) as {
      keyName?: unknown;
      sig?: unknown;
    };
    const plain =
      typeof signature === 'string'
        ? signature
        : typeof keyName === 'string' && typeof sig === 'string'
          ? `${keyName}:${sig}`
          : '';
    if (!isSignature(plain)) throw corrupt();
    return plain;
  });
  try {
    return { drvPath, output, outPath: storePathFromBaseName(outPath, storeDir), signatures: texts };
  } catch (error) {
    if (error instanceof NixError) throw corrupt();
    throw error;
  }
}
