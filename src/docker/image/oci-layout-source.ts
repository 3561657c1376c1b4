// Images in OCI layouts: a directory, or a tar archive of one (plain or compressed), read where it lies.
// @see OCI image specification, "Image Layout"
import { lstatSync } from 'node:fs';
import { join } from 'node:path';
import { StoreError } from '../../util/errors.ts';
import { utf8 } from '../../util/bytes.ts';
import { readRegion, readSmall } from '../archive.ts';
import type { Region } from '../archive.ts';
import { resolveInTree } from '../archive-tree.ts';
import type { DirectoryNode } from '../tree.ts';
import { contentSource } from './content-source.ts';
import type { Content } from './content-source.ts';
import { MAX_CONFIG_BYTES, OCI, documentOf, parseJson, parseManifest } from './documents.ts';
import type { Descriptor, Document } from './documents.ts';
import type { ImageSource } from './source.ts';

export const REF_NAME = 'org.opencontainers.image.ref.name';
const CONTAINERD_NAME = 'io.containerd.image.name';

/** Files of a layout by their names; undefined where there is no such file. */
type Files = (name: string) => Region | undefined;

function filesOfDirectory(dir: string): Files {
  return (name) => {
    const path = join(dir, name);
    const stats = lstatSync(path, { throwIfNoEntry: false });
    // Nothing else is a blob: a pipe would never end, a link may lead anywhere.
    return stats?.isFile() === true ? { path: utf8(path), offset: 0, size: stats.size } : undefined;
  };
}

function filesOfTree(tree: DirectoryNode): Files {
  return (name) => {
    const node = resolveInTree(tree, name);
    return node?.type === 'file' ? { path: node.path, offset: node.offset ?? 0, size: node.size } : undefined;
  };
}

async function readRoot(files: Files, name: string | undefined, what: string): Promise<Document> {
  if (files('oci-layout') === undefined)
    throw new StoreError(`${what} is not an OCI layout: it has no file oci-layout`);
  const file = files('index.json');
  if (file === undefined) throw new StoreError(`${what} is not an OCI layout: it has no index.json`);
  const bytes = await readSmall(file, MAX_CONFIG_BYTES, `index.json of ${what}`);
  const document = { bytes, mediaType: OCI.index, digest: '' };
  const index = parseManifest(document, `index.json of ${what}`);
  if (index.kind !== 'index') throw new StoreError(`index.json of ${what} is not an index`);
  const names = (entry: Descriptor): (string | undefined)[] => [
    entry.annotations?.[REF_NAME],
    entry.annotations?.[CONTAINERD_NAME],
  ];
  const all = index.manifests;
  const fitting = name === undefined ? all : all.filter((entry) => names(entry).includes(name));
  const there = all.flatMap(names).filter((text) => text !== undefined);
  if (fitting.length === 0) {
    const list = there.length === 0 ? '' : `; there are: ${utf8(there.join(', '))}`;
    throw new StoreError(name === undefined ? `${what} is empty` : `${what} has no image '${utf8(name)}'${list}`);
  }
  if (fitting.length > 1) {
    // One image of several machines that nobody gave an index of its own.
    if (
      fitting.every(({ platform }) => platform !== undefined) &&
      new Set(fitting.map((e) => names(e)[0])).size === 1
    ) {
      return documentOf({ ...parseJson(bytes, what), manifests: fitting }, OCI.index);
    }
    throw new StoreError(`${what} has several images, name one of: ${utf8(there.join(', '))}`);
  }
  const [entry] = fitting as [Descriptor];
  return { bytes: await smallFile(files, entry, what), mediaType: entry.mediaType, digest: entry.digest };
}

function blobFile(files: Files, { digest, size }: Descriptor, what: string): Region {
  const file = files(`blobs/sha256/${digest.slice('sha256:'.length)}`);
  if (file === undefined) throw new StoreError(`${what} lacks the blob ${digest}`);
  if (file.size !== size) throw new StoreError(`the blob ${digest} of ${what} has ${file.size} bytes, not ${size}`);
  return file;
}

function smallFile(files: Files, descriptor: Descriptor, what: string): Promise<Buffer> {
  return readSmall(blobFile(files, descriptor, what), MAX_CONFIG_BYTES, `the blob ${descriptor.digest} of ${what}`);
}

function layoutSource(files: Files, name: string | undefined, what: string, close: () => Promise<void>): ImageSource {
  const content: Content = {
    what,
    root: () => readRoot(files, name, what),
    small: (descriptor) => smallFile(files, descriptor, what),
    chunks: (descriptor) => readRegion(blobFile(files, descriptor, what)),
    region: (descriptor) => blobFile(files, descriptor, what),
    close,
  };
  return contentSource(content);
}

/** @param path text */
export function ociDirectorySource(path: string, name: string | undefined): ImageSource {
  return layoutSource(filesOfDirectory(path), name, `the OCI layout '${utf8(path)}'`, () => Promise.resolve());
}

export function ociArchiveSource(
  tree: DirectoryNode,
  path: string,
  name: string | undefined,
  close: () => Promise<void>,
): ImageSource {
  return layoutSource(filesOfTree(tree), name, `the OCI archive '${utf8(path)}'`, close);
}
