// Builders of directories and small files that images are made from.
import { writeFile } from 'node:fs/promises';
import { fsPath } from '../../util/bytes.ts';
import type { BuiltinJob } from '../../build/builtin-builder.ts';
import { decompressed } from '../archive.ts';
import { archiveTree } from '../archive-tree.ts';
import { exportedRoots, sortedClosure } from '../../build/builtin/graph.ts';
import { baseFileSystem, openBaseImage, parentId } from '../base-image.ts';
import { printDate } from '../date.ts';
import { printLikeJq } from '../json-text.ts';
import { materialise } from '../materialise.ts';
import { copyOfDirectory, mergeContents } from '../merge-contents.ts';
import { nixStateTree } from '../nix-database.ts';
import { writeRecordedTree } from '../recorded-tree.ts';
import { packTarFleeting } from '../tar-packer.ts';
import { directory, overlayTree, treeMembers } from '../tree.ts';
import type { DirectoryNode } from '../tree.ts';
import { writeChunks } from '../write-file.ts';
import {
  argument,
  closureView,
  jsonArgument,
  output,
  parseTime,
  pathArgument,
  requiredArgument,
  timeArgument,
  wordsArgument,
} from './job-arguments.ts';

/** builtin:tsnix-docker-created: `base`, a JSON file, with `created` as other programs read it. */
export async function created(job: BuiltinJob): Promise<void> {
  const json = await jsonArgument(job, 'base');
  json.set('created', printDate(parseTime(requiredArgument(job, 'created'), 'created')));
  await writeFile(fsPath(output(job)), printLikeJq(json), 'latin1');
}

/** builtin:tsnix-docker-contents: `contents` merged into one directory, for commands to work upon. */
export async function contents(job: BuiltinJob): Promise<void> {
  const items = wordsArgument(job, 'contents');
  for (const item of items) job.log(`Adding ${item}`);
  const keepDirlinks = argument(job, 'keepContentsDirlinks') !== '';
  await materialise(mergeContents(closureView(job, items), items, { keepDirlinks }), output(job), job.signal);
}

/**
 * builtin:tsnix-docker-merge-drvs: `derivations` (directories, and tar archives unpacked) in one directory, later ones
 * over earlier ones; with `onlyDeps`, a file that names them.
 */
export async function mergeDerivations(job: BuiltinJob): Promise<void> {
  const items = wordsArgument(job, 'derivations');
  if (argument(job, 'onlyDeps') !== '') {
    await writeFile(fsPath(output(job)), `${items.join(' ')}\n`, 'latin1');
    return;
  }
  const view = closureView(job, items);
  const tree = directory(0o755);
  for (const [i, item] of items.entries()) {
    job.log(`Merging ${item}...`);
    const file = view.require(item);
    if (file.stats.isDirectory()) overlayTree(tree, copyOfDirectory(view, file.path));
    else {
      const region = { path: file.realPath, offset: 0, size: file.stats.size };
      const plain = await decompressed(region, `${job.tmpDir}/${i}.tar`, job.signal);
      overlayTree(tree, await archiveTree(plain, `'${item}'`, job.signal));
    }
  }
  await materialise(tree, output(job), job.signal);
}

/** builtin:tsnix-docker-nix-db: `exportReferencesGraph` names the roots; a recorded tree of `/nix/var` for them. */
export async function nixDatabase(job: BuiltinJob): Promise<void> {
  const roots = exportedRoots(job);
  const tree = await nixStateTree({
    closure: sortedClosure(job.store, roots),
    roots,
    storeDir: job.store.storeDir,
    time: timeArgument(job),
    dir: `${job.tmpDir}/db`,
  });
  await writeRecordedTree(tree, output(job), job.signal);
}

/** builtin:tsnix-docker-base-tree: the file system of `fromImage`, recorded, for commands to work upon. */
export async function baseTree(job: BuiltinJob): Promise<void> {
  await writeRecordedTree(await imageFileSystem(job), output(job), job.signal);
}

/** builtin:tsnix-docker-export: the file system of `fromImage` as one plain archive. */
export async function exportImage(job: BuiltinJob): Promise<void> {
  const tree = await imageFileSystem(job);
  job.log('Packing raw image...');
  await writeChunks(
    output(job),
    packTarFleeting(treeMembers(tree, { mtime: timeArgument(job), prefix: './' })),
    job.signal,
  );
}

/** All layers of `fromImage`; `fromImageName` and `fromImageTag` must be in it, though they change nothing. */
async function imageFileSystem(job: BuiltinJob): Promise<DirectoryNode> {
  const what = `the image '${requiredArgument(job, 'fromImage')}'`;
  const image = await openBaseImage(pathArgument(job, 'fromImage'), job.tmpDir, what, job.signal);
  parentId(image, argument(job, 'fromImageName'), argument(job, 'fromImageTag'), what);
  return baseFileSystem(image, job.tmpDir, what, job.signal);
}
