// Images written to one file: a docker-archive (byte for byte as skopeo writes it) or a tar archive of an OCI layout.
import { dockerArchiveEnd } from '../docker-archive.ts';
import { printRepository } from '../image-reference.ts';
import { StoreError } from '../../util/errors.ts';
import { utf8 } from '../../util/bytes.ts';
import { ArchiveFile } from './archive-file.ts';
import type { ImageDestination, WrittenImage } from './destination.ts';
import { layoutFiles } from './oci-directory-destination.ts';
import { parseName } from './reference.ts';

/** Docker refuses images of more layers. */
export const MAX_DOCKER_LAYERS = 127;

const hexOf = (digest: string): string => digest.slice('sha256:'.length);

/** @param name `NAME:TAG`; undefined leaves the image without a name */
export function dockerArchiveDestination(path: string, name: string | undefined): ImageDestination {
  const file = new ArchiveFile(path);
  const written = new Map<string, number>();
  let image: WrittenImage | undefined;
  const what = `'${utf8(path)}'`;
  return {
    what,
    plain: true,
    concurrency: 1,
    lookups: 1,
    hasBlob: ({ digest }) => Promise.resolve(written.has(digest) ? 'exists' : 'missing'),
    putBlob: async (chunks) => {
      const stored = await file.blob(chunks, (digest) => `${hexOf(digest)}.tar`);
      written.set(stored.digest, stored.size);
      return stored;
    },
    putManifest: (_, made) => {
      if (made === undefined) throw new StoreError(`${what}: a docker-archive holds no index of several images`);
      if (made.diffIds.length > MAX_DOCKER_LAYERS) {
        throw new StoreError(
          `the image has ${made.diffIds.length} layers; Docker takes no more than ${MAX_DOCKER_LAYERS}`,
        );
      }
      image = made;
      return Promise.resolve();
    },
    commit: () => {
      const { config, diffIds } = image!;
      const reference = name === undefined ? undefined : parseName(name);
      file.raw(
        dockerArchiveEnd(
          diffIds.map(hexOf),
          config.toString('latin1'),
          reference === undefined
            ? undefined
            : { name: printRepository(reference.repository), tag: reference.tag ?? 'latest' },
        ),
      );
      file.commit();
      return Promise.resolve();
    },
    abort: () => {
      file.abort();
      return Promise.resolve();
    },
    close: () => undefined,
  };
}

/** @param name the reference name in its index */
export function ociArchiveDestination(path: string, name: string | undefined): ImageDestination {
  const file = new ArchiveFile(path);
  const written = new Set<string>();
  return {
    what: `'${utf8(path)}'`,
    plain: false,
    concurrency: 1,
    lookups: 1,
    hasBlob: ({ digest }) => Promise.resolve(written.has(digest) ? 'exists' : 'missing'),
    putBlob: async (chunks) => {
      const stored = await file.blob(chunks, (digest) => `blobs/sha256/${hexOf(digest)}`);
      written.add(stored.digest);
      return stored;
    },
    putManifest: ({ digest, bytes }) => {
      if (!written.has(digest)) file.bytes(`blobs/sha256/${hexOf(digest)}`, bytes);
      written.add(digest);
      return Promise.resolve();
    },
    commit: (root) => {
      for (const [member, bytes] of layoutFiles(root, name, [])) file.bytes(member, bytes);
      file.commit();
      return Promise.resolve();
    },
    abort: () => {
      file.abort();
      return Promise.resolve();
    },
    close: () => undefined,
  };
}
