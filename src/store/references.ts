// Finding references: a file system object refers to a store path if the path's hash part occurs anywhere in its NAR.
// Most positions are skipped: if byte i+31 is no nix32 character, no hash part starts at i…i+31.
import { StoreError } from '../util/errors.ts';
import { createHasher } from './hash.ts';
import { dumpNar } from './nar-dump.ts';
import type { NarHash } from './nar-dump.ts';
import { nix32Digits } from './nix32.ts';
import { hashPart, hashPartLength } from './store-path.ts';
import type { StorePath } from './store.ts';

/** Takes bytes in chunks of any size; tells which candidates' hash parts occurred. */
export class ReferenceScanner {
  private readonly wanted = new Map<string, StorePath[]>();
  private readonly found = new Set<string>();
  /** By the first three digits of a hash part: may it be one of ours? Spares making most strings. */
  private readonly sieve = new Uint8Array(1 << 15);
  /** The last bytes seen, fewer than a hash part has. */
  private readonly tail = new Uint8Array(2 * (hashPartLength - 1));
  private tailLength = 0;

  constructor(candidates: Iterable<StorePath>) {
    for (const path of candidates) {
      const hash = hashPart(path);
      const same = this.wanted.get(hash);
      if (same !== undefined) {
        if (!same.includes(path)) same.push(path);
        continue;
      }
      this.wanted.set(hash, [path]);
      this.sieve[
        (nix32Digits[hash.charCodeAt(0)]! << 10) |
          (nix32Digits[hash.charCodeAt(1)]! << 5) |
          nix32Digits[hash.charCodeAt(2)]!
      ] = 1;
    }
  }

  write(chunk: Uint8Array): void {
    if (this.found.size === this.wanted.size) return;
    const overlap = hashPartLength - 1;
    const { tail } = this;
    if (this.tailLength > 0) {
      const count = Math.min(overlap, chunk.length);
      tail.set(chunk.subarray(0, count), this.tailLength);
      this.search(tail, this.tailLength + count);
    }
    this.search(chunk, chunk.length);
    if (chunk.length >= overlap) {
      tail.set(chunk.subarray(chunk.length - overlap));
      this.tailLength = overlap;
    } else {
      if (this.tailLength === 0) tail.set(chunk);
      const total = this.tailLength + chunk.length;
      if (total > overlap) tail.copyWithin(0, total - overlap, total);
      this.tailLength = Math.min(total, overlap);
    }
  }

  private search(bytes: Uint8Array, length: number): void {
    const digits = nix32Digits;
    const { sieve } = this;
    const last = length - hashPartLength;
    // [i, known) is known to be nix32 characters: runs longer than a hash part are looked at once only.
    let known = 0;
    for (let i = 0; i <= last;) {
      let j = i + hashPartLength - 1;
      const stop = known > i ? known : i;
      while (j >= stop && digits[bytes[j]!]! < 32) j--;
      if (j >= stop) {
        i = j + 1;
        continue;
      }
      known = i + hashPartLength;
      if (sieve[(digits[bytes[i]!]! << 10) | (digits[bytes[i + 1]!]! << 5) | digits[bytes[i + 2]!]!] === 1) {
        const hash = String.fromCharCode(...bytes.subarray(i, i + hashPartLength));
        if (this.wanted.has(hash)) this.found.add(hash);
      }
      i++;
    }
  }

  /** Candidates that occurred so far, sorted. */
  result(): StorePath[] {
    const paths: StorePath[] = [];
    for (const hash of this.found) paths.push(...this.wanted.get(hash)!);
    return paths.sort();
  }
}

/** Which of `candidates` the object at `realPath` refers to, sorted. */
export function scanReferences(realPath: string, candidates: Iterable<StorePath>): StorePath[] {
  const scanner = new ReferenceScanner(candidates);
  dumpNar(realPath, (chunk) => {
    scanner.write(chunk);
  });
  return scanner.result();
}

/** NAR hash and references in one reading. */
export function hashAndScan(
  realPath: string,
  candidates: Iterable<StorePath>,
): NarHash & { readonly references: StorePath[] } {
  const scanner = new ReferenceScanner(candidates);
  const hasher = createHasher('sha256');
  let size = 0;
  dumpNar(realPath, (chunk) => {
    hasher.update(chunk);
    scanner.write(chunk);
    size += chunk.length;
  });
  return { hash: hasher.digest(), size, references: scanner.result() };
}

/**
 * Paths with everything they refer to among themselves, dependencies first. Self-references are ignored.
 * @param references of a path; paths outside `paths` are ignored unless `follow` (then they are included)
 * @throws StoreError for a cycle, in Nix's words
 */
export function topologicalSort(
  paths: readonly StorePath[],
  references: (path: StorePath) => readonly StorePath[],
  follow = false,
): StorePath[] {
  const among = follow ? undefined : new Set(paths);
  const sorted: StorePath[] = [];
  const done = new Set<StorePath>();
  const open = new Set<StorePath>();
  // An explicit stack: chains of references may be longer than ours.
  const stack: { readonly path: StorePath; readonly references: readonly StorePath[]; next: number }[] = [];
  const visit = (path: StorePath, from: StorePath): void => {
    if (done.has(path)) return;
    if (open.has(path)) {
      throw new StoreError(`cycle detected in the references of '${path}' from '${from}'`);
    }
    open.add(path);
    stack.push({ path, references: references(path), next: 0 });
  };
  for (const root of paths) {
    visit(root, root);
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      if (top.next === top.references.length) {
        stack.pop();
        open.delete(top.path);
        done.add(top.path);
        sorted.push(top.path);
        continue;
      }
      const reference = top.references[top.next++]!;
      if (reference !== top.path && (among === undefined || among.has(reference))) visit(reference, top.path);
    }
  }
  return sorted;
}
