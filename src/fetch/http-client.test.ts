// Whom names, passwords and tokens are told, which certificates are believed, and the way through proxies.
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { connect, type AddressInfo } from 'node:net';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { brotliCompressSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { makeCertificates } from '../../test/support/certificates.ts';
import { describeWith } from '../../test/support/requirements.ts';
import { download } from './download.ts';
import { HttpClient, type RequestOptions } from './http-client.ts';
import { defaultHttpSettings, type HttpSettings } from './http-settings.ts';

const dir = mkdtempSync(join(tmpdir(), 'tsnix-http-'));
const servers: Server[] = [];
const said: string[] = [];
const settings: HttpSettings = {
  ...defaultHttpSettings,
  attempts: 2,
  retryDelayMs: 1,
  warn: (message) => void said.push(message),
};

/** Listens on loopback; its port. */
async function listen(server: Server): Promise<number> {
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}
const start = (answer: RequestListener): Promise<number> => listen(createServer(answer));

async function get(url: string, more: Partial<HttpSettings> = {}, options: RequestOptions = {}): Promise<string> {
  const client = new HttpClient({ ...settings, ...more });
  try {
    return String(await client.getFile(url, 1000, options));
  } catch (error) {
    return (error as Error).message;
  } finally {
    client.close();
  }
}

afterEach(() => {
  vi.unstubAllEnvs();
  said.length = 0;
});
afterAll(() => {
  for (const server of servers) {
    server.closeAllConnections();
    server.close();
  }
  rmSync(dir, { recursive: true });
});

describe('passwords and tokens', () => {
  const seen: IncomingMessage[] = [];
  let port = 0;
  /** Two hosts, for all that names tell. */
  const here = (path: string, user = ''): string => `http://${user}127.0.0.1:${port}/${path}`;
  const there = (path: string): string => `http://localhost:${port}/${path}`;
  const shown = (): (string | undefined)[] =>
    seen.splice(0).map(({ headers }) => {
      const basic = headers.authorization?.replace(/^Basic /, '');
      return [basic === undefined ? undefined : atob(basic), headers['private-token']]
        .filter((word) => word !== undefined)
        .join(' ');
    });
  beforeAll(async () => {
    port = await start((request, response) => {
      seen.push(request);
      const to = /^\/to-(\w+)/.exec(request.url ?? '')?.[1];
      if (to === 'there') response.writeHead(302, { location: there('end') }).end();
      else if (to === 'here') response.writeHead(302, { location: '/end' }).end();
      else if (to === 'back') response.writeHead(302, { location: there('to-x') }).end();
      else if (to === 'x') response.writeHead(302, { location: here('end') }).end();
      else response.end('done');
    });
  });

  it('of a URL are told its server alone', async () => {
    expect(await get(here('to-here', 'me:secret@'))).toBe('done');
    expect(shown()).toEqual(['me:secret', 'me:secret']);
    expect(await get(here('to-there', 'me:secret@'))).toBe('done');
    expect(shown()).toEqual(['me:secret', '']);
    // Percent signs are for the URL.
    await get(here('end', 'm%40e:s%3Ac@'));
    expect(shown()).toEqual(['m@e:s:c']);
  });

  it('of a netrc file are told the machine that it names', async () => {
    const netrcFile = join(dir, 'netrc');
    writeFileSync(netrcFile, 'machine 127.0.0.1 login me password secret\nmachine example.org login x password y\n');
    expect(await get(here('to-there'), { netrcFile })).toBe('done');
    expect(shown()).toEqual(['me:secret', '']);
    await get(there('end'), { netrcFile });
    expect(shown()).toEqual(['']);
    writeFileSync(
      netrcFile,
      'machine localhost\nlogin you\npassword other\n# machine 127.0.0.1 login me password secret\n',
    );
    await get(here('to-there'), { netrcFile });
    expect(shown()).toEqual(['', 'you:other']);
    // What the URL says comes first.
    await get(`http://me:secret@localhost:${port}/end`, { netrcFile });
    expect(shown()).toEqual(['me:secret']);
  });

  it('of who asks are told the server of the URL, and on the way back again', async () => {
    const options = { secretHeaders: { 'private-token': 'token' } };
    await get(here('to-here'), {}, options);
    expect(shown()).toEqual(['token', 'token']);
    await get(here('to-there'), {}, options);
    expect(shown()).toEqual(['token', '']);
    await get(here('to-back'), {}, options);
    expect(shown()).toEqual(['token', '', 'token']);
    const { body } = await download(here('to-there'), { settings, ...options });
    expect(String(Buffer.concat(await body.toArray()))).toBe('done');
    expect(shown()).toEqual(['token', '']);
  });
});

describe('downloads', () => {
  it('are taken up where they break off, and decoded where asked', async () => {
    const text = 'x'.repeat(100_000);
    const packed = gzipSync(text, { level: 0 });
    let broken = 0;
    const port = await start((request, response) => {
      const from = Number(/\d+/.exec(request.headers.range ?? '0')![0]);
      response.writeHead(from === 0 ? 200 : 206, {
        'content-encoding': 'gzip',
        'content-length': packed.length - from,
        link: '<http://always>; rel="immutable"',
        ...(from === 0 ? {} : { 'content-range': `bytes ${from}-${packed.length - 1}/${packed.length}` }),
      });
      if (broken++ === 0) response.write(packed.subarray(0, 50_000), () => response.destroy());
      else response.end(packed.subarray(from));
    });
    const options = { settings: { ...settings, attempts: 3 } };
    const decoded = await download(`http://127.0.0.1:${port}/`, { ...options, decode: true });
    expect(decoded.immutableUrl).toBe('http://always');
    expect(String(Buffer.concat(await decoded.body.toArray()))).toBe(text);
    expect(said).toHaveLength(1);
    const raw = await download(`http://127.0.0.1:${port}/`, options);
    expect(Buffer.concat(await raw.body.toArray()).equals(packed)).toBe(true);
  });

  it('of small files are decoded: caches keep narinfos so', async () => {
    const packed = {
      gzip: gzipSync('text'),
      br: brotliCompressSync('text'),
      zstd: zstdCompressSync('text'),
      odd: Buffer.from('text'),
    };
    const port = await start((request, response) => {
      const encoding = request.url!.slice(1) as keyof typeof packed;
      response.writeHead(200, { 'content-encoding': encoding }).end(packed[encoding]);
    });
    const client = new HttpClient({ ...settings, attempts: 1 });
    const get = async (name: string, max = 100): Promise<string> =>
      String(await client.getFile(`http://127.0.0.1:${port}/${name}`, max));
    for (const name of Object.keys(packed)) expect(await get(name)).toBe('text');
    await expect(get('gzip', 3)).rejects.toThrow();
    client.close();
  });

  it('say what the server said', async () => {
    const port = await start((_, response) => response.writeHead(410, 'Gone away').end('nothing here'));
    await expect(download(`http://127.0.0.1:${port}/x`, { settings })).rejects.toThrow(
      `unable to download 'http://127.0.0.1:${port}/x': HTTP error 410 (Gone away)\n\nresponse body:\n\nnothing here`,
    );
    await expect(download('ftp://x/y', { settings })).rejects.toThrow('URL scheme is not supported');
  });
});

describeWith(['openssl'], 'certificates', () => {
  let secure = 0;
  let open = 0;
  let ca = '';
  beforeAll(async () => {
    const made = makeCertificates(dir);
    ca = made.ca;
    open = await start((request, response) =>
      response.end(`open ${request.headers.authorization ?? ''}${String(request.headers['x-token'] ?? '')}`),
    );
    secure = await listen(
      createTlsServer(made.tls, (request, response) => {
        if (request.url === '/leave') response.writeHead(302, { location: `http://localhost:${open}/` }).end();
        else response.end('secure');
      }),
    );
  });
  const url = (path = ''): string => `https://localhost:${secure}/${path}`;

  it('are those of ssl-cert-file; others are refused, once', async () => {
    expect(await get(url(), { caFile: ca })).toBe('secure');
    expect(await get(url())).toMatch(
      /^unable to download 'https:.*': SSL peer certificate .* was not OK \(60\): .*(self-signed|unable to verify)[^;]*$/,
    );
    expect(await get(url(), { caFile: '/etc/ssl/certs/ca-certificates.crt' })).toMatch(/^unable to download/);
    expect(await get(`https://127.0.0.1:${secure}/`, { caFile: ca })).toMatch(/does not match certificate/);
    expect(await get(url(), { caFile: join(dir, 'none') })).toContain('Problem with the SSL CA cert');
    expect(said).toEqual([]);
  });

  it('are not left for an open line; where they are, no secret goes along', async () => {
    expect(await get(url('leave'), { caFile: ca })).toContain(`it redirects to 'http://localhost:${open}/'`);
    const netrcFile = join(dir, 'netrc');
    writeFileSync(netrcFile, 'machine localhost login me password secret');
    const options = { mayLeaveTls: true, secretHeaders: { 'x-token': 'secret' } };
    expect(await get(url('leave'), { caFile: ca, netrcFile }, options)).toBe('open ');
  });
});

describe('proxies', () => {
  it('are taken from the environment, but for hosts that need none', async () => {
    const seen: string[] = [];
    const port = await start((request, response) => response.end(`direct ${request.url}`));
    const proxy = createServer((request, response) => {
      seen.push(request.url!);
      response.end('by proxy');
    });
    proxy.on('connect', (request, socket, head) => {
      seen.push(`CONNECT ${request.url!}`);
      const target = connect(port, '127.0.0.1', () => {
        socket.write('HTTP/1.1 200 OK\r\n\r\n');
        target.write(head);
        target.pipe(socket).pipe(target);
      });
      target.on('error', () => socket.destroy());
      socket.on('error', () => target.destroy());
    });
    const proxyUrl = `http://127.0.0.1:${await listen(proxy)}`;
    vi.stubEnv('http_proxy', proxyUrl);
    vi.stubEnv('https_proxy', proxyUrl);
    expect(await get('http://cache.invalid/nix-cache-info')).toBe('by proxy');
    // No TLS behind it: only that it was asked is of interest.
    await get('https://cache.invalid/x');
    expect(seen).toEqual(['http://cache.invalid/nix-cache-info', 'CONNECT cache.invalid:443']);
    vi.stubEnv('no_proxy', '127.0.0.1,localhost');
    expect(await get(`http://127.0.0.1:${port}/x`)).toBe('direct /x');
    expect(seen).toHaveLength(2);
  });
});
