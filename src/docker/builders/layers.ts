// Builders of layers: pure ones, the customisation layer of layered images, one per store path.
import { mkdir, readFile } from 'node:fs/promises';
import { BuildError } from '../../util/errors.ts';
import { fsPath } from '../../util/bytes.ts';
import { splitStorePath } from '../../store/store-path.ts';
import type { BuiltinJob } from '../../build/builtin-builder.ts';
import {
  argument,
  closureView,
  jsonArgument,
  output,
  ownerArgument,
  pathArgument,
  requiredArgument,
  timeArgument,
  wordsArgument,
} from './job-arguments.ts';
import type { JsonObject } from '../json-text.ts';
import { writeLayer } from '../layer.ts';
import { copyOfDirectory, mergeContents } from '../merge-contents.ts';
import { readRecordedTree } from '../recorded-tree.ts';
import { storeDirectoryMembers, storePathMembers } from '../store-members.ts';
import type { TarMember } from '../tar-packer.ts';
import { overlayTree, treeMembers } from '../tree.ts';
import type { DirectoryNode, PackOptions } from '../tree.ts';

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

/** builtin:tsnix-docker-customisation-layer: `contents` (one directory), `baseJson`, `uid`, `gid`; or `tree`. */
export async function customisationLayer(job: BuiltinJob): Promise<void> {
  const tree = treeArgument(job, () => {
    const contents = requiredArgument(job, 'contents');
    return copyOfDirectory(closureView(job, [contents]), contents);
  });
  const options = { mtime: timeArgument(job), owner: ownerArgument(job), prefix: '', keepHardLinks: true } as const;
  await writeOutput(job, treeMembers(tree, options), await jsonArgument(job, 'baseJson'));
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

/** Which store paths make which layer: one each, all that are left in the last. */
export function splitIntoLayers<T>(paths: readonly T[], maxLayers: number): (readonly T[])[] {
  if (!Number.isInteger(maxLayers) || maxLayers < 1) throw new BuildError('there must be at least one layer');
  const layers = paths.slice(0, maxLayers - 1).map((path) => [path]);
  return paths.length >= maxLayers ? [...layers, paths.slice(maxLayers - 1)] : layers;
}

/** builtin:tsnix-docker-store-layers: `paths` (a list in a file), `configJson`, `maxLayers`; out: layers 1, 2, …. */
export async function storeLayers(job: BuiltinJob): Promise<void> {
  const out = output(job);
  const mtime = timeArgument(job);
  // What belongs to one image alone must not be in layers that others share.
  const json = await jsonArgument(job, 'configJson');
  json.delete('config');
  json.set('created', '1970-01-01T00:00:01Z');
  const list = await readFile(fsPath(pathArgument(job, 'paths')), 'latin1');
  const paths = list.split('\n').filter((line) => line !== '');
  const view = closureView(job, paths);
  await mkdir(fsPath(out));
  for (const [i, members] of splitIntoLayers(paths, Number(requiredArgument(job, 'maxLayers'))).entries()) {
    const dir = `${out}/${i + 1}`;
    job.log(`Creating layer #${i + 1} for ${members.join(' ')}`);
    await mkdir(fsPath(dir));
    const all = function* (): Generator<TarMember> {
      yield* storeDirectoryMembers(job.store.storeDir, mtime);
      yield* storePathMembers(view, members, mtime);
    };
    await writeLayer(dir, all(), json, job.signal);
  }
  job.log(`Finished building layer '${job.drv.name}'`);
}
