// Layers of store paths: which paths make which layer, and the layers as archives or as what an image needs to know.
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { BuildError } from '../../util/errors.ts';
import { fsPath } from '../../util/bytes.ts';
import { parseStorePath } from '../../store/store-path.ts';
import type { StorePath } from '../../store/store.ts';
import type { BuiltinJob } from '../../build/builtin-builder.ts';
import { exportedRoots, sortedClosure } from '../../build/builtin/graph.ts';
import { MAX_DOCKER_LAYERS } from '../image/archive-destinations.ts';
import type { JsonObject } from '../json-text.ts';
import { writeLayer } from '../layer.ts';
import type { LayerSpool } from '../layer-spool.ts';
import { LayeringGraph, planLayers } from '../layering.ts';
import { describeStoreLayers, storeLayerMembers } from '../store-layer.ts';
import type { StoreLayer } from '../store-layer.ts';
import { splitIntoLayers } from '../store-members.ts';
import type { StoreMemberOptions } from '../store-members.ts';
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

/** Store paths of each layer: by `layers` (a file of JSON), or by `paths` (a list in a file) and `maxLayers`. */
async function plannedLayers(job: BuiltinJob, baseLayers: number): Promise<(readonly string[])[]> {
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

/** An image's configuration without what belongs to it alone: that must not be in layers that others share. */
function sharedConfig(config: JsonObject): JsonObject {
  return new Map([...config, ['created', '1970-01-01T00:00:01Z'] as const].filter(([name]) => name !== 'config'));
}

const memberOptions = (job: BuiltinJob): StoreMemberOptions => ({
  mtime: timeArgument(job),
  owner: ownerArgument(job),
});

function logLayer(job: BuiltinJob, index: number, paths: readonly string[]): void {
  job.log(`Creating layer #${index + 1} for ${paths.join(' ')}`);
}

/**
 * What an image has of layers of store paths: `paths` and `maxLayers`, or `layers`; `also`, `uid`, `gid`. None, where
 * nothing is said of them.
 */
export async function imageStoreLayers(
  job: BuiltinJob,
  options: { readonly config: JsonObject; readonly baseLayers: number; readonly spool: LayerSpool | undefined },
): Promise<StoreLayer[]> {
  if (argument(job, 'paths') === '' && argument(job, 'layers') === '') return [];
  const layers = withReferencesOf(job, await plannedLayers(job, options.baseLayers));
  return describeStoreLayers({
    view: closureView(job, layers.flat()),
    layers: layers.map((paths) => paths.map((path) => job.store.pathInfo(path as StorePath)!)),
    members: memberOptions(job),
    json: sharedConfig(options.config),
    notes: jobNotes(job),
    spool: options.spool,
    reading: (i) => logLayer(job, i, layers[i]!),
    signal: job.signal,
  });
}

/** builtin:tsnix-docker-store-layers: `paths` and `maxLayers`, or `layers`; `configJson`, `also`, `fromImage`, `uid`,
 * `gid`; out: layers 1, 2, … */
export async function storeLayers(job: BuiltinJob): Promise<void> {
  const out = output(job);
  const json = sharedConfig(await jsonArgument(job, 'configJson'));
  const baseLayers = argument(job, 'fromImage') === '' ? 0 : (await openBase(job)).layers.length;
  const layers = withReferencesOf(job, await plannedLayers(job, baseLayers));
  const view = closureView(job, layers.flat());
  const members = memberOptions(job);
  await mkdir(fsPath(out));
  for (const [i, paths] of layers.entries()) {
    const dir = `${out}/${i + 1}`;
    logLayer(job, i, paths);
    await mkdir(fsPath(dir));
    await writeLayer(dir, storeLayerMembers(view, paths, members), json, job.signal);
  }
  job.log(`Finished building layer '${job.drv.name}'`);
}

/** `pipeline`, or what the file `pipelineFile` holds. @throws BuildError where that is not JSON */
async function pipelineArgument(job: BuiltinJob): Promise<unknown> {
  if (argument(job, 'pipelineFile') === '') return JSON.parse(requiredArgument(job, 'pipeline'));
  const text = await readFile(fsPath(pathArgument(job, 'pipelineFile')), 'latin1');
  try {
    return JSON.parse(text);
  } catch {
    throw new BuildError(`layeringPipeline: '${argument(job, 'pipelineFile')}' is not JSON`);
  }
}

/**
 * builtin:tsnix-docker-layering: `exportReferencesGraph`, `exclude` (store paths), `pipeline` (JSON) or `pipelineFile`; out:
 * lists of store paths in JSON.
 */
export async function layering(job: BuiltinJob): Promise<void> {
  const closure = sortedClosure(job.store, exportedRoots(job));
  const graph = LayeringGraph.of(closure, new Set(wordsArgument(job, 'exclude')));
  const layers = planLayers(graph, await pipelineArgument(job));
  await writeFile(fsPath(output(job)), JSON.stringify(layers), 'latin1');
}
