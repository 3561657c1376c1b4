// A web server on loopback for a binary cache's directory, which misbehaves as told.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';
import type { Certificates } from './certificates.ts';

export interface Seen {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
}

/** Answers a request itself: true; false leaves it to the server. */
export type Misbehaviour = (request: Seen, response: ServerResponse, contents: Buffer | undefined) => boolean;

export class CacheServer {
  readonly seen: Seen[] = [];
  misbehave: Misbehaviour = () => false;
  private readonly dir: string;
  private readonly server: Server;

  private readonly tls: Certificates['tls'] | undefined;

  constructor(dir: string, tls?: Certificates['tls']) {
    this.dir = dir;
    this.tls = tls;
    const answer = (request: IncomingMessage, response: ServerResponse): void => {
      // Whoever sends may end before it is done: then nothing is stored.
      this.answer(request, response).catch(() => response.destroy());
    };
    this.server = tls === undefined ? createServer(answer) : createTlsServer(tls, answer);
  }

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    const port = String((this.server.address() as AddressInfo).port);
    return this.tls === undefined ? `http://127.0.0.1:${port}` : `https://localhost:${port}`;
  }

  count(part: string): number {
    return this.seen.filter(({ path }) => path.includes(part)).length;
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = decodeURIComponent(request.url ?? '/').slice(1);
    const seen = { method: request.method ?? '', path, headers: request.headers };
    this.seen.push(seen);
    const file = join(this.dir, path);
    const exists = statSync(file, { throwIfNoEntry: false })?.isFile() === true;
    const contents = exists ? readFileSync(file) : undefined;
    if (this.misbehave(seen, response, contents)) return;
    if (request.method === 'PUT') {
      const chunks: Buffer[] = [];
      for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, Buffer.concat(chunks));
      response.writeHead(201).end();
      return;
    }
    if (contents === undefined) {
      response.writeHead(404).end('not here');
      return;
    }
    const range = /^bytes=(\d+)-$/.exec(request.headers.range ?? '');
    const start = range === null ? 0 : Number(range[1]);
    const headers = { 'content-length': contents.length - start, etag: '"1"' };
    const more =
      range === null
        ? {}
        : { 'content-range': `bytes ${String(start)}-${String(contents.length - 1)}/${String(contents.length)}` };
    response.writeHead(range === null ? 200 : 206, { ...headers, ...more });
    response.end(request.method === 'HEAD' ? undefined : contents.subarray(start));
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}
