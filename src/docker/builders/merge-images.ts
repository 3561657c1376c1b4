// The builder of mergeImages: one archive of several images.
import { mkdir } from 'node:fs/promises';
import { fsPath } from '../../util/bytes.ts';
import { StoreError } from '../../util/errors.ts';
import type { BuiltinJob } from '../../build/builtin-builder.ts';
import { hashLayers, openBaseImage } from '../base-image.ts';
import { ImageTree } from '../image-archive.ts';
import { parseJsonText, printLikeJq } from '../json-text.ts';
import type { JsonObject, JsonValue } from '../json-text.ts';
import { directory } from '../tree.ts';
import { readSmall } from '../archive.ts';
import { wordsArgument, writeOutputImage } from './job-arguments.ts';

const MAX_JSON_BYTES = 16 * 1024 * 1024;
const DESCRIPTIONS = ['manifest.json', 'repositories'];

/**
 * builtin:tsnix-docker-merge-images: `images`, archives of images. Layers and configurations are named by what they are,
 * so the first of a name is as good as any.
 */
export async function mergeImages(job: BuiltinJob): Promise<void> {
  const tree = new ImageTree(`${job.tmpDir}/image`, directory(0o755));
  const manifests: JsonValue[] = [];
  const repositories: JsonObject = new Map();
  for (const [i, path] of wordsArgument(job, 'images').entries()) {
    const what = `the image '${path}'`;
    job.log(`Merging ${path}...`);
    const tmpDir = `${job.tmpDir}/${i}`;
    await mkdir(fsPath(tmpDir));
    const image = await openBaseImage(job.store.realPath(path), tmpDir, what, job.signal);
    // By their hashes they are found compressed, in this very image most likely.
    await hashLayers(image, job.signal);
    for (const [name, node] of image.tree.entries) {
      if (!DESCRIPTIONS.includes(name) && !tree.root.entries.has(name)) tree.root.entries.set(name, node);
    }
    const manifest = image.tree.entries.get('manifest.json');
    if (manifest?.type !== 'file') throw new StoreError(`${what} has no manifest.json`);
    const { path: file, offset = 0, size } = manifest;
    const text = await readSmall({ path: file, offset, size }, MAX_JSON_BYTES, `manifest.json of ${what}`);
    manifests.push(...(parseJsonText(text.toString('latin1'), `manifest.json of ${what}`) as JsonValue[]));
    for (const [name, tags] of image.repositories) {
      const known = repositories.get(name);
      const both = known instanceof Map && tags instanceof Map ? new Map([...known, ...tags]) : tags;
      repositories.set(name, both);
    }
  }
  await tree.putText(tree.root, 'manifest.json', printLikeJq(manifests));
  await tree.putText(tree.root, 'repositories', printLikeJq(repositories));
  await writeOutputImage(job, tree);
}
