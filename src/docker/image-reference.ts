// Names of images as Docker normalises them: `busybox` is `docker.io/library/busybox`.
// @see distribution/reference, "Grammar"
import { UsageError } from '../util/errors.ts';

export interface Repository {
  /** Host and port of the registry as it is named: `docker.io`, `localhost:5000`. */
  readonly domain: string;
  /** `library/busybox`. */
  readonly path: string;
}

const DOMAIN = /^(?:localhost|[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9a-fA-F:]+\])(?::[0-9]{1,5})?$/;
const PATH = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;
const TAG = /^[\w][\w.-]{0,127}$/;
const DIGEST = /^sha256:[0-9a-f]{64}$/;

/** @throws UsageError where the name is not legal */
export function parseRepository(name: string): Repository {
  const slash = name.indexOf('/');
  const first = slash < 0 ? '' : name.slice(0, slash);
  const hasDomain = first === 'localhost' || /[.:A-Z]/.test(first);
  const domain = hasDomain ? first : 'docker.io';
  let path = hasDomain ? name.slice(slash + 1) : name;
  if (domain === 'docker.io' && !path.includes('/')) path = `library/${path}`;
  if (!DOMAIN.test(domain) || !PATH.test(path) || domain.length + path.length > 254) {
    throw new UsageError(`'${name}' is not a legal name of an image`);
  }
  return { domain, path };
}

export function printRepository({ domain, path }: Repository): string {
  return `${domain}/${path}`;
}

/** @throws UsageError where the tag is not legal */
export function checkTag(tag: string): string {
  if (!TAG.test(tag)) throw new UsageError(`'${tag}' is not a legal tag of an image`);
  return tag;
}

/** @throws UsageError where it is no `sha256:` digest */
export function checkDigest(digest: string): string {
  if (!DIGEST.test(digest)) throw new UsageError(`'${digest}' is not a digest: sha256: and 64 hexadecimal digits`);
  return digest;
}
