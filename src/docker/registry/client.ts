// One repository of an OCI registry: manifests and blobs, read and written. What comes is checked against its digest and
// never larger than announced; what fails in passing is tried again, and a broken download goes on where it broke off.
// @see OCI distribution specification; upload.ts for how blobs are sent
import { createHash } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { utf8 } from '../../util/bytes.ts';
import type { Repository } from '../image-reference.ts';
import { Authenticator } from './authenticator.ts';
import type { Credentials } from './credentials.ts';
import {
  ConnectionError,
  HttpClient,
  MAX_DOCUMENT_BYTES,
  PassingError,
  RegistryError,
  isLoopback,
  quoteAnswer,
  shownUrl,
} from './http.ts';
import type { HttpRequest, HttpResponse, TlsSettings } from './http.ts';

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
  /** `sha256:…` of the bytes. */
  readonly digest: string;
}

export interface RegistryOptions {
  readonly signal?: AbortSignal | undefined;
  /** Wait before the second attempt, doubled each time. */
  readonly retryDelayMs?: number;
  readonly stallMs?: number;
  readonly tls?: TlsSettings;
  /** Asked when the registry wants to know. */
  readonly credentials?: () => Promise<Credentials | undefined>;
  /** Also for writing. */
  readonly push?: boolean;
  /** Repositories of the same registry that blobs may be mounted from. */
  readonly mountFrom?: readonly Repository[];
}

export function sha256Digest(bytes: Uint8Array | string): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

function checkDigestOf(bytes: Buffer, digest: string, what: string): void {
  const found = sha256Digest(bytes);
  if (found !== digest) throw new RegistryError(`${what} has the digest ${found}, not ${digest}`);
}

export class RegistryClient {
  readonly repository: Repository;
  readonly #options: RegistryOptions;
  readonly #http: HttpClient;
  readonly #authenticator: Authenticator;
  #base: Promise<URL> | undefined;

  constructor(repository: Repository, options: RegistryOptions = {}) {
    this.repository = repository;
    this.#options = options;
    const { signal, stallMs, tls = {}, mountFrom = [] } = options;
    this.#http = new HttpClient({ signal, tls, ...(stallMs === undefined ? {} : { stallMs }) });
    this.#authenticator = new Authenticator({
      http: this.#http,
      domain: repository.domain,
      scopes: [
        `repository:${repository.path}:${options.push === true ? 'pull,push' : 'pull'}`,
        ...mountFrom.filter(({ path }) => path !== repository.path).map(({ path }) => `repository:${path}:pull`),
      ],
      credentials: options.credentials ?? (() => Promise.resolve(undefined)),
      insecure: tls.verify === false,
    });
  }

  close(): void {
    this.#http.close();
  }

  /** Where the registry answers; plain HTTP on loopback or where the user does not mind. */
  async #findBase(): Promise<URL> {
    const { domain } = this.repository;
    if (domain === 'docker.io') return new URL('https://registry-1.docker.io');
    const secure = new URL(`https://${domain}`);
    if (!isLoopback(domain) && this.#options.tls?.verify !== false) return secure;
    try {
      (await this.#http.request({ method: 'GET', url: new URL('/v2/', secure) })).discard();
      return secure;
    } catch (error) {
      if (error instanceof ConnectionError) return new URL(`http://${domain}`);
      if (error instanceof PassingError) return secure;
      throw error;
    }
  }

  /** URL below `/v2/NAME/`. */
  async url(path: string): Promise<URL> {
    const base = await (this.#base ??= this.#findBase());
    return new URL(`/v2/${this.repository.path}/${path}`, base);
  }

  /** One exchange, with an answer to a challenge of the registry. */
  async exchange(request: HttpRequest): Promise<HttpResponse> {
    const base = await (this.#base ??= this.#findBase());
    for (let challenged = false; ; challenged = true) {
      // Uploads may be sent elsewhere; our token is for the registry alone.
      const authorization = request.url.origin === base.origin ? this.#authenticator.header : {};
      const response = await this.#http.request({ ...request, headers: { ...request.headers, ...authorization } });
      const wanted = response.headers['www-authenticate'];
      if (response.status !== 401 || wanted === undefined || challenged) return response;
      response.discard();
      await this.#authenticator.answer(wanted, base);
    }
  }

  /** @throws RegistryError with the registry's own words */
  async refuse(response: HttpResponse, url: URL): Promise<never> {
    const text = quoteAnswer(await response.bytes().catch(() => Buffer.alloc(0)));
    const status = { 401: 'Unauthorized', 403: 'Forbidden', 404: 'Not Found' }[response.status] ?? '';
    throw new RegistryError(`'${shownUrl(url)}' answered ${`${response.status} ${status}`.trim()}: ${text}`);
  }

  /** Again and again, a few times, while it fails in passing. */
  async retrying<T>(action: (attempt: number) => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await action(attempt);
      } catch (error) {
        if (!(error instanceof PassingError) || attempt === ATTEMPTS) throw error;
        await this.pause(attempt, error);
      }
    }
  }

  async pause(attempt: number, error: PassingError): Promise<void> {
    const own = (this.#options.retryDelayMs ?? 500) * 2 ** (attempt - 1);
    await delay(Math.max(own, error.retryAfterMs ?? 0), undefined, { signal: this.#options.signal });
  }

  /**
   * A manifest or index by tag or digest.
   * @throws RegistryError where there is none
   */
  manifest(reference: string): Promise<Document> {
    return this.retrying(async () => {
      const url = await this.url(`manifests/${reference}`);
      const response = await this.exchange({ method: 'GET', url, headers: { accept: MANIFEST_TYPES.join(', ') } });
      if (response.status !== 200) return this.refuse(response, url);
      const bytes = await response.bytes();
      if (reference.startsWith('sha256:')) checkDigestOf(bytes, reference, `the manifest from '${shownUrl(url)}'`);
      const mediaType = (response.headers['content-type'] ?? '').split(';')[0]!.trim();
      return { bytes, mediaType, digest: sha256Digest(bytes) };
    });
  }

  /** A small blob, whole. */
  async smallBlob(digest: string): Promise<Buffer> {
    const bytes = await this.retrying(async () => {
      const url = await this.url(`blobs/${digest}`);
      const response = await this.exchange({ method: 'GET', url });
      if (response.status !== 200) return this.refuse(response, url);
      return response.bytes(MAX_DOCUMENT_BYTES);
    });
    checkDigestOf(bytes, digest, 'a blob');
    return bytes;
  }

  /**
   * A blob in chunks. What breaks off goes on where it was; fails at the end where the digest is another.
   * @param sizeBytes as the manifest says
   */
  async *blob(digest: string, sizeBytes: number): AsyncGenerator<Buffer> {
    const url = await this.url(`blobs/${digest}`);
    const hash = createHash('sha256');
    let done = 0;
    for (let attempt = 1; ;) {
      try {
        const range = done === 0 ? {} : { range: `bytes=${done}-` };
        const response = await this.exchange({ method: 'GET', url, headers: range });
        if (response.status !== 200 && response.status !== 206) await this.refuse(response, url);
        // A server without ranges begins anew: what is there already is passed over.
        let skip = response.status === 206 ? 0 : done;
        const begins = /^bytes (\d+)-/.exec(response.headers['content-range'] ?? '')?.[1];
        if (response.status === 206 && Number(begins) !== done) {
          throw new RegistryError(`'${shownUrl(url)}' sends another part of the blob than it was asked for`);
        }
        for await (const chunk of response.body(response.status === 206 ? sizeBytes - done : sizeBytes)) {
          const fresh = chunk.subarray(Math.min(skip, chunk.length));
          skip -= chunk.length - fresh.length;
          if (fresh.length === 0) continue;
          hash.update(fresh);
          done += fresh.length;
          // Something came: whatever happens next is a new failure.
          attempt = 1;
          yield fresh;
        }
        if (done < sizeBytes) throw new PassingError(`'${shownUrl(url)}' is cut short: ${done} of ${sizeBytes} bytes`);
        break;
      } catch (error) {
        if (!(error instanceof PassingError)) throw error;
        // It is all here, though the registry did not come to an end.
        if (done === sizeBytes && done > 0) break;
        if (attempt === ATTEMPTS) throw error;
        await this.pause(attempt++, error);
      }
    }
    const found = `sha256:${hash.digest('hex')}`;
    if (found !== digest) throw new RegistryError(`'${shownUrl(url)}' has the digest ${found}, not ${digest}`);
  }

  /** Whether the repository has the blob. */
  async hasBlob(digest: string): Promise<boolean> {
    return this.retrying(async () => {
      const url = await this.url(`blobs/${digest}`);
      const response = await this.exchange({ method: 'HEAD', url });
      response.discard();
      if (response.status === 200) return true;
      if (response.status === 404) return false;
      return this.refuse(response, url);
    });
  }

  /** Puts a manifest or index; what it names is there. @param reference a tag or its digest */
  async putManifest(document: Document, reference: string): Promise<void> {
    await this.retrying(async () => {
      const url = await this.url(`manifests/${reference}`);
      const headers = { 'content-type': document.mediaType };
      const response = await this.exchange({ method: 'PUT', url, headers, body: document.bytes });
      if (response.status !== 201 && response.status !== 200 && response.status !== 202) {
        await this.refuse(response, url);
      }
      response.discard();
      const told = response.headers['docker-content-digest'];
      if (typeof told === 'string' && told !== document.digest) {
        throw new RegistryError(`the registry stored the manifest as ${utf8(told)}, not as ${document.digest}`);
      }
    });
  }
}
