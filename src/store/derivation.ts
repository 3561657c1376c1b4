// Derivations as data. Text (ATerm): aterm.ts; output paths and hashes: hash-modulo.ts.
import type { StorePath } from './store.ts';

export type HashAlgorithm = 'blake3' | 'md5' | 'sha1' | 'sha256' | 'sha512';

/** How a content-addressed output is hashed: `nar` is outputHashMode "recursive". */
export type ContentAddressMethod = 'flat' | 'nar' | 'text' | 'git';

export type DerivationOutput =
  | { readonly kind: 'inputAddressed'; readonly path: StorePath }
  | {
      readonly kind: 'fixed';
      readonly path: StorePath;
      readonly method: ContentAddressMethod;
      readonly algorithm: HashAlgorithm;
      readonly hash: Uint8Array;
    }
  | { readonly kind: 'floating'; readonly method: ContentAddressMethod; readonly algorithm: HashAlgorithm }
  | { readonly kind: 'deferred' }
  | { readonly kind: 'impure'; readonly method: ContentAddressMethod; readonly algorithm: HashAlgorithm };

/** Outputs of a derivation that is itself an output (dynamic derivations), and outputs of those in turn. */
export interface DynamicInput {
  readonly outputs: readonly string[];
  readonly children: ReadonlyMap<string, DynamicInput>;
}

/** All strings are byte strings. Maps iterate in bytewise order of keys once printed or parsed. */
export interface Derivation {
  /** Without `.drv`. */
  readonly name: string;
  readonly outputs: ReadonlyMap<string, DerivationOutput>;
  /** Outputs wanted of each input derivation, sorted. */
  readonly inputDrvs: ReadonlyMap<StorePath, readonly string[]>;
  /** Per input derivation: what is wanted of the derivations that its outputs are. Only with dynamic derivations. */
  readonly dynamicInputs?: ReadonlyMap<StorePath, ReadonlyMap<string, DynamicInput>>;
  readonly inputSrcs: readonly StorePath[];
  readonly system: string;
  readonly builder: string;
  readonly args: readonly string[];
  /** Structured attributes are the variable `__json`, as in the ATerm. */
  readonly env: ReadonlyMap<string, string>;
}

/** Static path of an output; undefined where it is known only after building. */
export function staticOutputPath(output: DerivationOutput): StorePath | undefined {
  return output.kind === 'inputAddressed' || output.kind === 'fixed' ? output.path : undefined;
}

/** Name part of an output's store path: `hello`, `hello-dev`. */
export function outputPathName(drvName: string, output: string): string {
  return output === 'out' ? drvName : `${drvName}-${output}`;
}

/** Prefix of a method in the ATerm and in content addresses: `r:` for nar. */
export function methodPrefix(method: ContentAddressMethod): string {
  switch (method) {
    case 'flat':
      return '';
    case 'nar':
      return 'r:';
    case 'text':
      return 'text:';
    case 'git':
      return 'git:';
  }
}

/** Fixed-output derivations have one output, `out`, of known hash. */
export function isFixedOutput(drv: Derivation): boolean {
  for (const output of drv.outputs.values()) if (output.kind === 'fixed') return true;
  return false;
}

/** Impure derivations are built anew each time. */
export function isImpure(drv: Derivation): boolean {
  for (const output of drv.outputs.values()) if (output.kind === 'impure') return true;
  return false;
}

/** Fixed outputs and impure derivations may use the network and the caller's environment. */
export function mayReachOut(drv: Derivation): boolean {
  return isFixedOutput(drv) || isImpure(drv);
}

/** Keys in bytewise order. */
export function sortedKeys<K extends string>(map: ReadonlyMap<K, unknown>): K[] {
  const keys = [...map.keys()];
  for (let i = 1; i < keys.length; i++) {
    // Byte strings: the default order, by UTF-16 units, is the order of bytes.
    if (keys[i - 1]! > keys[i]!) return keys.sort();
  }
  return keys;
}

/** A new map with keys in bytewise order. */
export function sortedMap<K extends string, V>(map: ReadonlyMap<K, V>): Map<K, V> {
  const out = new Map<K, V>();
  for (const key of sortedKeys(map)) out.set(key, map.get(key)!);
  return out;
}
