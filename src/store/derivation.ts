// Derivations as data (STUB: types are the contract). ATerm, hash modulo and output paths: aterm.ts, hash-modulo.ts.
import type { StorePath } from './store.ts';

export type DerivationOutput =
  | { readonly kind: 'inputAddressed'; readonly path: StorePath }
  | {
      readonly kind: 'fixed';
      readonly path: StorePath;
      readonly method: 'flat' | 'nar' | 'text' | 'git';
      readonly algorithm: HashAlgorithm;
      readonly hash: Uint8Array;
    }
  | { readonly kind: 'floating'; readonly method: 'flat' | 'nar' | 'text' | 'git'; readonly algorithm: HashAlgorithm }
  | { readonly kind: 'deferred' }
  | { readonly kind: 'impure'; readonly method: 'flat' | 'nar' | 'text' | 'git'; readonly algorithm: HashAlgorithm };

export type HashAlgorithm = 'md5' | 'sha1' | 'sha256' | 'sha512';

/** All strings are byte strings. Maps iterate in bytewise order of keys once printed or parsed. */
export interface Derivation {
  /** Without `.drv`. */
  readonly name: string;
  readonly outputs: ReadonlyMap<string, DerivationOutput>;
  readonly inputDrvs: ReadonlyMap<StorePath, readonly string[]>;
  readonly inputSrcs: readonly StorePath[];
  readonly system: string;
  readonly builder: string;
  readonly args: readonly string[];
  readonly env: ReadonlyMap<string, string>;
}
