// A client of OCI registries, for reading: manifests and blobs by digest, anonymously. What comes is checked against
// its digest and never larger than announced; a registry that stalls or fails is tried again, then given up.
// @see OCI distribution specification, "Pull"; Docker registry token authentication
import { createHash } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { BuildError } from '../util/errors.ts';
import type { Repository } from './image-reference.ts';

/** Largest manifest, configuration or token that is read. */
const MAX_DOCUMENT_BYTES = 8 * 1024 * 1024;
/** A connection on which nothing comes for so long is given up. */
const STALL_MS = 60_000;
const ATTEMPTS = 4;

export const MANIFEST_TYPES = [
  'application/vnd.docker.distribution.manifest.v2+json',
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
  'application/vnd.oci.image.index.v1+json',
] as const;

export interface Document {
  readonly bytes: Buffer;
  readonly mediaType: string;
}

/** A failure that a further attempt may mend. */
class PassingError extends BuildError {}

function isLoopback(domain: string): boolean {
  return /^(localhost|127\.[0-9.]+|\[::1\])(:[0-9]+)?$/.test(domain);
}

function baseUrl(domain: string): string {
  if (domain === 'docker.io') return 'https://registry-1.docker.io';
  return `${isLoopback(domain) ? 'http' : 'https'}://${domain}`;
}

/** Parameters of a `WWW-Authenticate` header: `Bearer realm="…",service="…",scope="…"`. */
function challenge(header: string): { scheme: string; parameters: Map<string, string> } {
  const scheme = /^\s*([A-Za-z]+)/.exec(header)?.[1]?.toLowerCase() ?? '';
  const parameters = new Map<string, string>();
  for (const [, key, quoted, bare] of header.matchAll(/([a-zA-Z_]+)=(?:"([^"]*)"|([^",\s]+))/g)) {
    parameters.set(key!.toLowerCase(), quoted ?? bare ?? '');
  }
  return { scheme, parameters };
}

function checkDigestOf(bytes: Buffer, digest: string, what: string): void {
  const found = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
  if (found !== digest) throw new BuildError(`${what} has the digest ${found}, not ${digest}`);
}

export class RegistryClient {
  readonly #repository: Repository;
  readonly #signal: AbortSignal | undefined;
  readonly #retryDelayMs: number;
  #token: string | undefined;

  /** @param options.retryDelayMs wait before the second attempt, doubled each time */
  constructor(repository: Repository, options: { signal?: AbortSignal; retryDelayMs?: number } = {}) {
    this.#repository = repository;
    this.#signal = options.signal;
    this.#retryDelayMs = options.retryDelayMs ?? 500;
  }

  async #fetch(url: string, headers: Readonly<Record<string, string>>): Promise<Response> {
    // Only for the answer to begin: its body has a watch of its own.
    const stalled = new AbortController();
    const timer = setTimeout(() => stalled.abort(new Error('no answer for a minute')), STALL_MS);
    const signal = this.#signal === undefined ? stalled.signal : AbortSignal.any([this.#signal, stalled.signal]);
    let response: Response;
    try {
      response = await fetch(url, { headers, signal, redirect: 'follow' });
    } catch (error) {
      this.#signal?.throwIfAborted();
      const cause = (error as Error).cause;
      const reason = cause instanceof Error ? cause.message : (error as Error).message;
      throw new PassingError(`cannot reach '${url}': ${reason}`, { cause: error });
    } finally {
      clearTimeout(timer);
    }
    if (response.status >= 500 || response.status === 429) {
      await response.body?.cancel();
      throw new PassingError(`'${url}' answered ${response.status} ${response.statusText}`);
    }
    return response;
  }

  /** Body of a response in chunks; fails where nothing comes for long or more comes than `limit` bytes. */
  async *#body(response: Response, url: string, limit: number): AsyncGenerator<Uint8Array> {
    if (response.body === null) return;
    const reader = (response.body as ReadableStream<Uint8Array>).getReader();
    let size = 0;
    try {
      for (;;) {
        let timer: NodeJS.Timeout | undefined;
        const stalled = new Promise<never>((_, reject) => {
          timer = setTimeout(() => reject(new PassingError(`'${url}' has sent nothing for a minute`)), STALL_MS);
        });
        const { done, value } = await Promise.race([reader.read(), stalled]).finally(() => {
          clearTimeout(timer);
        });
        if (done) return;
        size += value.length;
        if (size > limit) throw new BuildError(`'${url}' sends more than the ${limit} bytes that it should`);
        yield value;
      }
    } catch (error) {
      this.#signal?.throwIfAborted();
      if (error instanceof BuildError) throw error;
      throw new PassingError(`'${url}' broke off: ${(error as Error).message}`, { cause: error });
    } finally {
      await reader.cancel().catch(() => undefined);
    }
  }

  async #document(response: Response, url: string): Promise<Buffer> {
    const chunks: Uint8Array[] = [];
    for await (const chunk of this.#body(response, url, MAX_DOCUMENT_BYTES)) chunks.push(chunk);
    return Buffer.concat(chunks);
  }

  async #authenticate(header: string): Promise<void> {
    const { scheme, parameters } = challenge(header);
    const realm = parameters.get('realm');
    if (scheme !== 'bearer' || realm === undefined || !/^https?:/.test(realm)) {
      throw new BuildError(`the registry '${this.#repository.domain}' wants credentials (${scheme || 'no scheme'})`);
    }
    const url = new URL(realm);
    const service = parameters.get('service');
    if (service !== undefined) url.searchParams.set('service', service);
    url.searchParams.set('scope', parameters.get('scope') ?? `repository:${this.#repository.path}:pull`);
    const response = await this.#fetch(url.href, {});
    const text = (await this.#document(response, url.href)).toString();
    if (!response.ok) throw new BuildError(`'${url.origin}' gives no token: ${response.status} ${text.slice(0, 200)}`);
    let answer: { token?: unknown; access_token?: unknown };
    try {
      answer = JSON.parse(text) as typeof answer;
    } catch {
      throw new BuildError(`'${url.origin}' gives no token: its answer is not JSON`);
    }
    const token = answer.token ?? answer.access_token;
    if (typeof token !== 'string') throw new BuildError(`'${url.origin}' gives no token`);
    this.#token = token;
  }

  async #get(path: string, accept: string): Promise<{ response: Response; url: string }> {
    const url = `${baseUrl(this.#repository.domain)}/v2/${this.#repository.path}/${path}`;
    for (let authenticated = false; ; authenticated = true) {
      const authorization: Record<string, string> =
        this.#token === undefined ? {} : { authorization: `Bearer ${this.#token}` };
      const response = await this.#fetch(url, { accept, ...authorization });
      if (response.ok) return { response, url };
      const wanted = response.headers.get('www-authenticate');
      const text = (await this.#document(response, url)).toString();
      if (response.status === 401 && wanted !== null && !authenticated) {
        await this.#authenticate(wanted);
        continue;
      }
      throw new BuildError(`'${url}' answered ${response.status} ${response.statusText}: ${text.trim().slice(0, 200)}`);
    }
  }

  async #retrying<T>(action: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await action();
      } catch (error) {
        if (!(error instanceof PassingError) || attempt === ATTEMPTS) throw error;
        await delay(this.#retryDelayMs * 2 ** (attempt - 1), undefined, { signal: this.#signal });
      }
    }
  }

  /** A manifest or index. @throws BuildError where there is none of this digest */
  manifest(digest: string): Promise<Document> {
    return this.#retrying(async () => {
      const { response, url } = await this.#get(`manifests/${digest}`, MANIFEST_TYPES.join(', '));
      const bytes = await this.#document(response, url);
      checkDigestOf(bytes, digest, `the manifest from '${url}'`);
      const mediaType = (response.headers.get('content-type') ?? '').split(';')[0]!.trim();
      return { bytes, mediaType };
    });
  }

  /** A small blob, whole. */
  async smallBlob(digest: string): Promise<Buffer> {
    const bytes = await this.#retrying(async () => {
      const { response, url } = await this.#get(`blobs/${digest}`, '*/*');
      return this.#document(response, url);
    });
    checkDigestOf(bytes, digest, 'a blob');
    return bytes;
  }

  /**
   * A blob, handed over in chunks. After a failure it starts again with another `receive`.
   * @param sizeBytes as the manifest says
   */
  async blob(
    digest: string,
    sizeBytes: number,
    receive: (chunks: AsyncIterable<Uint8Array>) => Promise<void>,
  ): Promise<void> {
    await this.#retrying(async () => {
      const { response, url } = await this.#get(`blobs/${digest}`, '*/*');
      const hash = createHash('sha256');
      const body = this.#body(response, url, sizeBytes);
      const hashed = async function* (): AsyncGenerator<Uint8Array> {
        for await (const chunk of body) {
          hash.update(chunk);
          yield chunk;
        }
        const found = `sha256:${hash.digest('hex')}`;
        if (found !== digest) throw new BuildError(`'${url}' has the digest ${found}, not ${digest}`);
      };
      await receive(hashed());
    });
  }
}
