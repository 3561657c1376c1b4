// Builders of layers: pure ones, the customisation layer of layered images, one per store path.
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { BuildError } from '../../util/errors.ts';
import { fsPath } from '../../util/bytes.ts';
import { parseStorePath, splitStorePath } from '../../store/store-path.ts';
import type { StorePath } from '../../store/store.ts';
import type { BuiltinJob } from '../../build/builtin-builder.ts';
import { exportedRoots, sortedClosure } from '../../build/builtin/graph.ts';
import {
  argument,
  closureView,
  jobNotes,
  jsonArgument,
  openBase,
  output,
  ownerArgument,
  pathArgument,
  requiredArgument,
  timeArgument,
  wordsArgument,
} from './job-arguments.ts';
import { MAX_DOCKER_LAYERS } from '../image/archive-destinations.ts';
import type { JsonObject } from '../json-text.ts';
import { writeLayer } from '../layer.ts';
import { LayeringGraph, planLayers } from '../layering.ts';
import { copyOfDirectory, mergeContents } from '../merge-contents.ts';
import { readRecordedTree, writeRecordedTree } from '../recorded-tree.ts';
import { describeStoreLayer, storeLayerMembers } from '../store-layer.ts';
import { splitIntoLayers } from '../store-members.ts';
import type { StoreMemberOptions } from '../store-members.ts';
import type { TarMember } from '../tar-packer.ts';
import { overlayTree, treeMembers } from '../tree.ts';
import type { DirectoryNode, PackOptions, TreeNode } from '../tree.ts';

async function writeOutput(job: BuiltinJob, members: Iterable<TarMember>, json: JsonObject): Promise<void> {
  const out = output(job);
  await mkdir(fsPath(out));
  job.log('Packing layer...');
  await writeLayer(out, members, json, job.signal);
  job.log(`Finished building layer '${argument(job, 'layerName') || job.drv.name}'`);
}

/** What `extraCommands` left, where there are any; else what `make` gives, and the recorded trees `trees` over it. */
function treeArgument(job: BuiltinJob, make: () => DirectoryNode): DirectoryNode {
  if (argument(job, 'tree') !== '') return readRecordedTree(pathArgument(job, 'tree'));
  const tree = make();
  for (const path of wordsArgument(job, 'trees')) {
    splitStorePath(path, job.store.storeDir);
    overlayTree(tree, readRecordedTree(job.store.realPath(path)));
  }
  return tree;
}

/** builtin:tsnix-docker-pure-layer: `contents`, `keepContentsDirlinks`, `baseJson`, `uid`, `gid`; or
 * `tree`. `trees`. */
export async function pureLayer(job: BuiltinJob): Promise<void> {
  const contents = wordsArgument(job, 'contents');
  for (const item of contents) job.log(`Adding ${item}`);
  const tree = treeArgument(job, () =>
    mergeContents(closureView(job, contents), contents, {
      keepDirlinks: argument(job, 'keepContentsDirlinks') !== '',
    }),
  );
  const options: PackOptions = { mtime: timeArgument(job), owner: ownerArgument(job), prefix: './' };
  await writeOutput(job, treeMembers(tree, options), await jsonArgument(job, 'baseJson'));
}

/**
 * builtin:tsnix-docker-customisation-layer: `contents` (one directory), `trees`, `baseJson`, `uid`, `gid`; or `tree`.
 * With `ownOwners` files belong to whom the tree says.
 */
export async function customisationLayer(job: BuiltinJob): Promise<void> {
  const tree = treeArgument(job, () => {
    const contents = requiredArgument(job, 'contents');
    return copyOfDirectory(closureView(job, [contents]), contents);
  });
  const options = {
    mtime: timeArgument(job),
    ...(argument(job, 'ownOwners') === '' ? { owner: ownerArgument(job) } : {}),
    prefix: '',
    keepHardLinks: true,
  } as const;
  await writeOutput(job, treeMembers(tree, options), await jsonArgument(job, 'baseJson'));
}

/** builtin:tsnix-docker-recorded-tree: `tree`, as a shell recorded it, complete; all of it owned by `uid`, `gid`. */
export async function recordedTree(job: BuiltinJob): Promise<void> {
  const { uid, gid } = ownerArgument(job);
  const owned = (node: TreeNode): TreeNode =>
    node.type === 'directory'
      ? { ...node, uid, gid, entries: new Map([...node.entries].map(([name, entry]) => [name, owned(entry)])) }
      : { ...node, uid, gid };
  const tree = owned(readRecordedTree(pathArgument(job, 'tree'))) as DirectoryNode;
  await writeRecordedTree(tree, output(job), job.signal);
}

/** builtin:tsnix-docker-root-layer: `tree` (recorded with its owners), `baseJson`. */
export async function rootLayer(job: BuiltinJob): Promise<void> {
  const tree = readRecordedTree(pathArgument(job, 'tree'));
  await writeOutput(
    job,
    treeMembers(tree, { mtime: timeArgument(job), prefix: './' }),
    await jsonArgument(job, 'baseJson'),
  );
}

/** Store paths of each layer: by `layers` (a file of JSON), or by `paths` (a list in a file) and `maxLayers`. */
async function plannedLayers(job: BuiltinJob): Promise<(readonly string[])[]> {
  const baseLayers = argument(job, 'fromImage') === '' ? 0 : (await openBase(job)).layers.length;
  if (argument(job, 'layers') !== '') {
    const layers = JSON.parse(await readFile(fsPath(pathArgument(job, 'layers')), 'latin1')) as string[][];
    const count = layers.length + baseLayers + 1;
    if (count > MAX_DOCKER_LAYERS) {
      throw new BuildError(`layeringPipeline makes an image of ${count} layers; Docker takes ${MAX_DOCKER_LAYERS}`);
    }
    return layers;
  }
  const most = Number(requiredArgument(job, 'maxLayers')) - baseLayers;
  if (most < 1) {
    throw new BuildError(
      `the base image has ${baseLayers} layers, one is for the customisation: none is left for store paths (see maxLayers)`,
    );
  }
  const list = await readFile(fsPath(pathArgument(job, 'paths')), 'latin1');
  return splitIntoLayers(
    list.split('\n').filter((line) => line !== ''),
    most,
  );
}

/** What `also` refers to and no layer has, in the last layer. */
function withReferencesOf(job: BuiltinJob, layers: readonly (readonly string[])[]): (readonly string[])[] {
  if (argument(job, 'also') === '') return [...layers];
  const root = parseStorePath(requiredArgument(job, 'also'), job.store.storeDir);
  const present = new Set<string>(layers.flat());
  const missing = job.store.closure([root]).filter((path) => path !== root && !present.has(path));
  if (missing.length === 0) return [...layers];
  return [...layers.slice(0, -1), [...(layers.at(-1) ?? []), ...missing.sort()]];
}

/**
 * builtin:tsnix-docker-store-layers: `paths` and `maxLayers`, or `layers`; `configJson`, `also`, `fromImage`, `uid`,
 * `gid`; out: layers 1, 2, …, with `packed = "0"` only described.
 */
export async function storeLayers(job: BuiltinJob): Promise<void> {
  const out = output(job);
  const options: StoreMemberOptions = { mtime: timeArgument(job), owner: ownerArgument(job) };
  // What belongs to one image alone must not be in layers that others share.
  const json = await jsonArgument(job, 'configJson');
  json.delete('config');
  json.set('created', '1970-01-01T00:00:01Z');
  const layers = withReferencesOf(job, await plannedLayers(job));
  const view = closureView(job, layers.flat());
  const notes = jobNotes(job);
  await mkdir(fsPath(out));
  for (const [i, paths] of layers.entries()) {
    const dir = `${out}/${i + 1}`;
    job.log(`Creating layer #${i + 1} for ${paths.join(' ')}`);
    if (argument(job, 'packed') === '0') {
      const infos = paths.map((path) => job.store.pathInfo(path as StorePath)!);
      await describeStoreLayer(dir, { view, infos, members: options, json, notes, signal: job.signal });
      continue;
    }
    await mkdir(fsPath(dir));
    await writeLayer(dir, storeLayerMembers(view, paths, options), json, job.signal);
  }
  job.log(`Finished building layer '${job.drv.name}'`);
}

/**
 * builtin:tsnix-docker-layering: `exportReferencesGraph`, `exclude` (store paths), `pipeline` (JSON); out: lists of store
 * paths in JSON.
 */
export async function layering(job: BuiltinJob): Promise<void> {
  const closure = sortedClosure(job.store, exportedRoots(job));
  const graph = LayeringGraph.of(closure, new Set(wordsArgument(job, 'exclude')));
  const layers = planLayers(graph, JSON.parse(requiredArgument(job, 'pipeline')));
  await writeFile(fsPath(output(job)), JSON.stringify(layers), 'latin1');
}
