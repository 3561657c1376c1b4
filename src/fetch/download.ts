// Downloads over HTTP, tried again where that may help.
import { setTimeout } from 'node:timers/promises';
import type { ReadableStream } from 'node:stream/web';

const ATTEMPTS = 5;
const FIRST_WAIT_MS = 250;

/** Bodies of http: and https: URLs; redirects are followed. @throws Error "unable to download 'URL': reason" */
export async function downloadResponse(url: string): Promise<ReadableStream<Uint8Array>> {
  return (await download(url)).body;
}

export interface Download {
  readonly body: ReadableStream<Uint8Array>;
  /** Where the server says that just this will always be found. */
  readonly immutableUrl?: string;
}

/** Like downloadResponse, with headers of one's own. */
export async function download(url: string, headers: Readonly<Record<string, string>> = {}): Promise<Download> {
  if (!/^https?:/i.test(url)) throw new Error(`unable to download '${url}': URL scheme is not supported`);
  for (let attempt = 1; ; attempt++) {
    let reason: string;
    try {
      const response = await fetch(url, { redirect: 'follow', headers: { 'user-agent': 'tsnix', ...headers } });
      if (response.ok && response.body !== null) {
        const immutableUrl = /^<([^>]*)>; rel="immutable"$/i.exec(response.headers.get('link') ?? '')?.[1];
        const body = response.body as ReadableStream<Uint8Array>;
        return { body, ...(immutableUrl === undefined ? {} : { immutableUrl }) };
      }
      reason = `HTTP error ${response.status}${response.statusText === '' ? '' : ` (${response.statusText})`}`;
      await response.body?.cancel();
      // What the server refuses it will refuse again; 429 and 5xx may pass.
      if (response.status < 500 && response.status !== 429) throw new Error(`unable to download '${url}': ${reason}`);
    } catch (error) {
      if (error instanceof Error && error.message.startsWith('unable to download')) throw error;
      reason = describeFailure(error);
    }
    if (attempt === ATTEMPTS) throw new Error(`unable to download '${url}': ${reason}`);
    await setTimeout(FIRST_WAIT_MS * 2 ** (attempt - 1));
  }
}

/** fetch() says "fetch failed" and keeps the reason in `cause`. */
function describeFailure(error: unknown): string {
  const { message, cause } = error as Error;
  return cause instanceof Error && cause.message !== '' ? cause.message : message;
}
