// The JSON documents of images: manifests, indexes, configurations, as OCI and Docker (schema version 2) have them. What
// others wrote is checked here, once; the rest of the code trusts the types.
// @see OCI image specification, "Content Descriptors", "Image Manifest", "Image Index", "Image Configuration"
import { StoreError } from '../../util/errors.ts';
import { utf8 } from '../../util/bytes.ts';
import type { Compression } from '../compression.ts';
import { sha256Digest } from '../registry/client.ts';
import type { Document } from '../registry/client.ts';
import type { Platform } from './platform.ts';

export type { Compression } from '../compression.ts';
export type { Document } from '../registry/client.ts';

export type Annotations = Readonly<Record<string, string>>;

export interface Descriptor {
  readonly mediaType: string;
  /** `sha256:…`. */
  readonly digest: string;
  /** Bytes. */
  readonly size: number;
  readonly annotations?: Annotations;
  readonly platform?: Platform;
}

export interface Manifest {
  readonly mediaType: string;
  readonly config: Descriptor;
  /** Bottom one first. */
  readonly layers: readonly Descriptor[];
  readonly annotations: Annotations;
}

export interface Index {
  readonly mediaType: string;
  readonly manifests: readonly Descriptor[];
  readonly annotations: Annotations;
}

/** What we need of a configuration; the rest of it is passed on as it is. */
export interface ImageConfig {
  readonly architecture: string;
  readonly os: string;
  readonly variant?: string;
  readonly created?: string;
  readonly config?: Readonly<Record<string, unknown>>;
  readonly rootfs: { readonly type: 'layers'; readonly diff_ids: readonly string[] };
  readonly history?: readonly Readonly<Record<string, unknown>>[];
  readonly [key: string]: unknown;
}

export const OCI = {
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  index: 'application/vnd.oci.image.index.v1+json',
  config: 'application/vnd.oci.image.config.v1+json',
  layer: {
    none: 'application/vnd.oci.image.layer.v1.tar',
    gzip: 'application/vnd.oci.image.layer.v1.tar+gzip',
    zstd: 'application/vnd.oci.image.layer.v1.tar+zstd',
  },
} as const;

export const DOCKER = {
  manifest: 'application/vnd.docker.distribution.manifest.v2+json',
  index: 'application/vnd.docker.distribution.manifest.list.v2+json',
} as const;

/** An image has a few hundred layers and an index a few dozen images, at the very most. */
const MAX_ENTRIES = 5000;
export const MAX_CONFIG_BYTES = 8 * 1024 * 1024;

const LAYER_TYPE = /^application\/vnd\.(oci\.image|docker\.image\.rootfs)\.(layer|diff|foreign)\b/;

/** Whether a blob is a part of a file system, whether or not we can read it. */
export function isLayerType(mediaType: string): boolean {
  return LAYER_TYPE.test(mediaType);
}

/** @throws StoreError for layers of a kind that is none of these */
export function compressionOf(mediaType: string, what: string): Compression {
  if (isLayerType(mediaType)) {
    if (/[.+]gzip$/.test(mediaType)) return 'gzip';
    if (/[.+]zstd$/.test(mediaType)) return 'zstd';
    if (mediaType.endsWith('.tar')) return 'none';
  }
  throw new StoreError(`${what} has a layer of the unknown kind '${utf8(mediaType)}'`);
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** @throws StoreError */
export function parseJson(bytes: Buffer, what: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(bytes.toString());
    if (isObject(value)) return value;
  } catch {
    // falls through to the error below
  }
  throw new StoreError(`${what} is not a JSON object`);
}

function annotationsOf(value: unknown): Annotations {
  if (!isObject(value)) return {};
  return Object.fromEntries(
    Object.entries(value).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  );
}

function parsePlatformField(value: unknown): Platform | undefined {
  if (!isObject(value)) return undefined;
  const { os, architecture, variant } = value;
  if (typeof os !== 'string' || typeof architecture !== 'string') return undefined;
  return { os, architecture, ...(typeof variant === 'string' && variant !== '' ? { variant } : {}) };
}

function parseDescriptor(value: unknown, what: string): Descriptor {
  if (!isObject(value)) throw new StoreError(`${what} is not valid: an entry is not an object`);
  const { mediaType, digest, size, annotations } = value;
  if (typeof digest !== 'string' || !/^sha256:[0-9a-f]{64}$/.test(digest)) {
    throw new StoreError(`${what} is not valid: '${utf8(String(digest))}' is not a digest that is supported (sha256)`);
  }
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) {
    throw new StoreError(`${what} is not valid: the size of ${digest} is missing or wrong`);
  }
  const platform = parsePlatformField(value['platform']);
  return {
    mediaType: typeof mediaType === 'string' ? mediaType : '',
    digest,
    size,
    ...(annotations === undefined ? {} : { annotations: annotationsOf(annotations) }),
    ...(platform === undefined ? {} : { platform }),
  };
}

function parseDescriptors(value: unknown, what: string): Descriptor[] {
  if (!Array.isArray(value)) throw new StoreError(`${what} is not valid: a list is missing`);
  if (value.length > MAX_ENTRIES) throw new StoreError(`${what} has too many entries (${value.length})`);
  return value.map((entry) => parseDescriptor(entry, what));
}

/**
 * A manifest or an index, by what is in it: names of types are not always given, and sometimes wrong.
 * @throws StoreError where it is of another kind, or not valid
 */
export function parseManifest(
  document: Document,
  what: string,
): ({ kind: 'manifest' } & Manifest) | ({ kind: 'index' } & Index) {
  const value = parseJson(document.bytes, what);
  const own = typeof value['mediaType'] === 'string' ? value['mediaType'] : '';
  const mediaType = own !== '' ? own : document.mediaType;
  const annotations = annotationsOf(value['annotations']);
  if (value['schemaVersion'] === 1) {
    throw new StoreError(`${what} is of schema version 1, which has not been used since 2016 and is not supported`);
  }
  // Read as one kind here and as another there, a document could be two images.
  if (value['manifests'] !== undefined && value['layers'] !== undefined) {
    throw new StoreError(`${what} is not valid: it is a manifest and an index at the same time`);
  }
  if (value['manifests'] !== undefined) {
    const known = mediaType === DOCKER.index ? DOCKER.index : OCI.index;
    return { kind: 'index', mediaType: known, manifests: parseDescriptors(value['manifests'], what), annotations };
  }
  if (value['layers'] === undefined || value['config'] === undefined) {
    throw new StoreError(`${what} is neither an image of schema version 2 nor an index of such`);
  }
  return {
    kind: 'manifest',
    mediaType: mediaType === DOCKER.manifest ? DOCKER.manifest : OCI.manifest,
    config: parseDescriptor(value['config'], what),
    layers: parseDescriptors(value['layers'], what),
    annotations,
  };
}

/** @throws StoreError where it is no configuration of an image */
export function parseConfig(bytes: Buffer, what: string): ImageConfig {
  const value = parseJson(bytes, `the configuration of ${what}`);
  const rootfs = value['rootfs'];
  const diffIds = isObject(rootfs) ? rootfs['diff_ids'] : undefined;
  if (!Array.isArray(diffIds) || !diffIds.every((id) => typeof id === 'string' && /^sha256:[0-9a-f]{64}$/.test(id))) {
    throw new StoreError(`the configuration of ${what} is not an image's: it names no layers (rootfs.diff_ids)`);
  }
  // Images without settings have `null` there (dockerTools writes it).
  const { config, ...others } = value;
  return (isObject(config) ? value : others) as unknown as ImageConfig;
}

/** JSON as we write it: no blanks, keys in the order given. */
export function documentOf(value: object, mediaType: string): Document {
  const bytes = Buffer.from(JSON.stringify(value));
  return { bytes, mediaType, digest: sha256Digest(bytes) };
}

export function descriptorOf({ bytes, mediaType, digest }: Document, more: Partial<Descriptor> = {}): Descriptor {
  return { mediaType, digest, size: bytes.length, ...more };
}

/** Keys sorted, so that the order in which they were given does not show. */
export function sortedAnnotations(annotations: Annotations): { annotations?: Annotations } {
  const keys = Object.keys(annotations).sort();
  return keys.length === 0 ? {} : { annotations: Object.fromEntries(keys.map((key) => [key, annotations[key]!])) };
}

export function manifestDocument(manifest: Omit<Manifest, 'mediaType'>): Document {
  const { config, layers, annotations } = manifest;
  const value = { schemaVersion: 2, mediaType: OCI.manifest, config, layers, ...sortedAnnotations(annotations) };
  return documentOf(value, OCI.manifest);
}

export function indexDocument(manifests: readonly Descriptor[], annotations: Annotations): Document {
  const value = { schemaVersion: 2, mediaType: OCI.index, manifests, ...sortedAnnotations(annotations) };
  return documentOf(value, OCI.index);
}
