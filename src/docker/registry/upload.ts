// Sends a blob whose digest may be known only at its end: in chunks that are held until the registry has them, so that a
// failure costs one chunk at most and a layer can be compressed while it is being sent.
// @see OCI distribution specification, "Pushing a blob in chunks", "Mounting a blob from another repository"
import { createHash } from 'node:crypto';
import type { Repository } from '../image-reference.ts';
import type { RegistryClient } from './client.ts';
import { PassingError, RegistryError, parseUrl, shownUrl } from './http.ts';
import type { HttpResponse } from './http.ts';

/** Bytes of a chunk: as much as is held in memory, and sent again after a failure. */
const CHUNK_BYTES = 8 * 1024 * 1024;
/** Registries may want larger ones; not any size. */
const MAX_CHUNK_BYTES = 64 * 1024 * 1024;
const ATTEMPTS = 5;

export interface Uploaded {
  readonly digest: string;
  /** Bytes. */
  readonly size: number;
}

/**
 * Gathers pieces into chunks of `chunkBytes`, the last one shorter (or empty, where nothing comes at all). A chunk is valid
 * until the next is asked for.
 */
async function* gather(
  pieces: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  chunkBytes: () => number,
): AsyncGenerator<{ chunk: Buffer; last: boolean }> {
  let held = Buffer.allocUnsafe(chunkBytes());
  let size = 0;
  for await (const piece of pieces) {
    for (let at = 0; at < piece.length;) {
      // Only now: whether more comes decides which chunk is the last.
      if (size === held.length) {
        yield { chunk: held, last: false };
        // The registry may have asked for larger ones.
        if (held.length !== chunkBytes()) held = Buffer.allocUnsafe(chunkBytes());
        size = 0;
      }
      const part = piece.subarray(at, at + held.length - size);
      held.set(part, size);
      size += part.length;
      at += part.length;
    }
  }
  yield { chunk: held.subarray(0, size), last: true };
}

class Upload {
  readonly #client: RegistryClient;
  #location: URL | undefined;
  #sent = 0;
  chunkBytes = CHUNK_BYTES;

  constructor(client: RegistryClient) {
    this.#client = client;
  }

  #follow(response: HttpResponse, url: URL): void {
    response.discard();
    const { location } = response.headers;
    if (location === undefined) throw new RegistryError(`'${shownUrl(url)}' does not say where to upload to`);
    this.#location = parseUrl(location, url);
    const least = Number(response.headers['oci-chunk-min-length'] ?? 0);
    if (least > MAX_CHUNK_BYTES) throw new RegistryError(`the registry wants chunks of ${least} bytes`);
    this.chunkBytes = Math.max(this.chunkBytes, Number.isSafeInteger(least) ? least : 0);
  }

  async begin(): Promise<void> {
    await this.#client.retrying(async () => {
      const url = await this.#client.url('blobs/uploads/');
      const response = await this.#client.exchange({ method: 'POST', url, body: Buffer.alloc(0) });
      if (response.status !== 202) await this.#client.refuse(response, url);
      this.#follow(response, url);
    });
  }

  /** How much the registry says that it has; undefined where it does not know the upload. */
  async #status(): Promise<number | undefined> {
    const url = this.#location!;
    const response = await this.#client.exchange({ method: 'GET', url });
    if (response.status !== 204 && response.status !== 200) {
      response.discard();
      return undefined;
    }
    if (response.headers.location !== undefined) this.#follow(response, url);
    else response.discard();
    const range = /^(?:bytes=)?(\d+)-(\d+)$/.exec(response.headers.range ?? '');
    // `0-0` is nothing at all, or one byte; chunks are never of one byte but for the last.
    return range === null || range[2] === '0' ? 0 : Number(range[2]) + 1;
  }

  /** Sends a chunk that is not the last. */
  async append(chunk: Buffer): Promise<void> {
    await this.#sending(chunk, async (rest) => {
      const url = this.#location!;
      const start = this.#sent + chunk.length - rest.length;
      const response = await this.#client.exchange({
        method: 'PATCH',
        url,
        headers: {
          'content-type': 'application/octet-stream',
          'content-range': `${start}-${start + rest.length - 1}`,
        },
        body: rest,
      });
      if (response.status !== 202 && response.status !== 204 && response.status !== 201) {
        await this.#client.refuse(response, url);
      }
      this.#follow(response, url);
    });
    this.#sent += chunk.length;
  }

  /** Sends the last chunk and says what it all was. */
  async end(chunk: Buffer, digest: string): Promise<void> {
    await this.#sending(
      chunk,
      async (rest) => {
        const url = new URL(this.#location!);
        url.searchParams.set('digest', digest);
        const start = this.#sent + chunk.length - rest.length;
        const range: Record<string, string> =
          this.#sent > 0 && rest.length > 0 ? { 'content-range': `${start}-${start + rest.length - 1}` } : {};
        const headers = { 'content-type': 'application/octet-stream', ...range };
        const response = await this.#client.exchange({ method: 'PUT', url, headers, body: rest });
        if (response.status !== 201 && response.status !== 204) await this.#client.refuse(response, url);
        response.discard();
        const told = response.headers['docker-content-digest'];
        if (typeof told === 'string' && told !== digest) {
          throw new RegistryError(`the registry stored a blob as ${told}, not as ${digest}`);
        }
      },
      digest,
    );
  }

  /**
   * Sends what the registry has not got of a chunk; after a failure it is asked how much it has.
   * @param digest of the whole: after a failure it may be there
   */
  async #sending(chunk: Buffer, send: (rest: Buffer) => Promise<void>, digest?: string): Promise<void> {
    let rest = chunk;
    for (let attempt = 1; ;) {
      try {
        await send(rest);
        return;
      } catch (error) {
        if (!(error instanceof PassingError) || attempt === ATTEMPTS) throw error;
        await this.#client.pause(attempt++, error);
      }
      if (digest !== undefined && (await this.#client.hasBlob(digest))) return;
      const has = await this.#client.retrying(() => this.#status());
      if (has === undefined) throw new RegistryError('the registry has forgotten an upload that broke off');
      const left = this.#sent + chunk.length - has;
      if (left < 0 || left > chunk.length) {
        throw new RegistryError(`the registry has ${has} bytes of an upload of which ${this.#sent} were sent before`);
      }
      rest = chunk.subarray(chunk.length - left);
      if (left === 0 && digest === undefined) return;
    }
  }

  /** Tells the registry that nothing more comes; it does not matter whether it listens. */
  async abandon(): Promise<void> {
    if (this.#location === undefined) return;
    try {
      (await this.#client.exchange({ method: 'DELETE', url: this.#location })).discard();
    } catch {
      // It forgets uploads by itself, sooner or later.
    }
  }
}

/**
 * Uploads a blob. @returns what it turned out to be
 * @throws RegistryError; whatever `pieces` throws
 */
export async function uploadBlob(
  client: RegistryClient,
  pieces: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): Promise<Uploaded> {
  const upload = new Upload(client);
  const hash = createHash('sha256');
  let size = 0;
  try {
    await upload.begin();
    for await (const { chunk, last } of gather(pieces, () => upload.chunkBytes)) {
      hash.update(chunk);
      size += chunk.length;
      if (!last) {
        await upload.append(chunk);
        continue;
      }
      const digest = `sha256:${hash.digest('hex')}`;
      await upload.end(chunk, digest);
      return { digest, size };
    }
    throw new RangeError('no last chunk');
  } catch (error) {
    await upload.abandon();
    throw error;
  }
}

/** Has the registry take a blob from another of its repositories. @returns whether it did */
export async function mountBlob(client: RegistryClient, digest: string, from: Repository): Promise<boolean> {
  return client.retrying(async () => {
    const url = await client.url('blobs/uploads/');
    url.searchParams.set('mount', digest);
    url.searchParams.set('from', from.path);
    const response = await client.exchange({ method: 'POST', url, body: Buffer.alloc(0) });
    response.discard();
    if (response.status === 201) return true;
    // It has begun an upload instead.
    const { location } = response.headers;
    if (response.status === 202 && location !== undefined) {
      const upload = await client.exchange({ method: 'DELETE', url: parseUrl(location, url) }).catch(() => undefined);
      upload?.discard();
    }
    return false;
  });
}
