// Images pushed to a registry. Manifests of images go by their digests; the one that is meant gets the tag, last of all.
import { RegistryClient } from '../registry/client.ts';
import type { RegistryOptions } from '../registry/client.ts';
import { mountBlob, uploadBlob } from '../registry/upload.ts';
import type { ImageDestination } from './destination.ts';
import type { Document } from './documents.ts';
import { printReference } from './reference.ts';
import type { RegistryReference } from './reference.ts';

export function registryDestination(reference: RegistryReference, options: RegistryOptions): ImageDestination {
  const client = new RegistryClient(reference.repository, { ...options, push: true });
  const { repository, tag, digest: requiredDigest } = reference;
  let held: Document | undefined;
  return {
    what: `'${printReference(reference)}'`,
    plain: false,
    concurrency: 3,
    lookups: 8,
    requiredDigest,
    hasBlob: async ({ digest }, origin) => {
      if (await client.hasBlob(digest)) return 'exists';
      const near = origin?.domain === repository.domain && origin.path !== repository.path;
      return near && (await mountBlob(client, digest, origin)) ? 'mounted' : 'missing';
    },
    putBlob: (chunks) => uploadBlob(client, chunks),
    putManifest: async (document) => {
      // The last one is put under its tag: once.
      if (held !== undefined) await client.putManifest(held, held.digest);
      held = document;
    },
    commit: async (root) => {
      if (held === undefined || held.digest !== root.digest) throw new RangeError('the root is put last');
      await client.putManifest(held, tag ?? held.digest);
    },
    // What was uploaded and has no manifest is the registry's rubbish, and of use for the next attempt.
    abort: () => Promise.resolve(),
    close: () => {
      client.close();
    },
  };
}
