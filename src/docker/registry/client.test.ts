import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { parseRepository, printRepository } from '../image-reference.ts';
import { RegistryClient } from './client.ts';
import type { RegistryOptions } from './client.ts';

function digest(bytes: string): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

let server: Server | undefined;

afterEach(async () => {
  server?.closeAllConnections();
  await new Promise((resolve) => (server === undefined ? resolve(undefined) : server.close(resolve)));
  server = undefined;
});

/** A client of a server on loopback that answers with `handle`. */
async function client(
  handle: (request: IncomingMessage, response: ServerResponse) => void,
  options: RegistryOptions = {},
): Promise<RegistryClient> {
  const started = createServer(handle);
  server = started;
  await new Promise<void>((resolve) => started.listen(0, '127.0.0.1', resolve));
  const { port } = started.address() as AddressInfo;
  return new RegistryClient(parseRepository(`127.0.0.1:${port}/some/image`), { retryDelayMs: 1, ...options });
}

async function receive(registry: RegistryClient, wanted: string, size: number): Promise<string> {
  let text = '';
  for await (const chunk of registry.blob(wanted, size)) text += chunk.toString();
  return text;
}

describe('RegistryClient', () => {
  it('asks under /v2/ for manifests of all kinds', async () => {
    let asked: IncomingMessage | undefined;
    const registry = await client((request, response) => {
      asked = request;
      response.setHeader('content-type', 'application/vnd.oci.image.manifest.v1+json; charset=utf-8');
      response.end('{}');
    });
    const { bytes, mediaType } = await registry.manifest(digest('{}'));
    expect(bytes.toString()).toBe('{}');
    expect(mediaType).toBe('application/vnd.oci.image.manifest.v1+json');
    expect(asked!.url).toBe(`/v2/some/image/manifests/${digest('{}')}`);
    expect(asked!.headers.accept).toContain('manifest.list.v2+json');
  });

  it('gets a token where it is asked for one', async () => {
    const registry = await client((request, response) => {
      const url = new URL(request.url!, `http://${request.headers.host!}`);
      if (url.pathname === '/token') {
        expect(url.searchParams.get('service')).toBe('here');
        expect(url.searchParams.get('scope')).toBe('repository:some/image:pull');
        response.end('{"token":"secret"}');
      } else if (request.headers.authorization === 'Bearer secret') response.end('blob');
      else {
        response.statusCode = 401;
        response.setHeader('www-authenticate', `Bearer realm="http://${request.headers.host!}/token",service="here"`);
        response.end();
      }
    });
    expect((await registry.smallBlob(digest('blob'))).toString()).toBe('blob');
  });

  it('says when credentials are wanted', async () => {
    const registry = await client((_, response) => {
      response.statusCode = 401;
      response.setHeader('www-authenticate', 'Basic realm="x"');
      response.end();
    });
    await expect(registry.smallBlob(digest('blob'))).rejects.toThrow('wants credentials (basic)');
  });

  it('follows redirects', async () => {
    const registry = await client((request, response) => {
      if (request.url === '/elsewhere') response.end('blob');
      else response.writeHead(307, { location: '/elsewhere' }).end();
    });
    expect(await receive(registry, digest('blob'), 4)).toBe('blob');
  });

  it('refuses contents of another digest', async () => {
    const registry = await client((_, response) => response.end('lies'));
    await expect(registry.manifest(digest('truth'))).rejects.toThrow(`has the digest ${digest('lies')}`);
    await expect(registry.smallBlob(digest('truth'))).rejects.toThrow('has the digest');
    await expect(receive(registry, digest('true'), 4)).rejects.toThrow('has the digest');
  });

  it('refuses more than was announced', async () => {
    const registry = await client((_, response) => response.end('x'.repeat(1_000_000)));
    await expect(receive(registry, digest('x'), 10)).rejects.toThrow('sends more than the 10 bytes');
  });

  it('tries again after a failure, then gives up', async () => {
    let requests = 0;
    const registry = await client((_, response) => {
      requests++;
      if (requests === 1) response.writeHead(503).end();
      else if (requests === 2) {
        response.writeHead(200, { 'content-length': '4' });
        response.write('bl');
        setTimeout(() => response.destroy(), 5);
      } else response.end('blob');
    });
    expect(await receive(registry, digest('blob'), 4)).toBe('blob');
    expect(requests).toBe(3);
    const broken = await client((_, response) => response.writeHead(500).end());
    await expect(broken.smallBlob(digest('blob'))).rejects.toThrow('answered 500');
  });

  it('goes on where a registry stalled, and gives up where it stalls for ever', async () => {
    const ranges: (string | undefined)[] = [];
    const registry = await client(
      (request, response) => {
        if (request.url === '/v2/') {
          response.end();
          return;
        }
        ranges.push(request.headers.range);
        // Headers and a byte more each time, then silence.
        const at = ranges.length - 1;
        const whole = at === 0 || at >= 4;
        response.writeHead(whole ? 200 : 206, whole ? {} : { 'content-range': `bytes ${at}-3/4` });
        if (at < 4) response.write('blob'[at]);
        else response.flushHeaders();
      },
      { stallMs: 100 },
    );
    expect(await receive(registry, digest('blob'), 4)).toBe('blob');
    expect(ranges).toEqual([undefined, 'bytes=1-', 'bytes=2-', 'bytes=3-']);
    await expect(receive(registry, digest('more'), 4)).rejects.toThrow(/has sent nothing for 0.1 seconds/);
  });

  it.each<[string, (response: ServerResponse, asked: string | undefined) => void, RegExp]>([
    [
      'another part than was asked for',
      (response, asked) => {
        if (asked === undefined) response.writeHead(200, { 'content-length': '4' }).write('bl');
        else response.writeHead(206, { 'content-range': 'bytes 0-3/4' }).write('bl');
        setTimeout(() => response.destroy(), 20);
      },
      /sends another part of the blob/,
    ],
    [
      'a blob that is too short',
      (response, asked) => response.end(asked === undefined ? 'bl' : ''),
      /is cut short: 2 of 4/,
    ],
    [
      'another blob where it goes on',
      (response, asked) => response.end(asked === undefined ? 'xx' : 'blob'),
      /has the dig/,
    ],
    ['a redirect to nowhere', (response) => response.writeHead(302, { location: 'http://' }).end(), /is no URL/],
    [
      'a redirect to a file',
      (response) => response.writeHead(302, { location: 'file:///etc/passwd' }).end(),
      /is no URL/,
    ],
  ])('is not taken in by %s', async (_, answer, message) => {
    const registry = await client((request, response) => {
      if (request.url === '/v2/') response.end();
      else answer(response, request.headers.range);
    });
    await expect(receive(registry, digest('blob'), 4)).rejects.toThrow(message);
  });

  it('reads no document without end', async () => {
    const registry = await client((request, response) => {
      const more = (): void => {
        while (response.write(Buffer.alloc(1 << 20))) if (response.destroyed) return;
        response.once('drain', more);
      };
      if (request.url === '/v2/') response.end();
      else more();
    });
    await expect(registry.manifest('latest')).rejects.toThrow('sends more than the 8388608 bytes');
    await expect(registry.smallBlob(digest('blob'))).rejects.toThrow('sends more than the 8388608 bytes');
  });

  it('names the answer to what is not there', async () => {
    const registry = await client((_, response) => response.writeHead(404).end('{"errors":[{"code":"BLOB_UNKNOWN"}]}'));
    await expect(registry.smallBlob(digest('blob'))).rejects.toThrow(/answered 404 Not Found: .*BLOB_UNKNOWN/);
  });

  it('names what can not be reached', async () => {
    const registry = new RegistryClient(parseRepository('127.0.0.1:1/x/y'), { retryDelayMs: 1 });
    await expect(registry.smallBlob(digest('blob'))).rejects.toThrow("cannot reach 'http://127.0.0.1:1/v2/x/y");
  });
});

describe('parseRepository()', () => {
  it.each([
    ['busybox', 'docker.io/library/busybox'],
    ['library/busybox', 'docker.io/library/busybox'],
    ['nixos/nix', 'docker.io/nixos/nix'],
    ['quay.io/a/b/c', 'quay.io/a/b/c'],
    ['localhost/x', 'localhost/x'],
    ['localhost:5000/x__y/a.b-c', 'localhost:5000/x__y/a.b-c'],
  ])('%s is %s', (name, full) => {
    expect(printRepository(parseRepository(name))).toBe(full);
  });
  it.each(['', 'Upper', 'a//b', '-a', 'a/', 'host.example/Up', 'a b', 'ex.ample/../x', 'a@sha256:0'])(
    'refuses %j',
    (name) => {
      expect(() => parseRepository(name)).toThrow('not a legal name');
    },
  );
});
