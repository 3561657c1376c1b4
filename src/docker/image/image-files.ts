// The files of an image: what each layer holds, and the file system that they make together. Layers that are compressed
// are only kept on disk where contents are wanted.
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { utf8 } from '../../util/bytes.ts';
import { StoreError } from '../../util/errors.ts';
import { readArchiveStream } from '../archive.ts';
import type { ArchiveMember, Region } from '../archive.ts';
import { flattenLayers } from '../archive-tree.ts';
import { decompress } from '../compression.ts';
import type { DirectoryNode } from '../tree.ts';
import { writeHashed } from '../write-file.ts';
import { parseConfig } from './documents.ts';
import type { ImageConfig } from './documents.ts';
import type { SourceImage, SourceLayer } from './source.ts';

/** Its configuration; for an image that is still to be made, without layers. @throws StoreError for an artifact */
export function configOf(image: SourceImage): ImageConfig {
  if (image.artifact === true) throw new StoreError(`${image.what} is not an image but an artifact of another kind`);
  const { bytes } = image.config(image.layers.map(({ diffId }) => diffId ?? `sha256:${'0'.repeat(64)}`));
  return parseConfig(bytes, image.what);
}

export function layerName(image: SourceImage, index: number): string {
  return `layer ${index + 1} of ${image.what}`;
}

/** What a layer holds, in its order. Offsets are in its plain archive. @throws StoreError where it is damaged or hostile */
export function layerMembers(layer: SourceLayer, what: string, signal?: AbortSignal): AsyncGenerator<ArchiveMember> {
  const plain = decompress(layer.chunks(), layer.compression, what);
  return readArchiveStream(Readable.from(plain, { objectMode: true }), Infinity, what, signal);
}

/** A layer as a plain archive on this machine: where it is, or a new file in `tmpDir`, checked against its digest. */
export async function plainArchive(
  image: SourceImage,
  index: number,
  tmpDir: string,
  signal?: AbortSignal,
): Promise<Region> {
  const layer = image.layers[index]!;
  if (layer.compression === 'none' && layer.region !== undefined) return layer.region;
  const what = layerName(image, index);
  const path = utf8(join(tmpDir, `layer-${index}.tar`));
  const { size, sha256 } = await writeHashed(path, decompress(layer.chunks(), layer.compression, what), signal);
  if (layer.diffId !== undefined && layer.diffId !== `sha256:${sha256}`) {
    throw new StoreError(`${what} has the digest sha256:${sha256} without compression, not ${layer.diffId}`);
  }
  return { path, offset: 0, size };
}

/**
 * The file system of an image, all layers applied; contents lie in archives.
 * @param tmpDir for layers that have to be decompressed; keep it as long as contents are read
 */
export async function imageFileSystem(
  image: SourceImage,
  tmpDir: string,
  signal?: AbortSignal,
): Promise<DirectoryNode> {
  const layers: { archive: Region; what: string }[] = [];
  for (const i of image.layers.keys()) {
    layers.push({ archive: await plainArchive(image, i, tmpDir, signal), what: layerName(image, i) });
  }
  return flattenLayers(layers, signal);
}
