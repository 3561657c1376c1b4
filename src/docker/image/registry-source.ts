// Images of a registry.
import { RegistryClient } from '../registry/client.ts';
import type { RegistryOptions } from '../registry/client.ts';
import { contentSource } from './content-source.ts';
import { printReference } from './reference.ts';
import type { RegistryReference } from './reference.ts';
import type { ImageSource } from './source.ts';

export function registrySource(reference: RegistryReference, options: RegistryOptions): ImageSource {
  const client = new RegistryClient(reference.repository, options);
  return contentSource({
    what: `the image '${printReference(reference)}'`,
    root: () => client.manifest(reference.digest ?? reference.tag!),
    small: async ({ digest }, kind) =>
      kind === 'manifest' ? (await client.manifest(digest)).bytes : client.smallBlob(digest),
    chunks: ({ digest, size }) => client.blob(digest, size),
    origin: reference.repository,
    close: () => {
      client.close();
      return Promise.resolve();
    },
  });
}
