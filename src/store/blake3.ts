// BLAKE3, which Node's crypto has not got, behind the experimental feature `blake3-hashes`. The feature is the program's,
// as in Nix: hashes are read in places that know no settings.
import { blake3 } from '@noble/hashes/blake3.js';
import { StoreError } from '../util/errors.ts';

let allowed = false;

/** The feature is on, from now on. */
export function allowBlake3(): void {
  allowed = true;
}

/** @throws StoreError as Nix says it, where the feature is off */
export function requireBlake3(): void {
  if (allowed) return;
  throw new StoreError(
    "experimental Nix feature 'blake3-hashes' is disabled; add '--extra-experimental-features blake3-hashes' to enable it",
  );
}

/** A hash of what comes in pieces. */
export function createBlake3(): { update(chunk: Uint8Array): void; digest(): Uint8Array } {
  const hash = blake3.create();
  return {
    update: (chunk) => {
      hash.update(chunk);
    },
    digest: () => Buffer.from(hash.digest()),
  };
}

export function hashBlake3(bytes: Uint8Array): Buffer {
  return Buffer.from(blake3(bytes));
}
