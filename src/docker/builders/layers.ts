// Builders of layers made of files: pure ones, the customisation layer of layered images, those made by root.
import { mkdir } from 'node:fs/promises';
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
import { readRecordedTree, writeRecordedTree } from '../recorded-tree.ts';
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
