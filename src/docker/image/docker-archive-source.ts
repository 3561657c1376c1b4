// Images in a docker-archive, as `docker save` and dockerTools write it: manifest.json names configuration and layers,
// which lie in it as plain archives.
import { StoreError } from '../../util/errors.ts';
import { utf8 } from '../../util/bytes.ts';
import { detectCompression, readRegion, readSmall } from '../archive.ts';
import type { Region } from '../archive.ts';
import { resolveInTree } from '../archive-tree.ts';
import type { DirectoryNode } from '../tree.ts';
import { MAX_CONFIG_BYTES, OCI, parseConfig } from './documents.ts';
import { parseName, familiarName } from './reference.ts';
import { fixedConfig, verified } from './source.ts';
import type { ImageSource, SourceImage, SourceLayer } from './source.ts';

interface ArchivedImage {
  readonly Config: string;
  readonly RepoTags: readonly string[];
  readonly Layers: readonly string[];
}

function fileOf(tree: DirectoryNode, name: string, what: string): Region {
  const node = resolveInTree(tree, utf8(name));
  if (node?.type !== 'file') throw new StoreError(`${what} lacks its file '${utf8(name)}'`);
  return { path: node.path, offset: node.offset ?? 0, size: node.size };
}

/** @throws StoreError */
async function readManifest(tree: DirectoryNode, what: string): Promise<ArchivedImage[]> {
  const file = fileOf(tree, 'manifest.json', what);
  const bytes = await readSmall(file, MAX_CONFIG_BYTES, `manifest.json of ${what}`);
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString());
  } catch {
    throw new StoreError(`manifest.json of ${what} is not JSON`);
  }
  const isText = (item: unknown): item is string => typeof item === 'string';
  if (!Array.isArray(value)) throw new StoreError(`manifest.json of ${what} is not a list`);
  return value.map((entry: unknown) => {
    const { Config: config, RepoTags: tags, Layers: layers } = (entry ?? {}) as Record<string, unknown>;
    if (!isText(config) || !Array.isArray(layers) || !layers.every(isText)) {
      throw new StoreError(`manifest.json of ${what} is not valid`);
    }
    return { Config: config, RepoTags: Array.isArray(tags) ? tags.filter(isText) : [], Layers: layers };
  });
}

/** Names as people write them; what is no legal name stays. */
function familiar(tag: string): string {
  try {
    return familiarName(parseName(tag));
  } catch {
    return tag;
  }
}

function choose(images: readonly ArchivedImage[], name: string | undefined, what: string): ArchivedImage {
  if (images.length === 0) throw new StoreError(`${what} is empty`);
  const there = images.flatMap(({ RepoTags: tags }) => tags.map(familiar));
  if (name === undefined) {
    if (images.length > 1) throw new StoreError(`${what} has several images, name one of: ${utf8(there.join(', '))}`);
    return images[0]!;
  }
  const found = images.find(({ RepoTags: tags }) => tags.map(familiar).includes(name));
  if (found === undefined)
    throw new StoreError(`${what} has no image '${utf8(name)}'; there are: ${utf8(there.join(', '))}`);
  return found;
}

async function loadLayer(tree: DirectoryNode, name: string, diffId: string, what: string): Promise<SourceLayer> {
  const region = fileOf(tree, name, what);
  const compression = await detectCompression(region);
  const layerWhat = `layer '${utf8(name)}' of ${what}`;
  if (compression !== 'none') {
    return { compression, descriptor: undefined, diffId, region, chunks: () => readRegion(region), label: diffId };
  }
  const descriptor = { mediaType: OCI.layer.none, digest: diffId, size: region.size };
  return {
    compression,
    descriptor,
    diffId,
    region,
    chunks: () => verified(readRegion(region), descriptor, layerWhat),
    label: diffId,
  };
}

async function loadImage(tree: DirectoryNode, image: ArchivedImage, what: string): Promise<SourceImage> {
  const bytes = await readSmall(fileOf(tree, image.Config, what), MAX_CONFIG_BYTES, `the configuration of ${what}`);
  const config = parseConfig(bytes, what);
  const diffIds = config.rootfs.diff_ids;
  if (diffIds.length !== image.Layers.length) {
    throw new StoreError(`${what} has ${image.Layers.length} layers, but its configuration names ${diffIds.length}`);
  }
  return {
    kind: 'image',
    what,
    platform: {
      os: config.os,
      architecture: config.architecture,
      ...(typeof config.variant === 'string' && config.variant !== '' ? { variant: config.variant } : {}),
    },
    manifest: undefined,
    annotations: {},
    layers: await Promise.all(image.Layers.map((layer, i) => loadLayer(tree, layer, diffIds[i]!, what))),
    config: fixedConfig(bytes, OCI.config, diffIds, what),
  };
}

/**
 * @param path text
 * @param name `NAME:TAG`; undefined for the only one
 * @throws StoreError
 */
export async function dockerArchiveSource(
  tree: DirectoryNode,
  path: string,
  name: string | undefined,
  close: () => Promise<void>,
): Promise<ImageSource> {
  const what = `the docker-archive '${utf8(path)}'`;
  const image = choose(await readManifest(tree, what), name, what);
  const own = image.RepoTags[0];
  return {
    what,
    name: name ?? (own === undefined ? undefined : familiar(own)),
    open: () => loadImage(tree, image, what),
    close,
  };
}
