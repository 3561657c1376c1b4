// Images in stores of content by digest: OCI layouts and registries. Everything hangs together by digests, so whatever is
// reached from the root is what the root meant, wherever it came from.
import { StoreError } from '../../util/errors.ts';
import type { Region } from '../archive.ts';
import type { Repository } from '../image-reference.ts';
import { sha256Digest } from '../registry/client.ts';
import { MAX_CONFIG_BYTES, OCI, compressionOf, isLayerType, parseConfig, parseManifest } from './documents.ts';
import type { Descriptor, Document, Index, Manifest } from './documents.ts';
import { fixedConfig, verified } from './source.ts';
import type { Chunks, ImageSource, SourceImage, SourceIndex } from './source.ts';

export interface Content {
  /** For messages; a byte string. */
  readonly what: string;
  /** The document that was asked for. */
  readonly root: () => Promise<Document>;
  /** A document or a configuration, whole; not checked. */
  readonly small: (descriptor: Descriptor, kind: 'manifest' | 'blob') => Promise<Buffer>;
  /** Not checked. */
  readonly chunks: (descriptor: Descriptor) => Chunks;
  readonly region?: (descriptor: Descriptor) => Region;
  readonly origin?: Repository;
  readonly close: () => Promise<void>;
}

/** Nobody nests indexes deeper. */
const MAX_DEPTH = 3;
const IMAGE_CONFIG = /^application\/vnd\.(oci\.image\.config|docker\.container\.image)\./;

async function checkedSmall(content: Content, descriptor: Descriptor, kind: 'manifest' | 'blob'): Promise<Buffer> {
  const { digest, size } = descriptor;
  const what = `${kind === 'blob' ? 'the configuration' : 'the manifest'} ${digest} of ${content.what}`;
  if (size > MAX_CONFIG_BYTES) throw new StoreError(`${what} is too large (${size} bytes)`);
  const bytes = await content.small(descriptor, kind);
  if (bytes.length !== size) throw new StoreError(`${what} has ${bytes.length} bytes, not ${size}`);
  const found = sha256Digest(bytes);
  if (found !== digest) throw new StoreError(`${what} has the digest ${found}`);
  return bytes;
}

function sourceLayer(content: Content, descriptor: Descriptor, index: number) {
  const what = `layer ${index + 1} (${descriptor.digest}) of ${content.what}`;
  return {
    descriptor,
    chunks: () => verified(content.chunks(descriptor), descriptor, what),
    ...(content.region === undefined ? {} : { region: content.region(descriptor) }),
    ...(content.origin === undefined ? {} : { origin: content.origin }),
    label: descriptor.digest,
  };
}

async function loadArtifact(content: Content, document: Document, manifest: Manifest): Promise<SourceImage> {
  const bytes = await checkedSmall(content, manifest.config, 'blob');
  return {
    kind: 'image',
    what: content.what,
    platform: { os: 'unknown', architecture: 'unknown' },
    artifact: true,
    manifest: document,
    annotations: manifest.annotations,
    layers: manifest.layers.map((descriptor, i) => ({
      ...sourceLayer(content, descriptor, i),
      compression: 'none',
      diffId: undefined,
    })),
    config: () => ({ bytes, mediaType: manifest.config.mediaType }),
  };
}

async function loadImage(content: Content, document: Document, manifest: Manifest): Promise<SourceImage> {
  const { what } = content;
  const { config, layers } = manifest;
  const isImage =
    (config.mediaType === '' || IMAGE_CONFIG.test(config.mediaType)) &&
    layers.every(({ mediaType }) => isLayerType(mediaType));
  if (!isImage) return loadArtifact(content, document, manifest);
  const bytes = await checkedSmall(content, config, 'blob');
  const parsed = parseConfig(bytes, what);
  const diffIds = parsed.rootfs.diff_ids;
  if (diffIds.length !== layers.length) {
    throw new StoreError(`${what} has ${layers.length} layers, but its configuration names ${diffIds.length}`);
  }
  return {
    kind: 'image',
    what,
    platform: {
      os: typeof parsed.os === 'string' ? parsed.os : 'linux',
      architecture: typeof parsed.architecture === 'string' ? parsed.architecture : 'unknown',
      ...(typeof parsed.variant === 'string' && parsed.variant !== '' ? { variant: parsed.variant } : {}),
    },
    manifest: document,
    annotations: manifest.annotations,
    layers: layers.map((descriptor, i) => ({
      ...sourceLayer(content, descriptor, i),
      compression: compressionOf(descriptor.mediaType, what),
      diffId: diffIds[i]!,
    })),
    config: fixedConfig(bytes, config.mediaType || OCI.config, diffIds, what),
  };
}

function loadIndex(content: Content, document: Document, index: Index, depth: number): SourceIndex {
  if (depth === MAX_DEPTH) throw new StoreError(`${content.what}: indexes of images are nested too deeply`);
  return {
    kind: 'index',
    what: content.what,
    document,
    annotations: index.annotations,
    entries: index.manifests.map((descriptor) => ({
      ...(descriptor.platform === undefined ? {} : { platform: descriptor.platform }),
      descriptor,
      load: async () => {
        const bytes = await checkedSmall(content, descriptor, 'manifest');
        return load(content, { bytes, mediaType: descriptor.mediaType, digest: descriptor.digest }, depth + 1);
      },
    })),
  };
}

function load(content: Content, document: Document, depth: number): Promise<SourceImage | SourceIndex> {
  const parsed = parseManifest(document, `the manifest of ${content.what}`);
  // The type that the document says itself counts; a registry may have told another.
  const typed = { ...document, mediaType: parsed.mediaType };
  return parsed.kind === 'manifest'
    ? loadImage(content, typed, parsed)
    : Promise.resolve(loadIndex(content, typed, parsed, depth));
}

export function contentSource(content: Content): ImageSource {
  return {
    what: content.what,
    open: async () => load(content, await content.root(), 0),
    close: () => content.close(),
  };
}
