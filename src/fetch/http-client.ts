// HTTP for binary caches: few connections kept open, tried again where that may help, taken up where they broke off,
// never waiting forever. Bodies are streams with back-pressure; what is kept whole has a limit.
import { readFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';
import { createSecureContext, type SecureContext } from 'node:tls';
import { fromUtf8 } from '../util/bytes.ts';
import { decodeBody } from './content-encoding.ts';
import { DownloadError, statusFailure, transportError } from './http-errors.ts';
import type { HttpSettings } from './http-settings.ts';
import { Netrc } from './netrc.ts';

export interface RequestOptions {
  readonly method?: 'GET' | 'HEAD' | 'PUT' | 'POST';
  readonly headers?: Readonly<Record<string, string>>;
  /** Headers that hold secrets: for the server of the URL, and for none that it sends us to. */
  readonly secretHeaders?: Readonly<Record<string, string>>;
  /** Takes redirects from https to http, too: who asks looks at what comes. */
  readonly mayLeaveTls?: boolean;
  /** Told the headers of each answer whose body is read. */
  readonly onAnswer?: (headers: http.IncomingHttpHeaders) => void;
  /** An entity tag: of what still has it there is no body, and onAnswer is not told. stream() alone. */
  readonly unlessTag?: string;
  /** Makes the body, once for each attempt. */
  readonly body?: () => Iterable<Uint8Array> | AsyncIterable<Uint8Array>;
  readonly signal?: AbortSignal | undefined;
  /** A server that can't be reached is not tried again. */
  readonly impatient?: boolean;
}

const maxRedirects = 10;

export class HttpClient {
  private readonly settings: HttpSettings;
  private readonly agents: { readonly http: http.Agent; readonly https: https.Agent };
  private netrc: Netrc | undefined;
  private secureContext: SecureContext | undefined;

  constructor(settings: HttpSettings) {
    this.settings = settings;
    const options = {
      keepAlive: true,
      maxSockets: settings.maxConnections === 0 ? Infinity : settings.maxConnections,
      scheduling: 'lifo' as const,
      // http_proxy, https_proxy, no_proxy; not yet in Node's types.
      proxyEnv: process.env,
    };
    this.agents = { http: new http.Agent(options), https: new https.Agent(options) };
  }

  close(): void {
    this.agents.http.destroy();
    this.agents.https.destroy();
  }

  private credentials(url: URL): Record<string, string> {
    let login = decodeURIComponent(url.username);
    let password = decodeURIComponent(url.password);
    if (login === '' && this.settings.netrcFile !== '') {
      this.netrc ??= Netrc.read(this.settings.netrcFile);
      const found = this.netrc.find(url.hostname);
      login = found?.login ?? '';
      password = found?.password ?? '';
    }
    if (login === '' && password === '') return {};
    return { authorization: `Basic ${Buffer.from(`${login}:${password}`).toString('base64')}` };
  }

  /** One request, redirects followed; the answer whatever its status. @throws DownloadError */
  private async once(address: string, options: RequestOptions): Promise<http.IncomingMessage> {
    const action = options.method === 'PUT' ? 'upload' : 'download';
    const first = parseUrl(address);
    let url = first;
    // From secure to open: nobody on the way is to read a password.
    let leftTls = false;
    for (let redirects = 0; ; redirects++) {
      let response: http.IncomingMessage;
      try {
        const secrets = leftTls
          ? {}
          : { ...this.credentials(url), ...(url.origin === first.origin ? options.secretHeaders : {}) };
        response = await this.send(url, options, secrets);
      } catch (error) {
        options.signal?.throwIfAborted();
        throw transportError(action, address, error);
      }
      const { statusCode = 0, headers } = response;
      if (![301, 302, 303, 307, 308].includes(statusCode) || headers.location === undefined) return response;
      response.resume();
      if (redirects === maxRedirects) {
        throw new DownloadError(
          `unable to ${action} '${address}': Number of redirects hit maximum amount (47)`,
          'refused',
        );
      }
      const next = parseUrl(headers.location, url);
      if (url.protocol === 'https:' && next.protocol !== 'https:') leftTls = true;
      if (leftTls && options.mayLeaveTls !== true) {
        throw new DownloadError(`unable to ${action} '${address}': it redirects to '${next.href}'`, 'refused');
      }
      url = next;
    }
  }

  /** What is trusted in place of Node's own certificates, read once. @throws as reading or parsing it does */
  private trusted(): { readonly secureContext?: SecureContext } {
    const { caFile } = this.settings;
    if (caFile === '') return {};
    try {
      this.secureContext ??= createSecureContext({ ca: readFileSync(caFile) });
    } catch (error) {
      throw Object.assign(new Error(`Problem with the SSL CA cert (path? access rights?) (77): '${caFile}'`), {
        code: 'ERR_TLS_CA',
        cause: error,
      });
    }
    return { secureContext: this.secureContext };
  }

  private send(
    url: URL,
    options: RequestOptions,
    secrets: Readonly<Record<string, string>>,
  ): Promise<http.IncomingMessage> {
    const { settings } = this;
    const secure = url.protocol === 'https:';
    const trusted = secure ? this.trusted() : {};
    return new Promise((resolve, reject) => {
      const request = (secure ? https : http).request(url, {
        method: options.method ?? 'GET',
        agent: secure ? this.agents.https : this.agents.http,
        // Else Node would make it of the URL's name and password, also where netrc has better.
        auth: null,
        headers: {
          'user-agent': `tsnix${settings.userAgentSuffix === '' ? '' : ` ${settings.userAgentSuffix}`}`,
          ...secrets,
          ...options.headers,
        },
        ...trusted,
        ...(options.signal === undefined ? {} : { signal: options.signal }),
      });
      let answer: http.IncomingMessage | undefined;
      const fail = (code: string): void => {
        const error = Object.assign(new Error('timed out'), { code });
        if (answer === undefined) request.destroy(error);
        else answer.destroy(error);
      };
      let connecting: NodeJS.Timeout | undefined;
      request.on('socket', (socket) => {
        if (!socket.connecting) return;
        connecting = setTimeout(fail, settings.connectTimeoutMs, 'ETIMEDOUT');
        socket.once(secure ? 'secureConnect' : 'connect', () => {
          clearTimeout(connecting);
        });
      });
      request.setTimeout(settings.stalledTimeoutMs, () => {
        fail('ESTALLED');
      });
      request.on('error', (error) => {
        clearTimeout(connecting);
        reject(error);
      });
      request.on('response', (response) => {
        clearTimeout(connecting);
        answer = response;
        resolve(response);
      });
      void sendBody(request, options.body?.());
    });
  }

  /**
   * The answer to a request that went well (2xx), tried again where that may help.
   * @throws DownloadError
   */
  async request(url: string, options: RequestOptions = {}): Promise<http.IncomingMessage> {
    return await this.retrying(url, options, async () => {
      const response = await this.once(url, options);
      await expectSuccess(response, options.method === 'PUT' ? 'upload' : 'download', url);
      return response;
    });
  }

  private async retrying<T>(url: string, options: RequestOptions, action: () => Promise<T>): Promise<T> {
    const attempts = Math.max(1, this.settings.attempts);
    for (let attempt = 1; ; attempt++) {
      try {
        return await action();
      } catch (error) {
        if (!(error instanceof DownloadError)) throw error;
        if (attempt >= attempts || error.failure === 'missing' || error.failure === 'refused') throw error;
        if (options.impatient === true && error.failure === 'unreachable') throw error;
        await this.pause(error, attempt, attempts, options.signal);
      }
    }
  }

  private async pause(error: DownloadError, attempt: number, attempts: number, signal?: AbortSignal): Promise<void> {
    const wait = Math.round(this.settings.retryDelayMs * 2 ** (attempt - 1 + Math.random() * 0.5));
    this.settings.warn(
      `error: ${error.message}; retrying in ${String(wait)} ms (attempt ${String(attempt)}/${String(attempts)})`,
    );
    await sleep(wait, undefined, signal === undefined ? {} : { signal });
  }

  /** A small file, whole; undefined where the server has not got it. @throws DownloadError, also over the limit */
  async getFile(url: string, maxBytes: number, options: RequestOptions = {}): Promise<Buffer | undefined> {
    try {
      return await this.retrying(url, options, async () => {
        const response = await this.once(url, options);
        await expectSuccess(response, 'download', url);
        const chunks: Buffer[] = [];
        let size = 0;
        try {
          for await (const chunk of response as AsyncIterable<Buffer>) {
            size += chunk.length;
            if (size > maxBytes) {
              throw new DownloadError(
                `unable to download '${url}': it is larger than ${String(maxBytes)} bytes`,
                'refused',
              );
            }
            chunks.push(chunk);
          }
        } catch (error) {
          options.signal?.throwIfAborted();
          throw bodyError(url, error);
        }
        const body = chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks);
        return decodeBody(body, response.headers['content-encoding'] ?? '', maxBytes, url);
      });
    } catch (error) {
      if (error instanceof DownloadError && error.failure === 'missing') return undefined;
      throw error;
    }
  }

  /**
   * A body as it comes. Where it breaks off it goes on from there: by range where the server can, else from the start,
   * skipping what was had. The reader checks its hash, so that a file that changed meanwhile does no harm.
   * @throws DownloadError
   */
  async *stream(url: string, options: RequestOptions = {}): AsyncGenerator<Buffer, void> {
    const attempts = Math.max(1, this.settings.attempts);
    let position = 0;
    let failures = 0;
    let etag: string | undefined;
    for (;;) {
      const start = position;
      try {
        const { unlessTag } = options;
        const begin = unlessTag === undefined ? {} : { 'if-none-match': unlessTag };
        const range =
          start === 0
            ? begin
            : { range: `bytes=${String(start)}-`, ...(etag === undefined ? {} : { 'if-range': etag }) };
        const response = await this.once(url, { ...options, headers: { ...options.headers, ...range } });
        if (response.statusCode === 304 && start === 0 && unlessTag !== undefined) {
          response.destroy();
          return;
        }
        await expectSuccess(response, 'download', url);
        options.onAnswer?.(response.headers);
        etag = response.headers.etag;
        let skip = 0;
        if (start > 0) skip = response.statusCode === 206 ? start - rangeStart(response, url) : start;
        try {
          for await (const chunk of response as AsyncIterable<Buffer>) {
            if (skip >= chunk.length) {
              skip -= chunk.length;
              continue;
            }
            const part = skip === 0 ? chunk : chunk.subarray(skip);
            skip = 0;
            position += part.length;
            yield part;
          }
        } catch (error) {
          options.signal?.throwIfAborted();
          throw bodyError(url, error);
        } finally {
          response.destroy();
        }
        return;
      } catch (error) {
        if (!(error instanceof DownloadError) || (error.failure !== 'transient' && error.failure !== 'unreachable'))
          throw error;
        // Whoever gets on a good piece each time gets to the end.
        failures = position - start > 1 << 20 ? 1 : failures + 1;
        if (failures >= attempts) throw error;
        await this.pause(error, failures, attempts, options.signal);
      }
    }
  }
}

function parseUrl(text: string, base?: URL): URL {
  let url: URL | undefined;
  try {
    url = new URL(fromUtf8(text), base);
  } catch {
    // said below
  }
  if (url?.protocol !== 'http:' && url?.protocol !== 'https:') {
    throw new DownloadError(`unable to download '${text}': URL using bad/illegal format or missing URL (3)`, 'refused');
  }
  return url;
}

function rangeStart(response: http.IncomingMessage, url: string): number {
  const match = /^bytes (\d{1,15})-/.exec(response.headers['content-range'] ?? '');
  if (match === null)
    throw new DownloadError(`unable to download '${url}': Requested range was not delivered (33)`, 'refused');
  return Number(match[1]);
}

/** Errors of a body: it ended early, or nothing came for too long. */
function bodyError(url: string, error: unknown): DownloadError {
  if (error instanceof DownloadError) return error;
  const { code } = error as NodeJS.ErrnoException;
  const text =
    code === 'ESTALLED' ? 'Timeout was reached (28): no data came for too long' : 'Transferred a partial file (18)';
  return new DownloadError(`unable to download '${url}': ${text}`, 'transient', error);
}

async function expectSuccess(response: http.IncomingMessage, action: string, url: string): Promise<void> {
  const { statusCode: status = 0, statusMessage = '' } = response;
  if (status >= 200 && status < 300) return;
  let text = '';
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      text += chunk.toString('latin1');
      if (text.length > 500) break;
    }
  } catch {
    // its status says enough
  } finally {
    response.destroy();
  }
  const body = text.trim() === '' || /^\s*</.test(text) ? '' : `\n\nresponse body:\n\n${text.slice(0, 500).trim()}`;
  throw new DownloadError(
    `unable to ${action} '${url}': HTTP error ${String(status)}${statusMessage === '' ? '' : ` (${statusMessage})`}${body}`,
    statusFailure(status),
  );
}

async function sendBody(
  request: http.ClientRequest,
  body: Iterable<Uint8Array> | AsyncIterable<Uint8Array> | undefined,
): Promise<void> {
  try {
    for await (const chunk of body ?? []) {
      if (request.destroyed) return;
      if (!request.write(chunk)) {
        await new Promise<void>((resolve) => {
          request.once('drain', resolve);
          request.once('close', resolve);
        });
      }
    }
    request.end();
  } catch (error) {
    request.destroy(error as Error);
  }
}
