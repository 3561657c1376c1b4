// Builders of directories and small files that images are made from.
import { writeFile } from 'node:fs/promises';
import { fsPath } from '../../util/bytes.ts';
import type { BuiltinJob } from '../../build/builtin-builder.ts';
import { decompressed } from '../archive.ts';
import { archiveTree } from '../archive-tree.ts';
import { printLikeJq } from '../json-text.ts';
import { materialise } from '../materialise.ts';
import { copyOfDirectory, mergeContents } from '../merge-contents.ts';
import { directory, overlayTree } from '../tree.ts';
import { argument, closureView, jsonArgument, output, wordsArgument } from './job-arguments.ts';

/** builtin:tsnix-docker-created-now: `base`, a JSON file, with the time of building as `created`. */
export async function createdNow(job: BuiltinJob): Promise<void> {
  const json = await jsonArgument(job, 'base');
  json.set('created', `${new Date().toISOString().slice(0, 19)}+00:00`);
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
