// Where an image is, as skopeo writes it: `docker-archive:FILE[:NAME[:TAG]]`, `oci:DIR[:TAG]`, `oci-archive:FILE[:TAG]`,
// `docker://NAME[:TAG][@DIGEST]`. A bare path is whatever lies there.
import { UsageError } from '../../util/errors.ts';
import { utf8 } from '../../util/bytes.ts';
import { checkDigest, checkTag, parseRepository, printRepository } from '../image-reference.ts';
import type { Repository } from '../image-reference.ts';

export interface RegistryReference {
  readonly transport: 'registry';
  readonly repository: Repository;
  /** `latest` where nothing else is said; undefined with a digest. */
  readonly tag: string | undefined;
  readonly digest: string | undefined;
}

/** Text, not byte strings. */
export interface FileReference {
  readonly transport: 'docker-archive' | 'oci' | 'oci-archive' | 'path';
  readonly path: string;
  /** `NAME:TAG` in a docker-archive, the reference name of a layout; undefined: the only one. */
  readonly name: string | undefined;
}

export type ImageReference = RegistryReference | FileReference;

/** Name and tag of an image, `NAME[:TAG][@DIGEST]`. @throws UsageError */
export function parseName(text: string): RegistryReference {
  const at = text.indexOf('@');
  const digest = at < 0 ? undefined : checkDigest(text.slice(at + 1));
  const base = at < 0 ? text : text.slice(0, at);
  const colon = base.lastIndexOf(':');
  const hasTag = colon > base.lastIndexOf('/');
  const repository = parseRepository(hasTag ? base.slice(0, colon) : base);
  const tag = hasTag ? checkTag(base.slice(colon + 1)) : digest === undefined ? 'latest' : undefined;
  return { transport: 'registry', repository, tag: digest === undefined ? tag : undefined, digest };
}

/** `docker.io/library/x:latest` as people write it: `x:latest`. */
export function familiarName({ repository, tag, digest }: RegistryReference): string {
  const { domain, path } = repository;
  const name = domain === 'docker.io' ? path.replace(/^library\//, '') : printRepository(repository);
  return `${name}${tag === undefined ? '' : `:${tag}`}${digest === undefined ? '' : `@${digest}`}`;
}

function fileReference(transport: FileReference['transport'], rest: string): FileReference {
  const colon = rest.indexOf(':');
  const path = colon < 0 ? rest : rest.slice(0, colon);
  const name = colon < 0 ? undefined : rest.slice(colon + 1);
  if (path === '') throw new UsageError(`'${transport}:${utf8(rest)}' names no file`);
  if (name === undefined || name === '') return { transport, path, name: undefined };
  if (transport === 'docker-archive') return { transport, path, name: familiarName(parseName(name)) };
  if (!/^[A-Za-z0-9]+(?:[-._:@/+]+[A-Za-z0-9]+)*$/.test(name)) {
    throw new UsageError(`'${utf8(name)}' is not a legal reference in an OCI layout`);
  }
  return { transport, path, name };
}

const REGISTRY_PREFIX = /^(?:docker:\/\/|registry:)/;

/** @throws UsageError */
export function parseReference(text: string): ImageReference {
  if (REGISTRY_PREFIX.test(text)) return parseName(text.replace(REGISTRY_PREFIX, ''));
  const transport = /^(docker-archive|oci-archive|oci):/.exec(text)?.[1] as FileReference['transport'] | undefined;
  if (transport !== undefined) return fileReference(transport, text.slice(transport.length + 1));
  const other = /^(docker-daemon|containers-storage|dir|ostree|sif|tarball|atomic):/.exec(text)?.[1];
  if (other !== undefined) throw new UsageError(`images are not read from or written to '${other}:'`);
  if (text === '') throw new UsageError('an image has no empty name');
  return { transport: 'path', path: text, name: undefined };
}

/** For messages; a byte string. */
export function printReference(reference: ImageReference): string {
  if (reference.transport === 'registry') return `docker://${familiarName(reference)}`;
  const prefix = reference.transport === 'path' ? '' : `${reference.transport}:`;
  return utf8(`${prefix}${reference.path}${reference.name === undefined ? '' : `:${reference.name}`}`);
}
