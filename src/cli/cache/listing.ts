// A folder's names and their types as one hash.
import { listFolder, type Listing } from '../../eval/folder.ts';

/** @throws where it can't be listed */
export function listingHash(path: string): string {
  return hashOfListing(listFolder(path));
}

/** In whatever order they come. Stamps find changes; this only tells which of them are none. */
export function hashOfListing(entries: Listing): string {
  let low = entries.length;
  let high = 0;
  for (const [name, type] of entries) {
    let a = type.charCodeAt(0);
    let b = name.length;
    for (let i = 0; i < name.length; i++) {
      const c = name.charCodeAt(i);
      a = Math.imul(a ^ c, 0x85ebca6b);
      a ^= a >>> 15;
      b = Math.imul(b + c, 0xc2b2ae35) ^ a;
      b ^= b >>> 13;
    }
    low = (low + a) | 0;
    high = (high + Math.imul(b, 0x9e3779b1)) | 0;
  }
  return `${entries.length}:${low}:${high}`;
}
