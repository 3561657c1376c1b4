// Documents about an image (bills of materials) beside it in its registry: a manifest whose subject is the image. Registries
// that know no referrers get an index under a tag made of the image's digest, as the specification has it for them.
// @see OCI distribution specification, "Listing Referrers", "Referrers Tag Schema"
import { RegistryError } from '../registry/http.ts';
import { RegistryClient, sha256Digest } from '../registry/client.ts';
import type { RegistryOptions } from '../registry/client.ts';
import { uploadBlob } from '../registry/upload.ts';
import { descriptorOf, documentOf, indexDocument, OCI, parseManifest } from './documents.ts';
import type { Descriptor } from './documents.ts';
import type { RegistryReference } from './reference.ts';
import type { SourceImage } from './source.ts';

const EMPTY_TYPE = 'application/vnd.oci.empty.v1+json';
const EMPTY = Buffer.from('{}');

async function hasReferrers(client: RegistryClient, digest: string): Promise<boolean> {
  const response = await client.exchange({ method: 'GET', url: await client.url(`referrers/${digest}`) });
  response.discard();
  return response.status === 200;
}

/** What the index under the tag lists already, with all that it says of each. */
async function listedReferrers(client: RegistryClient, tag: string): Promise<readonly Descriptor[]> {
  const url = await client.url(`manifests/${tag}`);
  const probe = await client.exchange({ method: 'HEAD', url, headers: { accept: OCI.index } });
  probe.discard();
  if (probe.status === 404) return [];
  const document = await client.manifest(tag);
  if (parseManifest(document, `the index of referrers ${tag}`).kind !== 'index') {
    throw new RegistryError(`'${tag}' is not an index of referrers`);
  }
  return (JSON.parse(document.bytes.toString()) as { readonly manifests: readonly Descriptor[] }).manifests;
}

/**
 * Attaches a document to an image of a registry.
 * @returns digest of the manifest that holds it
 * @throws RegistryError
 */
export async function attachDocument(
  reference: RegistryReference,
  image: SourceImage,
  document: { readonly bytes: Buffer; readonly type: string },
  options: RegistryOptions,
): Promise<string> {
  const subject = image.manifest;
  if (subject === undefined) throw new RegistryError('only an image that is in a registry has a manifest to refer to');
  const client = new RegistryClient(reference.repository, { ...options, push: true });
  try {
    for (const bytes of [EMPTY, document.bytes]) {
      if (!(await client.hasBlob(sha256Digest(bytes)))) await uploadBlob(client, [bytes]);
    }
    const manifest = documentOf(
      {
        schemaVersion: 2,
        mediaType: OCI.manifest,
        artifactType: document.type,
        config: { mediaType: EMPTY_TYPE, digest: sha256Digest(EMPTY), size: EMPTY.length },
        layers: [{ mediaType: document.type, digest: sha256Digest(document.bytes), size: document.bytes.length }],
        subject: descriptorOf(subject),
      },
      OCI.manifest,
    );
    await client.putManifest(manifest, manifest.digest);
    if (!(await hasReferrers(client, subject.digest))) {
      const tag = subject.digest.replace(':', '-');
      const listed = (await listedReferrers(client, tag)).filter(({ digest }) => digest !== manifest.digest);
      const own = { ...descriptorOf(manifest), artifactType: document.type };
      await client.putManifest(indexDocument([...listed, own], {}), tag);
    }
    return manifest.digest;
  } finally {
    client.close();
  }
}
