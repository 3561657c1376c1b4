// Builders of images of many layers: as an archive, or as the parts that a script makes it of.
import { readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { fsPath } from '../../util/bytes.ts';
import type { BuiltinJob } from '../../build/builtin-builder.ts';
import { baseName as nameOfPath } from '../../store/store-path.ts';
import { hashLayers, withBaseEnvironment, withoutDescription } from '../base-image.ts';
import { imageMembers, ImageTree } from '../image-archive.ts';
import type { PlacedLayer } from '../image-archive.ts';
import { LAYER_VERSION } from '../layer.ts';
import { LayerSpool } from '../layer-spool.ts';
import type { StoreLayer } from '../store-layer.ts';
import { packTarWithout } from '../tar-packer.ts';
import type { LeftOut } from '../tar-packer.ts';
import type { DirectoryNode } from '../tree.ts';
import { fileRegion, hashRegion, hashText } from '../write-file.ts';
import {
  argument,
  compressionArgument,
  jsonArgument,
  openBase,
  output,
  pathArgument,
  requiredArgument,
  tagArgument,
  timeArgument,
  writeOutputImage,
} from './job-arguments.ts';
import { imageStoreLayers } from './store-layers.ts';

/** Adds a layer by the text of its `json`. @returns its id and directory in the image, without `layer.tar` */
async function putLayer(tree: ImageTree, json: string): Promise<{ readonly id: string; readonly dir: DirectoryNode }> {
  const id = hashText(json);
  const dir = tree.putDirectory(id);
  await tree.putText(dir, 'VERSION', LAYER_VERSION);
  await tree.putText(dir, 'json', json);
  return { id, dir };
}

/** The layer of the directory `from`. */
async function putTopLayer(tree: ImageTree, from: string, signal: AbortSignal) {
  const { id, dir } = await putLayer(tree, readFileSync(fsPath(`${from}/json`), 'latin1'));
  const file = fileRegion(`${from}/layer.tar`);
  const sha256 = await hashRegion(file, signal);
  tree.putFile(dir, 'layer.tar', file, sha256);
  return { id, layer: { name: `${id}/layer.tar`, sha256 } };
}

async function putStoreLayer(tree: ImageTree, { json, size, ...archive }: StoreLayer): Promise<PlacedLayer> {
  const { id, dir } = await putLayer(tree, json);
  tree.putArchive(dir, 'layer.tar', size, archive);
  return { name: `${id}/layer.tar`, sha256: archive.sha256 };
}

/**
 * `fromImage`'s layers, those of store paths (store-layers.ts), `customisationLayer`; `baseJson`, `imageName`,
 * `imageTag`.
 */
async function assemble(job: BuiltinJob, spool?: LayerSpool): Promise<ImageTree> {
  const ownConfig = await jsonArgument(job, 'baseJson');
  const base = argument(job, 'fromImage') === '' ? undefined : await openBase(job);
  const tree = new ImageTree(`${job.tmpDir}/image`, base === undefined ? undefined : withoutDescription(base));
  const layers = base === undefined ? [] : await hashLayers(base, job.signal);
  const config = base === undefined ? ownConfig : withBaseEnvironment(ownConfig, base.config);
  const described = await imageStoreLayers(job, { config: ownConfig, baseLayers: layers.length, spool });
  for (const layer of described) layers.push(await putStoreLayer(tree, layer));
  const { id: topId, layer } = await putTopLayer(tree, pathArgument(job, 'customisationLayer'), job.signal);
  layers.push(layer);
  await tree.describe({ name: requiredArgument(job, 'imageName'), tag: tagArgument(job), config, layers, topId });
  return tree;
}

/** builtin:tsnix-docker-layered-image: the archive; `compressor`. */
export async function layeredImage(job: BuiltinJob): Promise<void> {
  const compression = compressionArgument(job);
  const spool = compression === 'none' ? undefined : new LayerSpool(`${job.tmpDir}/layers`, compression);
  const tree = await assemble(job, spool);
  job.log('Cooking the image...');
  await writeOutputImage(job, tree, spool);
  job.log('Finished.');
}

/** Files of the store from this size on are read when the archive is written; smaller ones lie in its parts. */
const LARGE_BYTES = 64 * 1024;
/** So much of the archive lies in one part. */
const PART_BYTES = 64 * 1024 * 1024;

/**
 * builtin:tsnix-docker-image-parts: a directory with `list`, names relative to the store directory, each ended by NUL,
 * of files that together are the archive, uncompressed: parts in the directory itself, and files of the store.
 */
export async function imageParts(job: BuiltinJob): Promise<void> {
  const out = output(job);
  const tree = await assemble(job);
  await mkdir(fsPath(out));
  const here = nameOfPath(job.outputPaths.get('out')!);
  const store = `${job.store.realPath(job.store.storeDir)}/`;
  const names: string[] = [];
  let part: Buffer[] = [];
  let size = 0;
  const finishPart = async (): Promise<void> => {
    if (size === 0) return;
    const name = String(names.length).padStart(6, '0');
    await writeFile(fsPath(`${out}/${name}`), part);
    names.push(`${here}/${name}`);
    part = [];
    size = 0;
    job.signal.throwIfAborted();
    await nextTurn();
  };
  const largeFile = ({ contents, size: bytes }: LeftOut): string | undefined =>
    contents.kind === 'file' && contents.offset === undefined && bytes >= LARGE_BYTES && contents.path.startsWith(store)
      ? contents.path.slice(store.length)
      : undefined;
  const members = imageMembers(tree, timeArgument(job));
  for (const piece of packTarWithout(members, (member) => largeFile(member) !== undefined)) {
    if (!Buffer.isBuffer(piece)) {
      await finishPart();
      names.push(largeFile(piece)!);
      continue;
    }
    part.push(piece);
    size += piece.length;
    if (size >= PART_BYTES) await finishPart();
  }
  await finishPart();
  await writeFile(fsPath(`${out}/list`), names.map((name) => `${name}\0`).join(''), 'latin1');
}
