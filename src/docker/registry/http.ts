// HTTP as registries need it: bodies that are watched for stalls and bounded, redirects that never carry credentials to
// another host, a choice of TLS settings. One client keeps its connections alive until it is closed.
import { readdirSync, readFileSync } from 'node:fs';
import { Agent as HttpAgent, request as httpRequest } from 'node:http';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { join } from 'node:path';
import { StoreError } from '../../util/errors.ts';
import { utf8 } from '../../util/bytes.ts';

/** What a registry did, or could not be brought to do. */
export class RegistryError extends StoreError {
  override readonly code: string = 'REGISTRY';
}

/** A failure that a further attempt may mend. */
export class PassingError extends RegistryError {
  /** As the server asks, in milliseconds. */
  readonly retryAfterMs: number | undefined;
  constructor(message: string, options: { cause?: unknown; retryAfterMs?: number | undefined } = {}) {
    super(message, options);
    this.retryAfterMs = options.retryAfterMs;
  }
}

/** Nobody understood the other on this connection: perhaps it is not the protocol that is spoken there. */
export class ConnectionError extends PassingError {}

export interface TlsSettings {
  /** False: any certificate will do, and plain HTTP where there is no TLS. */
  readonly verify?: boolean;
  /** Directory of *.crt (authorities), *.cert and *.key (our own), as in /etc/docker/certs.d. */
  readonly certDir?: string | undefined;
}

export interface HttpOptions {
  readonly tls?: TlsSettings;
  readonly signal?: AbortSignal | undefined;
  /** A connection on which nothing comes for so long is given up. */
  readonly stallMs?: number;
}

export interface HttpRequest {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly url: URL;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | undefined;
}

export interface HttpResponse {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** Where it came from in the end. */
  readonly url: URL;
  /** @param limit fails where more bytes come */
  readonly body: (limit: number) => AsyncGenerator<Buffer>;
  /** The whole body. */
  readonly bytes: (limit?: number) => Promise<Buffer>;
  /** Drops the rest. */
  readonly discard: () => void;
}

/** Largest manifest, configuration or token that is read. */
export const MAX_DOCUMENT_BYTES = 8 * 1024 * 1024;
const MAX_REDIRECTS = 10;
const STALL_MS = 60_000;
/** As long as a server may tell us to wait. */
const MAX_RETRY_AFTER_MS = 30_000;

/** Without its query, which may hold a signature. */
export function shownUrl(url: URL): string {
  return utf8(`${url.origin}${url.pathname}`);
}

/** `host` or `host:port` of this machine: plain HTTP is as good as any there. */
export function isLoopback(domain: string): boolean {
  return /^(localhost|127\.[0-9.]+|\[::1\])(:[0-9]+)?$/.test(domain);
}

/** Text of a server in a message of ours: short, on one line, nothing that steers a terminal. */
export function quoteAnswer(bytes: Buffer): string {
  const text = bytes
    .subarray(0, 400)
    .toString()
    .replace(/[\x00-\x1f\x7f-\x9f]+/g, ' ')
    .trim();
  return utf8(text.length > 200 ? `${text.slice(0, 200)}...` : text);
}

function certificates(dir: string): { ca?: Buffer[]; cert?: Buffer; key?: Buffer } {
  const found: { ca?: Buffer[]; cert?: Buffer; key?: Buffer } = {};
  for (const name of readdirSync(dir).sort()) {
    const read = (): Buffer => readFileSync(join(dir, name));
    if (name.endsWith('.crt')) (found.ca ??= []).push(read());
    else if (name.endsWith('.cert')) found.cert = read();
    else if (name.endsWith('.key')) found.key = read();
  }
  return found;
}

function retryAfter(headers: IncomingHttpHeaders): number | undefined {
  const seconds = Number(headers['retry-after']);
  return Number.isFinite(seconds) && seconds > 0 ? Math.min(seconds * 1000, MAX_RETRY_AFTER_MS) : undefined;
}

export class HttpClient {
  readonly #options: HttpOptions;
  readonly #stallMs: number;
  #plain: HttpAgent | undefined;
  #secure: HttpsAgent | undefined;

  constructor(options: HttpOptions = {}) {
    this.#options = options;
    this.#stallMs = options.stallMs ?? STALL_MS;
  }

  #agent(secure: boolean): HttpAgent | HttpsAgent {
    const settings = { keepAlive: true, maxSockets: 8, proxyEnv: process.env };
    if (!secure) return (this.#plain ??= new HttpAgent(settings));
    if (this.#secure === undefined) {
      const { verify = true, certDir } = this.#options.tls ?? {};
      const file = process.env['NIX_SSL_CERT_FILE'] ?? process.env['SSL_CERT_FILE'];
      this.#secure = new HttpsAgent({
        ...settings,
        rejectUnauthorized: verify,
        ...(file === undefined || file === '' ? {} : { ca: readFileSync(file) }),
        ...(certDir === undefined ? {} : certificates(certDir)),
      });
    }
    return this.#secure;
  }

  #stalled(): Error {
    return new Error(`no answer for ${this.#stallMs === STALL_MS ? 'a minute' : `${this.#stallMs} ms`}`);
  }

  async #once({ method, url, headers = {}, body }: HttpRequest): Promise<IncomingMessage> {
    const secure = url.protocol === 'https:';
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const request = (secure ? httpsRequest : httpRequest)(url, {
      method,
      agent: this.#agent(secure),
      headers: {
        'user-agent': 'tsnix',
        ...headers,
        ...(body === undefined ? {} : { 'content-length': String(body.length) }),
      },
      ...(this.#options.signal === undefined ? {} : { signal: this.#options.signal }),
    });
    request.once('response', (response) => {
      // From now on the body's reader keeps watch: it may well pause for long.
      request.setTimeout(0);
      // Whoever reads the body learns of a failure there.
      response.on('error', () => undefined);
      resolve(response);
    });
    request.on('error', reject);
    request.setTimeout(this.#stallMs, () => request.destroy(this.#stalled()));
    request.end(body);
    try {
      return await promise;
    } catch (error) {
      this.#options.signal?.throwIfAborted();
      const { message, code } = error as NodeJS.ErrnoException;
      const reason = message === '' ? (code ?? 'no reason given') : message;
      const text = `cannot reach '${shownUrl(url)}': ${utf8(reason)}`;
      // Certificates don't get better by trying again.
      if (/CERT|SIGNATURE|SELF_SIGNED|ALTNAME/.test(code ?? '')) throw new RegistryError(text, { cause: error });
      throw new ConnectionError(text, { cause: error });
    }
  }

  async *#body(response: IncomingMessage, url: URL, limit: number): AsyncGenerator<Buffer> {
    const iterator = response[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
    let size = 0;
    try {
      for (;;) {
        let timer: NodeJS.Timeout | undefined;
        const stalled = new Promise<never>((_, reject) => {
          timer = setTimeout(() => {
            reject(new PassingError(`'${shownUrl(url)}' has sent nothing for ${this.#stallMs / 1000} seconds`));
          }, this.#stallMs);
        });
        const step: IteratorResult<Buffer, unknown> = await Promise.race([iterator.next(), stalled]).finally(() => {
          clearTimeout(timer);
        });
        if (step.done === true) break;
        size += step.value.length;
        if (size > limit) {
          throw new RegistryError(`'${shownUrl(url)}' sends more than the ${limit} bytes that it should`);
        }
        yield step.value;
      }
    } catch (error) {
      this.#options.signal?.throwIfAborted();
      if (error instanceof RegistryError) throw error;
      throw new PassingError(`'${shownUrl(url)}' broke off: ${utf8((error as Error).message)}`, { cause: error });
    } finally {
      response.destroy();
    }
  }

  /** @throws PassingError where it is worth another attempt; RegistryError */
  async request(request: HttpRequest): Promise<HttpResponse> {
    let { url, headers = {} } = request;
    for (let redirects = 0; ; redirects++) {
      const response = await this.#once({ ...request, url, headers });
      const status = response.statusCode!;
      const { location } = response.headers;
      if ([301, 302, 303, 307, 308].includes(status) && location !== undefined) {
        response.resume();
        if (redirects === MAX_REDIRECTS) throw new RegistryError(`'${shownUrl(request.url)}' redirects without end`);
        const target = parseUrl(location, url);
        if (url.protocol === 'https:' && target.protocol === 'http:' && this.#options.tls?.verify !== false) {
          throw new RegistryError(`'${shownUrl(url)}' redirects to plain HTTP, '${shownUrl(target)}'`);
        }
        if (target.origin !== url.origin) {
          headers = Object.fromEntries(Object.entries(headers).filter(([name]) => name !== 'authorization'));
        }
        url = target;
        continue;
      }
      const at = url;
      if (status >= 500 || status === 429 || status === 408) {
        const text = quoteAnswer(await this.#whole(response, at, MAX_DOCUMENT_BYTES).catch(() => Buffer.alloc(0)));
        throw new PassingError(
          `'${shownUrl(at)}' answered ${status} ${utf8(response.statusMessage ?? '')}${text === '' ? '' : `: ${text}`}`,
          { retryAfterMs: retryAfter(response.headers) },
        );
      }
      return {
        status,
        headers: response.headers,
        url: at,
        body: (limit) => this.#body(response, at, limit),
        bytes: (limit = MAX_DOCUMENT_BYTES) => this.#whole(response, at, limit),
        discard: () => {
          response.resume();
        },
      };
    }
  }

  async #whole(response: IncomingMessage, url: URL, limit: number): Promise<Buffer> {
    const chunks: Buffer[] = [];
    for await (const chunk of this.#body(response, url, limit)) chunks.push(chunk);
    return Buffer.concat(chunks);
  }

  close(): void {
    this.#plain?.destroy();
    this.#secure?.destroy();
  }
}

/** @throws RegistryError where a server names something that is no HTTP URL */
export function parseUrl(text: string, base?: URL): URL {
  const url = URL.parse(text, base?.href);
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw new RegistryError(`the registry names '${utf8(text)}', which is no URL that could be followed`);
  }
  return url;
}
