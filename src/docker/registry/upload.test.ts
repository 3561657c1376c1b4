import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { parseRepository } from '../image-reference.ts';
import { RegistryClient } from './client.ts';
import type { RegistryOptions } from './client.ts';
import { mountBlob, uploadBlob } from './upload.ts';

const servers: Server[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});

type Handler = (request: IncomingMessage, response: ServerResponse, body: Buffer) => void;

/** A server on loopback; its address. */
async function serve(handle: Handler): Promise<string> {
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => handle(request, response, Buffer.concat(chunks)));
    request.on('error', () => undefined);
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function clientOf(host: string, options: RegistryOptions = {}): RegistryClient {
  return new RegistryClient(parseRepository(`${host}/some/image`), { retryDelayMs: 1, push: true, ...options });
}

/** A registry that takes blobs; `fault` may answer in its place. */
class FakeRegistry {
  readonly blobs = new Map<string, Buffer>();
  readonly requests: string[] = [];
  received = Buffer.alloc(0);
  chunkMin: number | undefined;

  readonly handle = (fault: Handler): Handler => {
    return (request, response, body) => {
      const url = new URL(request.url!, 'http://x');
      this.requests.push(`${request.method!} ${url.pathname}`);
      fault(request, response, body);
      if (response.writableEnded || response.destroyed || response.headersSent) return;
      const location = '/v2/some/image/blobs/uploads/1?state=x';
      if (request.method === 'POST') {
        this.received = Buffer.alloc(0);
        if (this.chunkMin !== undefined) response.setHeader('oci-chunk-min-length', this.chunkMin);
        response.writeHead(202, { location }).end();
      } else if (request.method === 'PATCH') {
        this.received = Buffer.concat([this.received, body]);
        response.writeHead(202, { location, range: `0-${this.received.length - 1}` }).end();
      } else if (request.method === 'PUT') {
        this.received = Buffer.concat([this.received, body]);
        const digest = url.searchParams.get('digest')!;
        const found = `sha256:${createHash('sha256').update(this.received).digest('hex')}`;
        if (found !== digest) response.writeHead(400).end('{"errors":[{"code":"DIGEST_INVALID"}]}');
        else {
          this.blobs.set(digest, this.received);
          response.writeHead(201, { location: '/x' }).end();
        }
      } else if (request.method === 'GET' && url.pathname.endsWith('uploads/1')) {
        response.writeHead(204, { location, range: `0-${Math.max(0, this.received.length - 1)}` }).end();
      } else if (request.method === 'HEAD') {
        response.writeHead(this.blobs.has(url.pathname.split('/').at(-1)!) ? 200 : 404).end();
      } else response.writeHead(request.method === 'DELETE' ? 204 : 404).end();
    };
  };
}

const nothing: Handler = () => undefined;
/** 20 MB that are nowhere the same. */
const large = Buffer.alloc(20_000_000);
for (let i = 0; i < large.length; i += 4) large.writeUInt32LE((i * 2654435761) % 2 ** 32, i);
const digestOf = (bytes: Buffer): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

function* pieces(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += 300_000) yield bytes.subarray(at, at + 300_000);
}

describe('uploadBlob()', () => {
  it('sends small blobs in one go', async () => {
    const fake = new FakeRegistry();
    const client = clientOf(await serve(fake.handle(nothing)));
    const blob = Buffer.from('small');
    expect(await uploadBlob(client, [blob])).toEqual({ digest: digestOf(blob), size: 5 });
    expect(await uploadBlob(client, [])).toEqual({ digest: digestOf(Buffer.alloc(0)), size: 0 });
    expect(fake.requests.filter((line) => line.startsWith('PATCH'))).toEqual([]);
    expect(fake.blobs.get(digestOf(blob))?.toString()).toBe('small');
  });

  it('sends large ones in chunks, as large as the registry wants', async () => {
    const fake = new FakeRegistry();
    const client = clientOf(await serve(fake.handle(nothing)));
    await uploadBlob(client, pieces(large));
    expect(fake.requests.filter((line) => line.startsWith('PATCH'))).toHaveLength(2);
    fake.requests.length = 0;
    fake.chunkMin = 15_000_000;
    expect(await uploadBlob(client, pieces(large))).toEqual({ digest: digestOf(large), size: large.length });
    expect(fake.requests.filter((line) => line.startsWith('PATCH'))).toHaveLength(1);
  });

  it.each([
    ['is lost on the way', 0],
    ['arrives in part', 1_000_000],
    ['arrives, but its answer is lost', 8 * 1024 * 1024],
  ])('goes on where a chunk %s', async (_, arrives) => {
    const fake = new FakeRegistry();
    let patches = 0;
    const host = await serve(
      fake.handle((request, response, body) => {
        if (request.method !== 'PATCH' || ++patches !== 2) return;
        fake.received = Buffer.concat([fake.received, body.subarray(0, arrives)]);
        response.destroy();
      }),
    );
    expect(await uploadBlob(clientOf(host), pieces(large))).toEqual({ digest: digestOf(large), size: large.length });
    expect(fake.blobs.get(digestOf(large))?.equals(large)).toBe(true);
  });

  it('goes on after server errors, and gives up where they do not end', async () => {
    const fake = new FakeRegistry();
    let failures = 2;
    const host = await serve(
      fake.handle((request, response) => {
        if (request.method === 'PUT' && failures-- > 0) response.writeHead(503, { 'retry-after': '0' }).end('busy');
      }),
    );
    expect((await uploadBlob(clientOf(host), pieces(large))).digest).toBe(digestOf(large));
    // It would do to find it there.
    fake.blobs.clear();
    failures = Infinity;
    await expect(uploadBlob(clientOf(host), pieces(large))).rejects.toThrow(/answered 503 .*busy/);
    expect(fake.requests.at(-1)).toMatch(/^DELETE/);
  });

  it('tells of a registry that forgets, lies or refuses', async () => {
    const cases: [Handler, string | RegExp][] = [
      [
        (request, response) => {
          if (request.method === 'PATCH') response.destroy();
          else if (request.method === 'GET' && request.url!.includes('uploads')) response.writeHead(404).end();
        },
        'has forgotten an upload that broke off',
      ],
      [
        (request, response) => {
          if (request.method === 'PATCH') response.destroy();
          else if (request.method === 'GET' && request.url!.includes('uploads')) {
            response.writeHead(204, { range: '0-99999999' }).end();
          }
        },
        'the registry has 100000000 bytes of an upload of which 0 were sent',
      ],
      [
        (request, response) => {
          if (request.method === 'PUT')
            response.writeHead(201, { 'docker-content-digest': `sha256:${'0'.repeat(64)}` }).end();
        },
        /stored a blob as sha256:0+, not as/,
      ],
      [
        (request, response) => {
          if (request.method === 'POST') response.writeHead(202).end();
        },
        'does not say where to upload to',
      ],
      [
        (request, response) => {
          if (request.method === 'POST') response.writeHead(202, { location: 'file:///etc/passwd' }).end();
        },
        'which is no URL that could be followed',
      ],
      [
        (request, response) => {
          if (request.method === 'POST') response.writeHead(403).end('{"errors":[{"code":"DENIED"}]}');
        },
        /answered 403 Forbidden: .*DENIED/,
      ],
    ];
    for (const [fault, message] of cases) {
      const host = await serve(new FakeRegistry().handle(fault));
      await expect(uploadBlob(clientOf(host), pieces(large))).rejects.toThrow(message);
    }
  });

  it('gives up on a registry that stalls', async () => {
    const host = await serve((request, response) => {
      if (request.url === '/v2/') response.end();
    });
    await expect(uploadBlob(clientOf(host, { stallMs: 50 }), [Buffer.from('x')])).rejects.toThrow(
      'no answer for 50 ms',
    );
  });

  it('ends when it is told to', async () => {
    const abort = new AbortController();
    const host = await serve((request) => {
      if (request.method === 'POST') abort.abort(new Error('enough'));
    });
    await expect(uploadBlob(clientOf(host, { signal: abort.signal }), [Buffer.from('x')])).rejects.toThrow('enough');
  });
});

describe('mountBlob()', () => {
  it('says whether the registry did it', async () => {
    const asked: (string | undefined)[] = [];
    let status = 201;
    const host = await serve((request, response) => {
      asked.push(request.url);
      response.writeHead(status, { location: '/v2/some/image/blobs/uploads/1' }).end();
    });
    const digest = digestOf(large);
    const from = parseRepository(`${host}/base`);
    expect(await mountBlob(clientOf(host), digest, from)).toBe(true);
    expect(asked.at(-1)).toBe(`/v2/some/image/blobs/uploads/?mount=${encodeURIComponent(digest)}&from=base`);
    status = 202;
    expect(await mountBlob(clientOf(host), digest, from)).toBe(false);
  });
});

describe('credentials', () => {
  const credentials = () => Promise.resolve({ username: 'me', password: 'secret' });

  it('go to a registry that wants Basic, and to no other host', async () => {
    const seen: (string | undefined)[] = [];
    const elsewhere = await serve((request, response) => {
      seen.push(request.headers.authorization);
      response.end('blob');
    });
    const host = await serve((request, response) => {
      if (request.headers.authorization === undefined) {
        response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end();
      } else {
        expect(request.headers.authorization).toBe(`Basic ${Buffer.from('me:secret').toString('base64')}`);
        response.writeHead(307, { location: `http://${elsewhere}/blob` }).end();
      }
    });
    const client = clientOf(host, { credentials });
    expect((await client.smallBlob(digestOf(Buffer.from('blob')))).toString()).toBe('blob');
    expect(seen).toEqual([undefined]);
  });

  it('get a token for pushing, again where it has run out', async () => {
    let tokens = 0;
    const scopes: string[][] = [];
    const fake = new FakeRegistry();
    const host = await serve(
      fake.handle((request, response) => {
        const url = new URL(request.url!, 'http://x');
        if (url.pathname === '/token') {
          expect(request.headers.authorization).toBe(`Basic ${Buffer.from('me:secret').toString('base64')}`);
          scopes.push(url.searchParams.getAll('scope'));
          response.end(JSON.stringify({ access_token: `t${++tokens}` }));
        } else if (
          request.headers.authorization !== `Bearer t${tokens}` ||
          (tokens === 1 && request.method === 'PUT')
        ) {
          const realm = `http://${request.headers.host!}/token`;
          response.writeHead(401, { 'www-authenticate': `Bearer realm="${realm}",service="s"` }).end();
        }
      }),
    );
    await uploadBlob(clientOf(host, { credentials }), [Buffer.from('x')]);
    expect(scopes).toEqual([['repository:some/image:pull,push'], ['repository:some/image:pull,push']]);
  });

  it('that are wrong are said to be', async () => {
    const host = await serve((_, response) => {
      response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end('{"errors":[{"code":"UNAUTHORIZED"}]}');
    });
    await expect(clientOf(host, { credentials }).hasBlob(digestOf(large))).rejects.toThrow('answered 401 Unauthorized');
    await expect(clientOf(host).hasBlob(digestOf(large))).rejects.toThrow('wants credentials (basic)');
  });

  it('are not sent without encryption', async () => {
    const host = await serve((_, response) => {
      response.writeHead(401, { 'www-authenticate': 'Bearer realm="http://token.example/token"' }).end();
    });
    await expect(clientOf(host, { credentials }).hasBlob(digestOf(large))).rejects.toThrow(
      "credentials are not sent to 'http://token.example/token' over plain HTTP",
    );
  });
});

describe('redirects', () => {
  it('that never end are followed for a while', async () => {
    const host = await serve((request, response) => {
      if (request.url === '/v2/') response.end();
      else response.writeHead(302, { location: `${request.url!}x` }).end();
    });
    await expect(clientOf(host).smallBlob(digestOf(large))).rejects.toThrow('redirects without end');
  });
});
