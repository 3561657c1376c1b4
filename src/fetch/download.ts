// Files over HTTP, for fetchers: tried again and taken up where that may help, with the settings that binary caches have.
import type { IncomingHttpHeaders } from 'node:http';
import { Readable, type Transform } from 'node:stream';
import { decoderOf } from './content-encoding.ts';
import { HttpClient, type RequestOptions } from './http-client.ts';
import type { HttpSettings } from './http-settings.ts';
import { DownloadError } from './http-errors.ts';

export interface DownloadOptions {
  readonly settings: HttpSettings;
  /** Access tokens: sent to the server of the URL alone. */
  readonly secretHeaders?: Readonly<Record<string, string>>;
  /** Take off what Content-Encoding says; else the body is as it came. */
  readonly decode?: boolean;
  /** Entity tag of what is had: the server is asked for what is not that. */
  readonly unlessTag?: string;
  readonly signal?: AbortSignal;
}

export interface Download {
  readonly body: Readable;
  /** Where the server says that just this will always be found. */
  readonly immutableUrl?: string;
  /** Entity tag; empty: none. */
  readonly etag: string;
  /** The server still has what `unlessTag` says, and sends no body. */
  readonly isUnchanged: boolean;
}

/**
 * The body of an http: or https: URL, once it begins; redirects are followed.
 * @param url a byte string
 * @throws DownloadError "unable to download 'URL': reason", here or while the body is read
 */
export async function download(url: string, options: DownloadOptions): Promise<Download> {
  if (!/^https?:/i.test(url))
    throw new DownloadError(`unable to download '${url}': URL scheme is not supported`, 'refused');
  const client = new HttpClient(options.settings);
  let answer: IncomingHttpHeaders | undefined;
  const request: RequestOptions = {
    mayLeaveTls: true,
    signal: options.signal,
    ...(options.secretHeaders === undefined ? {} : { secretHeaders: options.secretHeaders }),
    ...(options.unlessTag === undefined ? {} : { unlessTag: options.unlessTag }),
    onAnswer: (headers) => (answer = headers),
  };
  const chunks = client.stream(url, request);
  const closing = async function* (begin: IteratorResult<Buffer, void>): AsyncGenerator<Buffer, void> {
    try {
      for (let next = begin; next.done !== true; next = await chunks.next()) yield next.value;
    } finally {
      await chunks.return();
      client.close();
    }
  };
  let begin: IteratorResult<Buffer, void>;
  try {
    begin = await chunks.next();
  } catch (error) {
    client.close();
    throw error;
  }
  const { link, etag = '', 'content-encoding': encoding = '' } = answer ?? {};
  const immutableUrl = typeof link === 'string' ? /^<([^>]*)>; rel="immutable"$/i.exec(link)?.[1] : undefined;
  const raw = Readable.from(closing(begin), { objectMode: false });
  const decoder = options.decode === true ? decoderOf(encoding) : undefined;
  return {
    body: decoder === undefined ? raw : piped(raw, decoder),
    etag,
    isUnchanged: answer === undefined,
    ...(immutableUrl === undefined ? {} : { immutableUrl }),
  };
}

/** `source` through `decoder`, with the errors of both. */
function piped(source: Readable, decoder: Transform): Readable {
  source.on('error', (error) => decoder.destroy(error));
  decoder.on('close', () => source.destroy());
  return source.pipe(decoder);
}
