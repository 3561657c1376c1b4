// Substitution against caches that break, lie and stall; the well-behaved ones are compared with Nix in test/oracle.
import { cpSync, existsSync, globSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, afterEach, describe, expect, it } from 'vitest';
import { zstdCompressSync } from 'node:zlib';
import { CacheServer } from '../../../test/support/cache-server.ts';
import { makeClosure, StorePlace, type Closure } from '../../../test/support/store-closure.ts';
import { LocalStore } from '../../store/local-store.ts';
import { parseNarInfo, printNarInfo, type NarInfo } from '../../store/narinfo.ts';
import { SecretKey, parseTrustedKeys, withSignatures } from '../../store/signatures.ts';
import { hashPart } from '../../store/store-path.ts';
import type { StorePath } from '../../store/store.ts';
import { defaultHttpSettings } from '../http-settings.ts';
import { CacheList } from './cache-list.ts';
import { CacheWriter } from './cache-writer.ts';
import { closureOf, copyToCache } from './copy.ts';
import { PathSources } from './open.ts';
import { StoreSource } from './path-source.ts';
import { CacheSubstituter, type SubstituterOptions } from './substituter.ts';

const key = SecretKey.generate('test-1');
const keys = parseTrustedKeys([key.publicKey().toString()]);
const place = new StorePlace();
const first = place.open('first');
const closure: Closure = makeClosure(first, 1_200_000);
const cacheDir = join(place.dir, 'cache');
const server = new CacheServer(cacheDir);
let url = '';

async function fill(dir: string, options: { compression?: 'zstd' | 'none' } = {}): Promise<void> {
  const sources = new PathSources({ storeDir: '/nix/store', env: {}, http: defaultHttpSettings });
  const source = new StoreSource(first);
  const writer = await CacheWriter.open(sources.transport(`file://${dir}`), {
    storeDir: '/nix/store',
    compression: options.compression ?? 'zstd',
    level: -1,
    parallel: false,
    listings: false,
    debugInfo: false,
    keys: [key],
  });
  const observer = {
    missing: () => undefined,
    sending: (_: unknown, archive: AsyncIterable<Uint8Array>) => archive,
    sent: () => undefined,
  };
  await copyToCache(source, await closureOf(source, [closure.top], true), writer, observer);
}

/** A narinfo of the cache, changed; signed anew unless told otherwise. */
function change(dir: string, path: StorePath, edit: (info: NarInfo) => Partial<NarInfo>, sign = true): void {
  const file = join(dir, `${hashPart(path)}.narinfo`);
  const info = parseNarInfo(readFileSync(file, 'latin1'), file, '/nix/store');
  const changed = { ...info, ...edit(info) };
  const signatures = sign ? withSignatures({ ...changed, signatures: [] }, [key]) : changed.signatures;
  writeFileSync(file, printNarInfo({ ...changed, signatures }), 'latin1');
}

interface Outcome {
  readonly done: boolean | string;
  readonly said: string[];
  readonly store: LocalStore;
}

let count = 0;

/** Fetches `paths` into a new store: what came of it, and what was said on the way. The first failure is the end. */
async function substitute(
  uris: readonly string[],
  paths: StorePath | readonly StorePath[],
  options: Partial<SubstituterOptions> & { stalledTimeoutMs?: number; diskCache?: string } = {},
): Promise<Outcome> {
  const store = place.open(`store-${String(count++)}`);
  const said: string[] = [];
  const warn = (message: string): void => void said.push(`warning: ${message}`);
  const sources = new PathSources({
    storeDir: '/nix/store',
    env: {},
    http: {
      ...defaultHttpSettings,
      attempts: 3,
      retryDelayMs: 5,
      stalledTimeoutMs: options.stalledTimeoutMs ?? 10_000,
      warn,
    },
    ...(options.diskCache === undefined
      ? {}
      : { diskCache: { file: options.diskCache, times: { positive: 100, negative: 100, meta: 100 } } }),
  });
  const substituter = new CacheSubstituter({
    store,
    caches: new CacheList(
      uris.map((uri) => sources.entry(uri, false)),
      { diskCache: sources.diskCache, warn },
    ),
    requireSignatures: true,
    trustedKeys: keys,
    jobs: 4,
    fallback: false,
    observer: {
      warn,
      error: (message) => void said.push(`error: ${message}`),
      copying: (path_, uri) => void said.push(`copying ${path_} from ${uri}`),
    },
    ...options,
  });
  let done: boolean | string;
  try {
    const each = await Promise.all([paths].flat().map((path) => substituter.substitute(path)));
    done = each.every(Boolean);
  } catch (error) {
    done = (error as Error).message;
  } finally {
    await substituter.close();
    sources.close();
  }
  // Whatever happened: nothing half-done stays.
  expect(globSync('tmp-*', { cwd: store.realStoreDir })).toEqual([]);
  for (const valid of store.validPaths()) {
    for (const reference of store.pathInfo(valid)!.references) expect(store.isValidPath(reference)).toBe(true);
    expect(store.hashPath(store.realPath(valid)).narHash).toEqual(store.pathInfo(valid)!.narHash);
  }
  return { done, said, store };
}

beforeAll(async () => {
  await fill(cacheDir);
  url = await server.start();
});
beforeEach(() => {
  server.misbehave = (): boolean => false;
  server.seen.length = 0;
});
afterAll(async () => {
  await server.stop();
  await place.close();
});

describe('substitution', () => {
  it('brings a closure over, as it was', async () => {
    const { done, store, said } = await substitute([url], closure.top);
    expect(done).toBe(true);
    expect([...store.validPaths()].sort()).toEqual([...closure.all].sort());
    for (const path of closure.all) {
      expect(store.hashPath(store.realPath(path)).narHash).toEqual(first.hashPath(first.realPath(path)).narHash);
    }
    expect(said.filter((line) => line.startsWith('copying'))).toHaveLength(4);
    expect(store.pathInfo(closure.top)!.signatures).toHaveLength(1);
    expect(store.pathInfo(closure.top)!.ultimate).toBe(false);
  });

  it('asks the caches by priority, and takes what only one of them has', async () => {
    const one = join(place.dir, 'one');
    await fill(one);
    for (const path of [closure.leaf, closure.big]) rmSync(join(one, `${hashPart(path)}.narinfo`));
    const { done, said } = await substitute([`${url}?priority=20`, `file://${one}?priority=10`], closure.top);
    expect(done).toBe(true);
    const from = Object.fromEntries<string | undefined>(
      said.map((line) => line.replace('copying ', '').split(' from ') as [string, string]),
    );
    expect(from[closure.top]).toBe(`file://${one}`);
    expect(from[closure.leaf]).toBe(url);
  });

  it('says no where nobody has it', async () => {
    const absent = '/nix/store/00000000000000000000000000000000-x' as StorePath;
    expect((await substitute([url], absent)).done).toBe(false);
  });

  it('goes on where a body breaks off', async () => {
    let broken = 0;
    server.misbehave = ({ path, headers }, response, contents): boolean => {
      if (!path.startsWith('nar/') || contents === undefined || contents.length < 100_000 || broken >= 2) return false;
      broken++;
      const start = Number(/\d+/.exec(headers.range ?? '0')![0]);
      response.writeHead(start === 0 ? 200 : 206, {
        'content-length': contents.length - start,
        'content-range': `bytes ${String(start)}-${String(contents.length - 1)}/${String(contents.length)}`,
        etag: '"1"',
      });
      response.write(contents.subarray(start, start + 500_000), () => response.destroy());
      return true;
    };
    expect((await substitute([url], closure.top)).done).toBe(true);
    expect(broken).toBe(2);
    const ranges = server.seen.flatMap(({ headers }) => headers.range ?? []);
    expect(ranges.map((range) => /^bytes=[1-9]\d*-$/.test(range))).toEqual([true, true]);
  });

  it('starts over, skipping what it had, where the server knows no ranges', async () => {
    let broken = 0;
    server.misbehave = ({ path }, response, contents): boolean => {
      if (!path.startsWith('nar/') || contents === undefined || contents.length < 100_000) return false;
      response.writeHead(200, { 'content-length': contents.length });
      if (broken++ === 0) response.write(contents.subarray(0, 500_000), () => response.destroy());
      else response.end(contents);
      return true;
    };
    expect((await substitute([url], closure.top)).done).toBe(true);
    expect(broken).toBe(2);
  });

  it('tries again where a server is busy, and tells', async () => {
    let busy = 0;
    server.misbehave = (_, response): boolean => {
      if (busy++ % 2 === 1) return false;
      response.writeHead(503).end('busy');
      return true;
    };
    const { done, said } = await substitute([url], closure.leaf);
    expect(done).toBe(true);
    expect(said[0]).toMatch(/^warning: error: unable to download '.*': HTTP error 503.*retrying in \d+ ms/s);
  });

  it('does not wait forever for a server that stalls', async () => {
    server.misbehave = ({ path }, response, contents): boolean => {
      if (!path.startsWith('nar/')) return false;
      response.writeHead(200, { 'content-length': contents!.length });
      response.write(contents!.subarray(0, 10));
      return true;
    };
    const { done } = await substitute([url], closure.leaf, { stalledTimeoutMs: 60 });
    expect(done).toMatch(/unable to download '.*': Timeout was reached \(28\)/);
  });

  it('follows redirects, but not in circles', async () => {
    server.misbehave = ({ path }, response): boolean => {
      if (!path.includes('nar/')) return false;
      response.writeHead(302, { location: `/again/${path}` }).end();
      return true;
    };
    expect((await substitute([url], closure.leaf)).done).toContain('Number of redirects hit maximum amount');
    server.misbehave = ({ path }, response, contents): boolean => {
      if (path.startsWith('elsewhere/')) {
        response.end(readFileSync(join(cacheDir, path.slice('elsewhere/'.length))));
        return true;
      }
      if (!path.startsWith('nar/') || contents === undefined) return false;
      response.writeHead(307, { location: `${url}/elsewhere/${path}` }).end();
      return true;
    };
    expect((await substitute([url], closure.leaf)).done).toBe(true);
  });

  it('does without a cache that is not there, quickly', async () => {
    const start = Date.now();
    const { done, said } = await substitute(['http://127.0.0.1:1', url], closure.leaf);
    expect(done).toBe(true);
    expect(said[0]).toBe(
      "warning: unable to download 'http://127.0.0.1:1/nix-cache-info': Could not connect to server (7)",
    );
    expect(Date.now() - start).toBeLessThan(5000);
    expect((await substitute(['http://127.0.0.1:1'], closure.leaf)).done).toBe(false);
  });

  it('leaves a cache alone that went away', async () => {
    server.misbehave = ({ path }, response): boolean => {
      if (!path.endsWith('.narinfo')) return false;
      response.destroy();
      return true;
    };
    const { done, said } = await substitute([url], closure.leaf);
    expect(done).toBe(false);
    expect(said.at(-1)).toBe(`warning: disabling binary cache '${url}' for 60 seconds`);
  });

  it('takes a 404 of a web server that is none for what it is', async () => {
    const { done, said } = await substitute([`${url}/nothing`], closure.leaf);
    expect(done).toBe(false);
    expect(said).toEqual([`warning: '${url}/nothing' does not appear to be a binary cache`]);
  });

  it('treats an archive that is gone as never there', async () => {
    server.misbehave = ({ path }, response): boolean => {
      if (!path.startsWith('nar/')) return false;
      response.writeHead(404).end();
      return true;
    };
    const { done, said } = await substitute([url], closure.leaf);
    expect(done).toBe(false);
    expect(said.at(-1)).toMatch(/^warning: file 'nar\/.*' does not exist in binary cache/);
  });

  it('remembers what a cache said', async () => {
    const diskCache = join(place.dir, 'answers.sqlite');
    const absent = '/nix/store/00000000000000000000000000000000-x' as StorePath;
    for (const path of [closure.top, absent]) await substitute([url], path, { diskCache });
    const before = server.count('.narinfo');
    expect(before).toBe(5);
    for (const path of [closure.top, absent]) await substitute([url], path, { diskCache });
    expect(server.count('.narinfo')).toBe(before);
    expect(server.count('nix-cache-info')).toBe(1);
    writeFileSync(diskCache, 'this is no database, but long enough to be taken for one'.repeat(100));
    expect((await substitute([url], closure.top, { diskCache })).done).toBe(true);
    expect(existsSync(diskCache)).toBe(true);
  });
});

describe('a cache that lies', () => {
  const dir = join(place.dir, 'liar');
  const uri = `file://${dir}`;
  const honest = join(place.dir, 'honest');
  beforeAll(async () => {
    await fill(honest, { compression: 'none' });
  });
  beforeEach(() => {
    cpSync(honest, dir, { recursive: true });
  });
  afterEach(() => {
    rmSync(dir, { recursive: true, force: true });
  });
  const archiveOf = (path: StorePath): string => {
    const file = join(dir, `${hashPart(path)}.narinfo`);
    return join(dir, parseNarInfo(readFileSync(file, 'latin1'), file, '/nix/store').url);
  };
  const unsigned = `warning: ignoring substitute for '${closure.leaf}' from '${uri}', as it's not signed by any of the keys in 'trusted-public-keys'`;

  it.each<[string, (info: NarInfo) => Partial<NarInfo>]>([
    ['without a signature', () => ({ signatures: [] })],
    [
      "with a stranger's signature",
      (info) => ({ signatures: withSignatures({ ...info, signatures: [] }, [SecretKey.generate('test-1')]) }),
    ],
    ['with garbage for a signature', () => ({ signatures: ['test-1:AAAA'] })],
    ['signed for another size', (info) => ({ narSize: info.narSize + 8 })],
    ['signed for another hash', () => ({ narHash: new Uint8Array(32) })],
    ['signed for other references', () => ({ references: [closure.text] })],
    ['with a content address that is not its own', () => ({ signatures: [], ca: first.pathInfo(closure.text)!.ca })],
  ])('is not believed %s', async (_, edit) => {
    change(dir, closure.leaf, edit, false);
    const { done, said, store } = await substitute([uri], closure.leaf);
    expect(done).toBe(false);
    expect(said).toEqual([unsigned]);
    expect(store.validPaths()).toEqual([]);
  });

  it('is believed unsigned where the user says so, or where the address vouches for the contents', async () => {
    change(dir, closure.leaf, () => ({ signatures: [] }), false);
    change(dir, closure.text, () => ({ signatures: [] }), false);
    expect((await substitute([`${uri}?trusted=true`], closure.leaf)).done).toBe(true);
    expect((await substitute([uri], closure.leaf, { requireSignatures: false })).done).toBe(true);
    expect((await substitute([uri], closure.text)).done).toBe(true);
  });

  it('can not pass other contents under a content address', async () => {
    const other = first.pathInfo(closure.leaf)!;
    const {
      url: archive,
      fileHash,
      fileSize,
    } = parseNarInfo(readFileSync(join(dir, `${hashPart(closure.leaf)}.narinfo`), 'latin1'), '', '/nix/store');
    change(
      dir,
      closure.text,
      () => ({ url: archive, fileHash, fileSize, narHash: other.narHash, narSize: other.narSize, signatures: [] }),
      false,
    );
    const { done, store } = await substitute([uri], closure.text);
    expect(done).toMatch(/^ca hash mismatch importing path/);
    expect(store.validPaths()).toEqual([]);
  });

  it('can not answer with another path', async () => {
    const part = hashPart(closure.leaf);
    writeFileSync(join(dir, `${part}.narinfo`), readFileSync(join(dir, `${hashPart(closure.text)}.narinfo`)));
    const { done, said } = await substitute([uri], closure.leaf);
    expect(done).toBe(false);
    expect(said).toEqual([`error: asked '${uri}' for '${closure.leaf}' but got '${closure.text}'`]);
  });

  it('can not pass an older object off as another: a name is part of what is signed', async () => {
    const old = readFileSync(join(dir, `${hashPart(closure.big)}.narinfo`), 'latin1');
    const file = join(dir, `${hashPart(closure.leaf)}.narinfo`);
    writeFileSync(file, old.replace(/^StorePath: .*$/m, `StorePath: ${closure.leaf}`), 'latin1');
    expect((await substitute([uri], closure.leaf)).said).toEqual([unsigned]);
  });

  it.each<[string, (archive: Buffer) => Buffer, RegExp]>([
    ['a flipped bit in contents', (a) => (a.fill(0x41, 1000, 1001), a), /^hash mismatch importing path/],
    [
      'a flipped bit in the structure',
      (a) => (a.fill(0x41, 30, 31), a),
      /cannot unpack '.*' from 'file:.*': string is too long/,
    ],
    ['its end missing', (a) => a.subarray(0, a.length - 50), /unexpected end-of-file/],
    ['nothing', () => Buffer.alloc(0), /unexpected end-of-file/],
    ['more after its end', (a) => Buffer.concat([a, Buffer.from('more')]), /size mismatch importing path/],
    ['a length beyond memory', (a) => (a.fill(0xff, 88, 95), a), /string is too long|size mismatch|unexpected end/],
    ['a bomb', () => Buffer.alloc(10_000_000), /doesn't look like a Nix archive|size mismatch/],
  ])('fails with %s', async (_, damage, message) => {
    const file = archiveOf(closure.big);
    writeFileSync(file, damage(Buffer.from(readFileSync(file))));
    const { done, store } = await substitute([uri], closure.top);
    expect(done).toMatch(message);
    expect(store.isValidPath(closure.big)).toBe(false);
    expect(store.isValidPath(closure.top)).toBe(false);
    expect(existsSync(store.realPath(closure.big))).toBe(false);
  });

  it('fails with a decompression bomb before it fills the disk', async () => {
    const file = archiveOf(closure.leaf);
    writeFileSync(file, zstdCompressSync(Buffer.concat([readFileSync(file), Buffer.alloc(50_000_000)])));
    change(dir, closure.leaf, () => ({ compression: 'zstd' }));
    expect((await substitute([uri], closure.leaf)).done).toMatch(/is larger than its narinfo says/);
    change(dir, closure.leaf, () => ({ fileSize: 1_000_000 }));
    expect((await substitute([uri], closure.leaf)).done).toMatch(/^cannot decompress zstd data/);
    change(dir, closure.leaf, () => ({ fileSize: 0 }));
    expect((await substitute([uri], closure.leaf)).done).toMatch(/size mismatch importing path/);
  });

  it('fails with names that lead out of the store path', async () => {
    change(dir, closure.leaf, () => ({ narSize: 1000, fileSize: 1000 }));
    for (const name of ['..', 'a/b', '.', '']) {
      const token = (text: string): Buffer => {
        const length = Buffer.alloc(8);
        length.writeBigUInt64LE(BigInt(text.length));
        return Buffer.concat([length, Buffer.from(text), Buffer.alloc(-text.length & 7)]);
      };
      const words = [
        'nix-archive-1',
        '(',
        'type',
        'directory',
        'entry',
        '(',
        'name',
        name,
        'node',
        '(',
        'type',
        'regular',
      ];
      writeFileSync(archiveOf(closure.leaf), Buffer.concat(words.map(token)));
      const { done } = await substitute([uri], closure.leaf);
      expect(done).toMatch(/NAR contains invalid file name/);
    }
  });

  it('fails with references in a circle', async () => {
    change(dir, closure.leaf, () => ({ references: [closure.top] }));
    expect((await substitute([uri], closure.top)).done).toMatch(/^cycle detected in the references of/);
  });

  it('fails with a reference that nobody has', async () => {
    rmSync(join(dir, `${hashPart(closure.text)}.narinfo`));
    const { done, said } = await substitute([uri], closure.top);
    expect(done).toBe(false);
    expect(said.at(-1)).toBe(`error: some references of path '${closure.top}' could not be realised`);
  });

  it('fails with a corrupt narinfo, unless there is another cache or fallback', async () => {
    writeFileSync(join(dir, `${hashPart(closure.leaf)}.narinfo`), 'StorePath: x\n');
    expect((await substitute([uri], closure.leaf)).done).toMatch(/^NAR info file '.*' is corrupt: bad store path/);
    expect((await substitute([uri], closure.leaf, { fallback: true })).done).toBe(false);
    expect((await substitute([uri, url], closure.leaf)).done).toBe(true);
  });

  it('falls back to the next cache where an archive is damaged', async () => {
    writeFileSync(archiveOf(closure.big), 'nothing');
    const { done, said } = await substitute([uri, url], closure.top);
    expect(done).toBe(true);
    expect(said.find((line) => line.startsWith('error:'))).toContain('unexpected end-of-file');
  });

  it('leaves nothing behind where one path fails while others are only being looked for', async () => {
    writeFileSync(archiveOf(closure.text), 'nothing');
    const liar = new CacheServer(dir);
    const late = await liar.start();
    // What the one with the damaged archive is comes at once.
    liar.misbehave = ({ path }, response, contents): boolean => {
      if (!path.endsWith('.narinfo') || path.includes(hashPart(closure.text))) return false;
      setTimeout(() => response.writeHead(200).end(contents), 300);
      return true;
    };
    const { done, store } = await substitute([late], [closure.text, closure.leaf]);
    await new Promise((resolve) => setTimeout(resolve, 500));
    await liar.stop();
    expect(done).toContain('unexpected end-of-file');
    expect(globSync('tmp-*', { cwd: store.realStoreDir })).toEqual([]);
    expect(store.validPaths()).toEqual([]);
  });

  it('is refused where it is of another store directory', async () => {
    writeFileSync(join(dir, 'nix-cache-info'), 'StoreDir: /gnu/store\n');
    const { done, said } = await substitute([uri], closure.leaf);
    expect(done).toBe(false);
    expect(said).toEqual([
      `warning: binary cache '${uri}' is for Nix stores with prefix '/gnu/store', not '/nix/store'`,
    ]);
  });

  it('fails with a compression that nobody knows', async () => {
    change(dir, closure.leaf, () => ({ compression: 'lzop' }));
    expect((await substitute([uri], closure.leaf)).done).toContain("unknown compression method 'lzop'");
  });
});
