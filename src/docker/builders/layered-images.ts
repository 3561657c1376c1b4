// Builders of images of many layers: as an archive, or as the parts that a script makes it of.
import { readFileSync, statSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { fsPath } from '../../util/bytes.ts';
import type { BuiltinJob } from '../../build/builtin-builder.ts';
import { baseName as nameOfPath } from '../../store/store-path.ts';
import { withBaseEnvironment, withoutDescription } from '../base-image.ts';
import { imageMembers, ImageTree, writeImage } from '../image-archive.ts';
import type { PlacedLayer } from '../image-archive.ts';
import { parseStoreLayer, STORE_LAYER_FILE, storeLayerMembers } from '../store-layer.ts';
import { packTarWithout } from '../tar-packer.ts';
import type { DirectoryNode } from '../tree.ts';
import { fileRegion, hashRegion, hashText } from '../write-file.ts';
import {
  argument,
  closureView,
  compressionArgument,
  jsonArgument,
  openBase,
  output,
  pathArgument,
  requiredArgument,
  tagArgument,
  timeArgument,
} from './job-arguments.ts';

/** Puts the layer of the directory `dir` into the image: its archive, or what it is to be made of. */
async function putLayer(job: BuiltinJob, tree: ImageTree, dir: string): Promise<{ layer: PlacedLayer; id: string }> {
  const id = hashText(readFileSync(fsPath(`${dir}/json`), 'latin1'));
  const parent: DirectoryNode = tree.putDirectory(id);
  for (const name of ['VERSION', 'json']) tree.putFile(parent, name, fileRegion(`${dir}/${name}`));
  const name = `${id}/layer.tar`;
  const described = `${dir}/${STORE_LAYER_FILE}`;
  if (statSync(fsPath(described), { throwIfNoEntry: false }) === undefined) {
    const file = fileRegion(`${dir}/layer.tar`);
    tree.putFile(parent, 'layer.tar', file);
    return { id, layer: { name, sha256: await hashRegion(file, job.signal) } };
  }
  const { paths, size, sha256, ...options } = parseStoreLayer(readFileSync(fsPath(described), 'latin1'), described);
  const view = closureView(job, paths);
  tree.putArchive(parent, 'layer.tar', size, () => storeLayerMembers(view, paths, options));
  return { id, layer: { name, sha256 } };
}

/**
 * `fromImage`'s layers, those of `bulkLayers` (a directory of numbered ones), `customisationLayer`; `baseJson`,
 * `imageName`, `imageTag`.
 */
async function assemble(job: BuiltinJob): Promise<ImageTree> {
  let config = await jsonArgument(job, 'baseJson');
  const base = argument(job, 'fromImage') === '' ? undefined : await openBase(job);
  const tree = new ImageTree(`${job.tmpDir}/image`, base === undefined ? undefined : withoutDescription(base));
  const layers: PlacedLayer[] = [];
  if (base !== undefined) {
    config = withBaseEnvironment(config, base.config);
    for (const { name, file } of base.layers) layers.push({ name, sha256: await hashRegion(file, job.signal) });
  }
  const dirs: string[] = [];
  if (argument(job, 'bulkLayers') !== '') {
    const bulkLayers = pathArgument(job, 'bulkLayers');
    for (let i = 1; statSync(fsPath(`${bulkLayers}/${i}`), { throwIfNoEntry: false }) !== undefined; i++) {
      dirs.push(`${bulkLayers}/${i}`);
    }
  }
  dirs.push(pathArgument(job, 'customisationLayer'));
  let topId = '';
  for (const dir of dirs) {
    const { id, layer } = await putLayer(job, tree, dir);
    topId = id;
    layers.push(layer);
  }
  await tree.describe({ name: requiredArgument(job, 'imageName'), tag: tagArgument(job), config, layers, topId });
  return tree;
}

/** builtin:tsnix-docker-layered-image: the archive; `compressor`. */
export async function layeredImage(job: BuiltinJob): Promise<void> {
  const tree = await assemble(job);
  job.log('Cooking the image...');
  await writeImage(output(job), tree, {
    mtime: timeArgument(job),
    compression: compressionArgument(job),
    signal: job.signal,
  });
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
  const isLarge = (path: string, bytes: number): boolean => bytes >= LARGE_BYTES && path.startsWith(store);
  for (const piece of packTarWithout(imageMembers(tree, timeArgument(job)), isLarge)) {
    if (typeof piece === 'string') {
      await finishPart();
      names.push(piece.slice(store.length));
      continue;
    }
    part.push(piece);
    size += piece.length;
    if (size >= PART_BYTES) await finishPart();
  }
  await finishPart();
  await writeFile(fsPath(`${out}/list`), names.map((name) => `${name}\0`).join(''), 'latin1');
}
