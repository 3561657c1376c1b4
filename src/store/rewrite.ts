// Replacing hash parts of store paths in an output. Needed where a build could not write to its final path, because a
// valid object lies there already and no sandbox hides it: it wrote to another path of the same length.
import { createHasher } from './hash.ts';
import type { HashAlgorithm } from './hash.ts';
import { narChunks } from './nar.ts';
import { restoreChunks } from './nar-ingest.ts';
import { hashPartLength } from './store-path.ts';

/**
 * Chunks with every hash part replaced, also those that lie across a border of chunks.
 * @param rewrites from hash part to hash part, 32 characters each
 * @param onMatch told the offset of each in the whole
 */
export function* rewriteChunks(
  chunks: Iterable<Uint8Array>,
  rewrites: ReadonlyMap<string, string>,
  onMatch?: (offset: number) => void,
): Generator<Buffer, void> {
  let kept = Buffer.alloc(0);
  let start = 0;
  for (const chunk of chunks) {
    const buffer = Buffer.concat([kept, chunk]);
    for (const [from, to] of rewrites) {
      for (
        let at = buffer.indexOf(from, 0, 'latin1');
        at >= 0;
        at = buffer.indexOf(from, at + hashPartLength, 'latin1')
      ) {
        buffer.write(to, at, 'latin1');
        onMatch?.(start + at);
      }
    }
    const end = Math.max(0, buffer.length - (hashPartLength - 1));
    kept = Buffer.from(buffer.subarray(end));
    start += end;
    yield buffer.subarray(0, end);
  }
  yield kept;
}

/** Writes the object at `from` to `to`, where nothing exists, with its hash parts replaced. */
export function rewriteObject(from: string, to: string, rewrites: ReadonlyMap<string, string>): void {
  restoreChunks(to, rewriteChunks(narChunks(from), rewrites));
}

/**
 * Digest in which the object's own hash part counts for nothing but its places: what a content address is made of.
 * See the Nix manual, "Content-addressing store objects: self-references".
 */
export function hashModuloSelf(chunks: Iterable<Uint8Array>, self: string, algorithm: HashAlgorithm): Uint8Array {
  const hasher = createHasher(algorithm);
  const places: number[] = [];
  const blank = new Map([[self, '\0'.repeat(hashPartLength)]]);
  for (const chunk of rewriteChunks(chunks, blank, (offset) => places.push(offset))) hasher.update(chunk);
  for (const place of places) hasher.update(Buffer.from(`|${place}`));
  return hasher.digest();
}
