// From a reference to the source it names.
import { mkdtemp, rm } from 'node:fs/promises';
import { statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { StoreError } from '../../util/errors.ts';
import { utf8 } from '../../util/bytes.ts';
import { decompressed } from '../archive.ts';
import { archiveTree } from '../archive-tree.ts';
import type { RegistryOptions } from '../registry/client.ts';
import { fileRegion } from '../write-file.ts';
import { dockerArchiveSource } from './docker-archive-source.ts';
import { ociArchiveSource, ociDirectorySource } from './oci-layout-source.ts';
import { printReference } from './reference.ts';
import type { FileReference, ImageReference, RegistryReference } from './reference.ts';
import { registrySource } from './registry-source.ts';
import type { ImageSource } from './source.ts';

export interface OpenOptions {
  readonly signal?: AbortSignal | undefined;
  readonly registry?: (reference: RegistryReference) => RegistryOptions;
}

/** An archive, decompressed to a temporary place if need be. */
async function archiveSource(reference: FileReference, signal?: AbortSignal): Promise<ImageSource> {
  const what = `'${printReference(reference)}'`;
  const tmp = await mkdtemp(join(tmpdir(), 'tsnix-image-'));
  const close = (): Promise<void> => rm(tmp, { recursive: true, force: true });
  try {
    const plain = await decompressed(fileRegion(utf8(reference.path)), utf8(join(tmp, 'archive.tar')), signal);
    const tree = await archiveTree(plain, what, signal);
    const has = (name: string): boolean => tree.entries.has(name);
    const kind =
      reference.transport !== 'path'
        ? reference.transport
        : has('oci-layout') && !has('manifest.json')
          ? 'oci-archive'
          : 'docker-archive';
    if (kind === 'docker-archive' && !has('manifest.json')) {
      throw new StoreError(`${what} is not an image: it has neither a manifest.json nor an OCI layout`);
    }
    if (kind === 'oci-archive') return ociArchiveSource(tree, reference.path, reference.name, close);
    return await dockerArchiveSource(tree, reference.path, reference.name, close);
  } catch (error) {
    await close();
    throw error;
  }
}

/** @throws StoreError where there is nothing, or nothing of this kind */
export async function openImageSource(reference: ImageReference, options: OpenOptions = {}): Promise<ImageSource> {
  const { signal } = options;
  if (reference.transport === 'registry') {
    return registrySource(reference, { signal, ...options.registry?.(reference) });
  }
  const stats = statSync(reference.path, { throwIfNoEntry: false });
  if (stats === undefined) throw new StoreError(`'${utf8(reference.path)}' does not exist`);
  if (stats.isDirectory()) {
    if (reference.transport !== 'path' && reference.transport !== 'oci') {
      throw new StoreError(`'${utf8(reference.path)}' is a directory, not an archive`);
    }
    return ociDirectorySource(reference.path, reference.name);
  }
  if (!stats.isFile()) throw new StoreError(`'${utf8(reference.path)}' is neither a file nor a directory`);
  if (reference.transport === 'oci') throw new StoreError(`'${utf8(reference.path)}' is not a directory`);
  return archiveSource(reference, signal);
}
