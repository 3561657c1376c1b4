// What images are written to. Blobs come first, then manifests, then `commit` makes it all visible at once; before that
// nothing is to be seen at the destination, and `abort` takes back what was put there.
import type { Repository } from '../image-reference.ts';
import type { Descriptor, Document } from './documents.ts';
import type { Chunks } from './source.ts';

export interface Stored {
  readonly digest: string;
  /** Bytes. */
  readonly size: number;
}

export interface WrittenImage {
  readonly config: Buffer;
  readonly diffIds: readonly string[];
}

export interface ImageDestination {
  /** For messages; a byte string. */
  readonly what: string;
  /** One image of plain layers, by their digests; manifests are not kept. */
  readonly plain: boolean;
  /** How many blobs are taken at a time. */
  readonly concurrency: number;
  /** Of how many blobs it is asked at a time whether they are there. */
  readonly lookups: number;
  /** The name of the image there is `@DIGEST`: nothing else may be put. */
  readonly requiredDigest?: string | undefined;
  /**
   * Whether a blob is there already, or could be had from where it is.
   * @param origin repository of a registry that has it
   */
  readonly hasBlob: (blob: Stored, origin?: Repository) => Promise<'missing' | 'exists' | 'mounted'>;
  /** @param known what it must turn out to be; the chunks see to that */
  readonly putBlob: (chunks: Chunks, known?: Stored) => Promise<Stored>;
  /** @param image what the manifest is of; undefined for an index */
  readonly putManifest: (document: Document, image: WrittenImage | undefined) => Promise<void>;
  /** @param root what the destination's name shall mean from now on */
  readonly commit: (root: Descriptor) => Promise<void>;
  readonly abort: () => Promise<void>;
  readonly close: () => void;
}
