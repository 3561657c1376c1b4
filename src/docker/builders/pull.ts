// The builder of pullImage: an image of a registry as a docker-archive.
import { rmSync } from 'node:fs';
import { fromUtf8, fsPath } from '../../util/bytes.ts';
import { BuildError } from '../../util/errors.ts';
import type { BuiltinJob } from '../../build/builtin-builder.ts';
import { decompressed } from '../archive.ts';
import { writeDockerArchive } from '../docker-archive.ts';
import type { ArchivedLayer } from '../docker-archive.ts';
import { checkDigest, checkTag, parseRepository, printRepository } from '../image-reference.ts';
import { RegistryClient } from '../registry/client.ts';
import type { Document } from '../registry/client.ts';
import { fileRegion, hashRegion, writeChunks } from '../write-file.ts';
import { argument, output, requiredArgument } from './job-arguments.ts';

interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly platform?: { readonly os?: unknown; readonly architecture?: unknown };
}

function describe(value: unknown, what: string): Descriptor {
  const { mediaType, digest, size, platform } = (value ?? {}) as Record<string, unknown>;
  if (typeof digest !== 'string' || !Number.isSafeInteger(size) || (size as number) < 0) {
    throw new BuildError(`${what} is not a valid manifest`);
  }
  return {
    mediaType: typeof mediaType === 'string' ? mediaType : '',
    digest: checkDigest(digest),
    size: size as number,
    ...(typeof platform === 'object' && platform !== null ? { platform } : {}),
  };
}

function parseManifest({ bytes }: Document, what: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(bytes.toString());
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>;
  } catch {
    // falls through to the error below
  }
  throw new BuildError(`${what} is not a JSON object`);
}

/** The manifest of one machine: itself, or the one that an index lists for it. */
async function findManifest(client: RegistryClient, digest: string, os: string, arch: string) {
  let found = digest;
  // An index may list indexes; nobody nests them deeper.
  for (let depth = 0; depth < 3; depth++) {
    const what = `the manifest ${found}`;
    const manifest = parseManifest(await client.manifest(found), what);
    if (Array.isArray(manifest['layers']) && manifest['config'] !== undefined) return { manifest, what };
    const list = manifest['manifests'];
    if (!Array.isArray(list)) {
      throw new BuildError(`${what} is neither an image of schema version 2 nor an index of such`);
    }
    const fitting = list
      .map((entry) => describe(entry, what))
      .find(({ platform }) => platform?.os === os && platform.architecture === arch);
    if (fitting === undefined) throw new BuildError(`${what} lists no image for ${os}/${arch}`);
    found = fitting.digest;
  }
  throw new BuildError('indexes of images are nested too deeply');
}

/**
 * builtin:tsnix-docker-pull: `sourceName` at `imageDigest`, for `os` and `arch`, as the image `imageName`:`imageTag`.
 * Anonymous; plain HTTP on loopback only, or with `tlsVerify = "0"`.
 */
export async function pull(job: BuiltinJob): Promise<void> {
  if (![...job.drv.outputs.values()].some(({ kind }) => kind === 'fixed')) {
    throw new BuildError("'builtin:tsnix-docker-pull' must be a fixed-output derivation");
  }
  const { signal } = job;
  const digest = checkDigest(requiredArgument(job, 'imageDigest'));
  const source = parseRepository(fromUtf8(requiredArgument(job, 'sourceName')));
  const name = printRepository(parseRepository(fromUtf8(requiredArgument(job, 'imageName'))));
  const tag = checkTag(requiredArgument(job, 'imageTag'));
  const client = new RegistryClient(source, { signal, tls: { verify: argument(job, 'tlsVerify') !== '0' } });
  job.log(`Getting image source ${printRepository(source)}@${digest}`);
  const { manifest, what } = await findManifest(client, digest, argument(job, 'os') || 'linux', argument(job, 'arch'));
  const configDigest = describe(manifest['config'], what).digest;

  const layers: ArchivedLayer[] = [];
  for (const [i, entry] of (manifest['layers'] as unknown[]).entries()) {
    const blob = describe(entry, what);
    job.log(`Copying blob ${blob.digest}`);
    const path = `${job.tmpDir}/blob-${i}`;
    await writeChunks(path, client.blob(blob.digest, blob.size), signal);
    const file = await decompressed(fileRegion(path), `${path}.tar`, signal);
    if (file.path !== path) rmSync(fsPath(path));
    layers.push({ diffId: await hashRegion(file, signal), file });
  }
  job.log(`Copying config ${configDigest}`);
  const config = (await client.smallBlob(configDigest)).toString('latin1');
  checkDiffIds(config, layers);
  await writeChunks(output(job), writeDockerArchive(layers, config, name, tag), signal);
}

/** The configuration names the layers too. @throws BuildError where it names others */
function checkDiffIds(config: string, layers: readonly ArchivedLayer[]): void {
  let diffIds: unknown;
  try {
    diffIds = (JSON.parse(config) as { rootfs?: { diff_ids?: unknown } }).rootfs?.diff_ids;
  } catch {
    throw new BuildError("the image's configuration is not JSON");
  }
  const found = layers.map(({ diffId }) => `sha256:${diffId}`);
  if (!Array.isArray(diffIds) || diffIds.length !== found.length || found.some((id, i) => id !== diffIds[i])) {
    throw new BuildError("the image's layers are not those that its configuration names");
  }
}
