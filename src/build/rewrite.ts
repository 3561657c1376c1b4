// Replacing hash parts of store paths in an output. Needed where a build could not write to its final path, because a
// valid object lies there already and no sandbox hides it: it wrote to another path of the same length.
import { narChunks } from '../store/nar.ts';
import { restoreChunks } from '../store/nar-ingest.ts';
import { hashPartLength } from '../store/store-path.ts';

/**
 * Chunks with every hash part replaced, also those that lie across a border of chunks.
 * @param rewrites from hash part to hash part, 32 characters each
 */
export function* rewriteChunks(
  chunks: Iterable<Uint8Array>,
  rewrites: ReadonlyMap<string, string>,
): Generator<Buffer, void> {
  let kept = Buffer.alloc(0);
  for (const chunk of chunks) {
    const buffer = Buffer.concat([kept, chunk]);
    for (const [from, to] of rewrites) {
      for (
        let at = buffer.indexOf(from, 0, 'latin1');
        at >= 0;
        at = buffer.indexOf(from, at + hashPartLength, 'latin1')
      ) {
        buffer.write(to, at, 'latin1');
      }
    }
    const end = Math.max(0, buffer.length - (hashPartLength - 1));
    kept = Buffer.from(buffer.subarray(end));
    yield buffer.subarray(0, end);
  }
  yield kept;
}

/** Writes the object at `from` to `to`, where nothing exists, with its hash parts replaced. */
export function rewriteObject(from: string, to: string, rewrites: ReadonlyMap<string, string>): void {
  restoreChunks(to, rewriteChunks(narChunks(from), rewrites));
}
