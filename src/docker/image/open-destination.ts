// From a reference to the destination it names.
import { UsageError } from '../../util/errors.ts';
import { utf8 } from '../../util/bytes.ts';
import type { RegistryOptions } from '../registry/client.ts';
import { dockerArchiveDestination, ociArchiveDestination } from './archive-destinations.ts';
import type { ImageDestination } from './destination.ts';
import { ociDirectoryDestination } from './oci-directory-destination.ts';
import type { ImageReference, RegistryReference } from './reference.ts';
import { registryDestination } from './registry-destination.ts';

export interface DestinationOptions {
  readonly registry?: (reference: RegistryReference) => RegistryOptions;
  /** The image's name where the reference says none: `NAME:TAG`. */
  readonly name?: string | undefined;
}

/** @throws UsageError, StoreError where nothing can be put there */
export function openImageDestination(reference: ImageReference, options: DestinationOptions = {}): ImageDestination {
  switch (reference.transport) {
    case 'registry':
      return registryDestination(reference, options.registry?.(reference) ?? {});
    case 'docker-archive':
      return dockerArchiveDestination(reference.path, reference.name ?? options.name);
    case 'oci-archive':
      return ociArchiveDestination(reference.path, reference.name ?? tagOf(options.name));
    case 'oci':
      return ociDirectoryDestination(reference.path, reference.name ?? tagOf(options.name));
    case 'path':
      throw new UsageError(
        `'${utf8(reference.path)}' does not say what to write: docker-archive:FILE, oci:DIR, oci-archive:FILE or docker://NAME`,
      );
  }
}

/** The tag of `NAME:TAG`, as a layout's references are usually called. */
function tagOf(name: string | undefined): string | undefined {
  if (name === undefined) return undefined;
  const colon = name.lastIndexOf(':');
  return colon > name.lastIndexOf('/') ? name.slice(colon + 1) : undefined;
}
