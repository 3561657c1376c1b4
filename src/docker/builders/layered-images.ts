// Builders of images of many layers: as an archive, or as the parts that a script makes it of.
import { readFileSync, statSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { fsPath } from '../../util/bytes.ts';
import type { BuiltinJob } from '../../build/builtin-builder.ts';
import { baseName as nameOfPath } from '../../store/store-path.ts';
import { hashLayers, withBaseEnvironment, withoutDescription } from '../base-image.ts';
import { imageMembers, ImageTree } from '../image-archive.ts';
import type { PlacedLayer } from '../image-archive.ts';
import { parseStoreLayer, STORE_LAYER_FILE, storeLayerMembers } from '../store-layer.ts';
import { packTarWithout } from '../tar-packer.ts';
import type { LeftOut } from '../tar-packer.ts';
import type { DirectoryNode } from '../tree.ts';
import { fileRegion, hashRegion, hashText } from '../write-file.ts';
import {
  argument,
  closureView,
  jsonArgument,
  openBase,
  output,
  pathArgument,
  requiredArgument,
  tagArgument,
  timeArgument,
  writeOutputImage,
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
    const sha256 = await hashRegion(file, job.signal);
    tree.putFile(parent, 'layer.tar', file, sha256);
    return { id, layer: { name, sha256 } };
  }
  const { paths, mtime, owner, size, sha256, crc32 } = parseStoreLayer(
    readFileSync(fsPath(described), 'latin1'),
    described,
  );
  const view = closureView(job, paths);
  const options = { mtime, ...(owner === undefined ? {} : { owner }) };
  tree.putArchive(parent, 'layer.tar', size, {
    members: () => storeLayerMembers(view, paths, options),
    sha256,
    crc32,
  });
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
    layers.push(...(await hashLayers(base, job.signal)));
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
  await writeOutputImage(job, tree);
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
