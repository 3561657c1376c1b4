// The builder of images of one layer, or of one upon others.
import { readFileSync } from 'node:fs';
import { fsPath } from '../../util/bytes.ts';
import { parseStorePath } from '../../store/store-path.ts';
import type { StorePath } from '../../store/store.ts';
import type { BuiltinJob } from '../../build/builtin-builder.ts';
import { decompressed, readArchive } from '../archive.ts';
import type { Region } from '../archive.ts';
import { allLayers, hashLayers, parentId, withoutDescription } from '../base-image.ts';
import type { BaseImage } from '../base-image.ts';
import { BLOCK_BYTES } from '../gnu-tar.ts';
import { ImageTree } from '../image-archive.ts';
import { jsonInteger, parseJsonObject, printLikeJshon } from '../json-text.ts';
import { storeMember, walkStorePath } from '../store-members.ts';
import type { ViewedFile } from '../store-view.ts';
import { appendTar, memberWithout } from '../tar-packer.ts';
import type { TarMember } from '../tar-packer.ts';
import { listLikeOriginal } from '../tar-listing.ts';
import { ROOT_OWNER } from '../tree.ts';
import { fileRegion, hashText, writeHashed } from '../write-file.ts';
import {
  argument,
  baseName,
  closureView,
  jsonArgument,
  openBase,
  requiredArgument,
  tagArgument,
  timeArgument,
  writeOutputImage,
} from './job-arguments.ts';

/** Paths in a layer, as the original lists them, and where its last member ends. */
async function listLayer(layer: Region, what: string, signal: AbortSignal): Promise<{ paths: string[]; end: number }> {
  const names: string[] = [];
  let end = 0;
  for await (const { header, offset } of readArchive(layer, what, signal)) {
    names.push(header.name);
    end = Math.ceil((offset + header.size) / BLOCK_BYTES) * BLOCK_BYTES;
  }
  return { paths: [...listLikeOriginal(names)], end };
}

/**
 * What the layer's closure adds to it: all files of it that are not there yet, in bytewise order of their paths. The
 * store's own directories come first, readable for all, where there are store paths and the store is not there yet.
 */
function* closureMembers(job: BuiltinJob, layer: StorePath, present: ReadonlySet<string>): Generator<TarMember> {
  const mtime = timeArgument(job);
  const view = closureView(job, [layer]);
  const closure = job.store.closure([layer]);
  if (closure.length > 1 && !present.has(job.store.storeDir)) {
    const parts = job.store.storeDir.slice(1).split('/');
    for (let i = 1; i <= parts.length; i++) {
      const name = `./${parts.slice(0, i).join('/')}/`;
      yield memberWithout({ name, type: 'directory', mode: 0o555, ...ROOT_OWNER, size: 0, mtime, linkName: '' });
    }
  }
  const files: ViewedFile[] = [];
  for (const path of closure) {
    if (path === layer) continue;
    for (const file of walkStorePath(view, path)) if (!present.has(file.path)) files.push(file);
  }
  files.sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));
  for (const file of files) yield storeMember(view, file, { mtime });
}

interface Base {
  readonly image: BaseImage;
  readonly parent: string | undefined;
  /** Paths that its layers hold. */
  readonly paths: ReadonlySet<string>;
}

async function readBase(job: BuiltinJob): Promise<Base | undefined> {
  if (argument(job, 'fromImage') === '') return undefined;
  const what = baseName(job);
  job.log('Reading base image...');
  const image = await openBase(job);
  const parent = parentId(image, argument(job, 'fromImageName'), argument(job, 'fromImageTag'), what);
  const paths = new Set<string>();
  for (const [i, file] of allLayers(image).entries()) {
    const plain = await decompressed(file, `${job.tmpDir}/base-layer-${i}.tar`, job.signal);
    for (const path of (await listLayer(plain, `layer ${i + 1} of ${what}`, job.signal)).paths) paths.add(path);
  }
  return { image, parent, paths };
}

/**
 * builtin:tsnix-docker-image: `layer` (a layer's directory) and the files of its closure, upon `fromImage` (at
 * `fromImageName` and `fromImageTag`); `baseJson`, `imageName`, `imageTag`.
 */
export async function image(job: BuiltinJob): Promise<void> {
  const config = await jsonArgument(job, 'baseJson');
  const layerPath = parseStorePath(requiredArgument(job, 'layer'), job.store.storeDir);
  const layerDir = job.store.realPath(layerPath);
  const base = await readBase(job);

  job.log('Adding layer...');
  const what = `layer '${layerPath}'`;
  const { paths, end } = await listLayer(fileRegion(`${layerDir}/layer.tar`), what, job.signal);
  const present = new Set([...(base?.paths ?? []), ...paths]);
  const archive = `${job.tmpDir}/layer.tar`;
  const chunks = appendTar({ path: `${layerDir}/layer.tar`, size: end }, closureMembers(job, layerPath, present));
  const { size, sha256 } = await writeHashed(archive, chunks, job.signal);

  job.log('Adding meta...');
  let text = readFileSync(fsPath(`${layerDir}/json`), 'latin1');
  const json = parseJsonObject(text, `'${layerPath}/json'`);
  if (base?.parent !== undefined) {
    json.set('parent', base.parent);
    text = printLikeJshon(json);
  }
  const topId = hashText(text);
  json.set('id', topId);
  json.set('Size', jsonInteger(size));

  const tree = new ImageTree(`${job.tmpDir}/image`, base === undefined ? undefined : withoutDescription(base.image));
  const parent = tree.putDirectory(topId);
  tree.putFile(parent, 'VERSION', fileRegion(`${layerDir}/VERSION`));
  await tree.putText(parent, 'json', printLikeJshon(json));
  tree.putFile(parent, 'layer.tar', { path: archive, offset: 0, size }, sha256);
  const layers = base === undefined ? [] : await hashLayers(base.image, job.signal);
  layers.push({ name: `${topId}/layer.tar`, sha256 });
  await tree.describe({ name: requiredArgument(job, 'imageName'), tag: tagArgument(job), config, layers, topId });

  job.log('Cooking the image...');
  await writeOutputImage(job, tree);
  job.log('Finished.');
}
