// Copies images from any source to any destination. Blobs that the destination has are not read; layers are made plain,
// gzip or zstd where the destination or the user wants another form, and documents are kept as they are wherever
// nothing that they tell has changed. A failure leaves nothing at the destination.
import { createHash } from 'node:crypto';
import { Slots } from '../../build/slots.ts';
import { StoreError } from '../../util/errors.ts';
import { compress, decompress } from '../compression.ts';
import type { Compression } from '../compression.ts';
import type { ImageDestination, Stored } from './destination.ts';
import { OCI, descriptorOf, indexDocument, manifestDocument } from './documents.ts';
import type { Annotations, Descriptor, Document } from './documents.ts';
import type { LayerCache } from './layer-cache.ts';
import { choosePlatform } from './platform.ts';
import type { Platform } from './platform.ts';
import type { Chunks, ImageSource, SourceEntry, SourceImage, SourceIndex, SourceLayer } from './source.ts';

/** Sees what becomes of blobs. */
export interface CopyObserver {
  /** @param sizeBytes how much is to be read; undefined where nobody knows yet */
  readonly begin: (label: string, sizeBytes: number | undefined) => void;
  readonly advance: (label: string, bytes: number) => void;
  readonly end: (label: string, outcome: 'copied' | 'exists' | 'mounted') => void;
}

export interface CopyOptions {
  /** Which images of an index: that of one machine, of several, or all of them. */
  readonly platforms: readonly Platform[] | 'all';
  /** The form of layers; undefined keeps what is, and compresses what is plain where that is usual. */
  readonly compression?: Compression | undefined;
  /** Added to the manifest (and index). */
  readonly annotations?: Annotations;
  readonly cache?: LayerCache;
  readonly observer?: CopyObserver;
  readonly signal?: AbortSignal | undefined;
}

export interface Copied extends Stored {
  readonly mediaType: string;
  /** Digest of the configuration: what Docker calls the image's id. Undefined for an index. */
  readonly imageId: string | undefined;
}

const NOBODY: CopyObserver = { begin: () => undefined, advance: () => undefined, end: () => undefined };

interface MadeLayer {
  readonly descriptor: Descriptor;
  readonly diffId: string;
}

/** Does `action` for all items, a few at a time, results in order. The first failure ends it. */
async function mapLimited<T, R>(
  items: readonly T[],
  limit: number,
  action: (item: T, index: number) => Promise<R>,
): Promise<R[]> {
  const results = new Array<R>(items.length);
  let next = 0;
  let failed = false;
  const worker = async (): Promise<void> => {
    while (!failed && next < items.length) {
      const i = next++;
      try {
        results[i] = await action(items[i]!, i);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  const settled = await Promise.allSettled(Array.from({ length: Math.min(limit, items.length) }, worker));
  for (const result of settled) if (result.status === 'rejected') throw result.reason as Error;
  return results;
}

class Copy {
  readonly #destination: ImageDestination;
  readonly #options: CopyOptions;
  readonly #observer: CopyObserver;
  /** For blobs that are put. */
  readonly #slots: Slots;
  #failure: { readonly error: unknown } | undefined;
  imageId: string | undefined;

  constructor(destination: ImageDestination, options: CopyOptions) {
    this.#destination = destination;
    this.#options = options;
    this.#observer = options.observer ?? NOBODY;
    this.#slots = new Slots(destination.concurrency);
  }

  /** Puts a blob when there is room for it, and nothing after a failure. */
  #put(chunks: () => Chunks, label: string, sizeBytes: number | undefined, known?: Stored): Promise<Stored> {
    return this.#slots.use(0, async (turn) => {
      await turn;
      if (this.#failure !== undefined) throw this.#failure.error;
      try {
        this.#observer.begin(label, sizeBytes);
        const stored = await this.#destination.putBlob(chunks(), known);
        this.#observer.end(label, 'copied');
        return stored;
      } catch (error) {
        this.#failure ??= { error };
        throw error;
      }
    });
  }

  async *#watched(chunks: Chunks, label: string): AsyncGenerator<Uint8Array> {
    for await (const chunk of chunks) {
      this.#options.signal?.throwIfAborted();
      this.#observer.advance(label, chunk.length);
      yield chunk;
    }
  }

  /** Puts a blob as it is, unless it is there. */
  async #blob(blob: Stored, label: string, chunks: () => Chunks, layer?: SourceLayer): Promise<void> {
    const there = await this.#destination.hasBlob(blob, layer?.origin);
    if (there !== 'missing') {
      this.#observer.begin(label, blob.size);
      this.#observer.end(label, there);
      return;
    }
    await this.#put(() => this.#watched(chunks(), label), label, blob.size, blob);
  }

  #wantedCompression({ compression }: SourceLayer, image: SourceImage): Compression {
    if (this.#destination.plain) return 'none';
    if (this.#options.compression !== undefined) return this.#options.compression;
    // Registries know no layers of xz or bzip2.
    if (compression === 'xz' || compression === 'bzip2') return 'gzip';
    return compression === 'none' && image.manifest === undefined ? 'gzip' : compression;
  }

  /** What a layer will be once it is made, as far as it has been made before. */
  #knownResult(layer: SourceLayer, wanted: Compression): (MadeLayer & { blob: Stored }) | undefined {
    const { cache } = this.#options;
    const plain = layer.cacheKey === undefined ? undefined : cache?.plain(layer.cacheKey);
    const diffId = layer.diffId ?? plain?.digest;
    if (diffId === undefined) return undefined;
    const blob = wanted === 'none' ? plain : cache?.compressed(diffId, wanted);
    if (blob === undefined) return undefined;
    return { diffId, blob, descriptor: { mediaType: OCI.layer[wanted], ...blob } };
  }

  async #layer(layer: SourceLayer, image: SourceImage): Promise<MadeLayer> {
    const wanted = this.#wantedCompression(layer, image);
    const { label, descriptor } = layer;
    if (descriptor !== undefined && layer.compression === wanted) {
      await this.#blob(descriptor, label, layer.chunks, layer);
      return { descriptor, diffId: layer.diffId ?? descriptor.digest };
    }
    const known = this.#knownResult(layer, wanted);
    if (known !== undefined) {
      const there = await this.#destination.hasBlob(known.blob);
      if (there !== 'missing') {
        this.#observer.begin(label, known.blob.size);
        this.#observer.end(label, there);
        return known;
      }
    }
    return this.#make(layer, wanted, `layer ${label} of ${image.what}`);
  }

  async #make(layer: SourceLayer, wanted: Compression, what: string): Promise<MadeLayer> {
    const plain = (): AsyncIterable<Uint8Array> =>
      decompress(this.#watched(layer.chunks(), layer.label), layer.compression, what);
    const hash = createHash('sha256');
    let size = 0;
    const hashed = async function* (): AsyncGenerator<Uint8Array> {
      for await (const chunk of plain()) {
        hash.update(chunk);
        size += chunk.length;
        yield chunk;
      }
    };
    const chunks = wanted === 'none' ? plain : () => compress(hashed(), wanted);
    const blob = await this.#put(chunks, layer.label, layer.descriptor?.size);
    const archive = wanted === 'none' ? blob : { digest: `sha256:${hash.digest('hex')}`, size };
    if (layer.diffId !== undefined && layer.diffId !== archive.digest) {
      throw new StoreError(`${what} has the digest ${archive.digest} without compression, not ${layer.diffId}`);
    }
    const { cache } = this.#options;
    if (layer.cacheKey !== undefined) cache?.setPlain(layer.cacheKey, archive);
    if (wanted !== 'none') cache?.setCompressed(archive.digest, wanted, blob);
    return { diffId: archive.digest, descriptor: { mediaType: OCI.layer[wanted], ...blob } };
  }

  /** What is no image is copied as it is. */
  async #artifact({ layers, manifest, config, what }: SourceImage): Promise<Document> {
    if (this.#destination.plain) throw new StoreError(`${what} is not an image but an artifact of another kind`);
    for (const layer of layers) await this.#blob(layer.descriptor!, layer.label, layer.chunks, layer);
    const { bytes } = config([]);
    const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
    await this.#blob({ digest, size: bytes.length }, digest, () => once(bytes));
    await this.#destination.putManifest(manifest!, { config: bytes, diffIds: [] });
    return manifest!;
  }

  /** One image with its manifest. */
  async image(image: SourceImage): Promise<Document> {
    if (image.artifact === true) return this.#artifact(image);
    const { layers } = image;
    const made = await mapLimited(layers, this.#destination.lookups, (layer) => this.#layer(layer, image));
    const diffIds = made.map(({ diffId }) => diffId);
    const config = image.config(diffIds);
    const same = made.every(({ descriptor }, i) => descriptor.digest === layers[i]!.descriptor?.digest);
    const { annotations = {} } = this.#options;
    const keeps = same && image.manifest !== undefined && Object.keys(annotations).length === 0;
    const configDocument = { ...config, digest: `sha256:${createHash('sha256').update(config.bytes).digest('hex')}` };
    const configDescriptor = descriptorOf({ ...configDocument, mediaType: keeps ? config.mediaType : OCI.config });
    this.imageId = configDescriptor.digest;
    if (!this.#destination.plain) {
      await this.#blob(configDescriptor, configDescriptor.digest, () => once(config.bytes));
    }
    const document = keeps
      ? image.manifest
      : manifestDocument({
          config: configDescriptor,
          layers: made.map(({ descriptor }) => ({
            ...descriptor,
            mediaType: OCI.layer[this.#compressionIn(descriptor)],
          })),
          annotations: { ...image.annotations, ...annotations },
        });
    await this.#destination.putManifest(document, { config: config.bytes, diffIds });
    return document;
  }

  #compressionIn({ mediaType }: Descriptor): Compression {
    return /[.+]zstd$/.test(mediaType) ? 'zstd' : /[.+]gzip$/.test(mediaType) ? 'gzip' : 'none';
  }

  /** All images of an index, and the index over them: as it was where all of them are. */
  async index(index: SourceIndex, entries: readonly SourceEntry[]): Promise<Document> {
    const descriptors: Descriptor[] = [];
    for (const entry of entries) {
      const loaded = await entry.load();
      const document = loaded.kind === 'image' ? await this.image(loaded) : await this.index(loaded, loaded.entries);
      const platform = entry.platform ?? (loaded.kind === 'image' ? loaded.platform : undefined);
      const { annotations } = entry.descriptor ?? {};
      descriptors.push(
        descriptorOf(document, {
          ...(platform === undefined ? {} : { platform: orderedPlatform(platform) }),
          ...(annotations === undefined ? {} : { annotations }),
        }),
      );
    }
    const { annotations = {} } = this.#options;
    const same =
      index.document !== undefined &&
      entries.length === index.entries.length &&
      Object.keys(annotations).length === 0 &&
      descriptors.every(({ digest }, i) => digest === entries[i]!.descriptor?.digest);
    const document = same ? index.document : indexDocument(descriptors, { ...index.annotations, ...annotations });
    await this.#destination.putManifest(document, undefined);
    this.imageId = undefined;
    return document;
  }
}

function orderedPlatform({ architecture, os, variant }: Platform): Platform {
  return { architecture, os, ...(variant === undefined ? {} : { variant }) };
}

// eslint-disable-next-line @typescript-eslint/require-await -- chunks are async
async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

/** The image of an index that is for one machine. */
export async function imageFor(opened: SourceImage | SourceIndex, wanted: Platform): Promise<SourceImage> {
  let at = opened;
  while (at.kind === 'index') at = await choosePlatform(at.entries, wanted, at.what).load();
  return at;
}

async function copyTo(source: ImageSource, copy: Copy, { platforms }: CopyOptions): Promise<Document> {
  const opened = await source.open();
  if (opened.kind === 'image') return copy.image(opened);
  if (platforms === 'all') return copy.index(opened, opened.entries);
  if (platforms.length === 1) return copy.image(await imageFor(opened, platforms[0]!));
  return copy.index(
    opened,
    platforms.map((platform) => choosePlatform(opened.entries, platform, opened.what)),
  );
}

/**
 * @returns what the destination's name means now
 * @throws StoreError, RegistryError; the signal's reason
 */
export async function copyImage(
  source: ImageSource,
  destination: ImageDestination,
  options: CopyOptions,
): Promise<Copied> {
  try {
    const copy = new Copy(destination, options);
    const document = await copyTo(source, copy, options);
    options.signal?.throwIfAborted();
    const { requiredDigest } = destination;
    if (requiredDigest !== undefined && requiredDigest !== document.digest) {
      throw new StoreError(`the image has the digest ${document.digest}, it can't be put as ${destination.what}`);
    }
    const root = descriptorOf(document);
    await destination.commit(root);
    return { ...root, imageId: copy.imageId };
  } catch (error) {
    await destination.abort();
    throw error;
  }
}
