// What images are read from. An ImageSource gives one image, or an index of several; an image gives its configuration
// and its layers as streams. Nothing is unpacked, and what a digest is known of is checked on the way.
import { createHash } from 'node:crypto';
import type { DetectedCompression } from '../../fetch/decompress.ts';
import { StoreError } from '../../util/errors.ts';
import type { Region } from '../archive.ts';
import type { Repository } from '../image-reference.ts';
import type { Annotations, Descriptor, Document } from './documents.ts';
import type { Platform } from './platform.ts';

export type Chunks = AsyncIterable<Uint8Array>;

export interface SourceLayer {
  readonly compression: DetectedCompression;
  /** Of what `chunks` gives; undefined where nobody knows before it is made. */
  readonly descriptor: Descriptor | undefined;
  /** Digest of the plain archive, where it is known. */
  readonly diffId: string | undefined;
  /** Under which results of making it from the same things may be kept; undefined where `diffId` tells. */
  readonly cacheKey?: string;
  /** As it is stored, checked where there is a descriptor. */
  readonly chunks: () => Chunks;
  /** Where it lies on this machine, as it is stored. */
  readonly region?: Region;
  /** Repository of a registry that has it. */
  readonly origin?: Repository;
  /** Shown to people. */
  readonly label: string;
}

export interface SourceImage {
  readonly kind: 'image';
  /** What it is, for messages; a byte string. */
  readonly what: string;
  readonly platform: Platform;
  /** Something else in an image's clothes (an attestation, a chart): it can be copied as it is, no more. */
  readonly artifact?: boolean;
  /** As it is stored; undefined where there is none of this form. */
  readonly manifest: Document | undefined;
  readonly annotations: Annotations;
  /** Bottom one first. */
  readonly layers: readonly SourceLayer[];
  /**
   * The configuration of the image that has these layers.
   * @throws StoreError where it is another image's
   */
  readonly config: (diffIds: readonly string[]) => { readonly bytes: Buffer; readonly mediaType: string };
}

export interface SourceIndex {
  readonly kind: 'index';
  readonly what: string;
  /** As it is stored; undefined for one that is made of images. */
  readonly document: Document | undefined;
  readonly annotations: Annotations;
  readonly entries: readonly SourceEntry[];
}

export interface SourceEntry {
  readonly platform?: Platform;
  readonly descriptor: Descriptor | undefined;
  readonly load: () => Promise<SourceImage | SourceIndex>;
}

export interface ImageSource {
  /** What it is, for messages; a byte string. */
  readonly what: string;
  readonly open: () => Promise<SourceImage | SourceIndex>;
  /** It was made of what was asked for, and holds nothing else. */
  readonly made?: boolean;
  /** Name that it has there: `NAME:TAG`, as people write it. */
  readonly name?: string | undefined;
  /** Removes what was unpacked for reading. */
  readonly close: () => Promise<void>;
}

/** The same chunks; fails at the end where size or digest are not the descriptor's, and as soon as there are too many. */
export async function* verified(
  chunks: Chunks,
  { digest, size }: Descriptor,
  what: string,
): AsyncGenerator<Uint8Array> {
  const hash = createHash('sha256');
  let seen = 0;
  for await (const chunk of chunks) {
    seen += chunk.length;
    if (seen > size) throw new StoreError(`${what} is larger than the ${size} bytes that its manifest says`);
    hash.update(chunk);
    yield chunk;
  }
  if (seen < size) throw new StoreError(`${what} is cut short: ${seen} of ${size} bytes`);
  const found = `sha256:${hash.digest('hex')}`;
  if (found !== digest) throw new StoreError(`${what} has the digest ${found}, not ${digest}`);
}

/** For images that have one configuration, whatever is done with their layers. @throws StoreError */
export function fixedConfig(
  bytes: Buffer,
  mediaType: string,
  named: readonly string[],
  what: string,
): SourceImage['config'] {
  return (diffIds) => {
    if (diffIds.length !== named.length || diffIds.some((id, i) => id !== named[i])) {
      throw new StoreError(`the layers of ${what} are not those that its configuration names`);
    }
    return { bytes, mediaType };
  };
}
