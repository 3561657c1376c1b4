import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { packTar } from '../tar-packer.ts';
import { copyImage } from './copy.ts';
import type { CopyOptions } from './copy.ts';
import { makeConfig } from './image-config.ts';
import { imageFileSystem, layerMembers } from './image-files.ts';
import { LayerCache } from './layer-cache.ts';
import { parseConfig } from './documents.ts';
import { openImageDestination } from './open-destination.ts';
import { openImageSource } from './open-source.ts';
import { parseReference } from './reference.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'tsnix-copy-'));
});
afterEach(() => {
  rmSync(dir, { recursive: true, force: true });
});

const AMD64 = { os: 'linux', architecture: 'amd64' };
const hex = (bytes: Uint8Array | string): string => createHash('sha256').update(bytes).digest('hex');

function tar(files: Readonly<Record<string, string | Uint8Array>>): Buffer {
  const members = Object.entries(files).map(([name, contents]) => {
    const bytes = Buffer.from(contents);
    return {
      header: {
        name,
        type: 'file',
        mode: 0o644,
        uid: 0,
        gid: 0,
        uname: '',
        gname: '',
        size: bytes.length,
        mtime: 0,
        linkName: '',
      } as const,
      contents: { kind: 'bytes', bytes } as const,
    };
  });
  return Buffer.concat([...packTar(members)]);
}

interface Change {
  readonly diffIds?: readonly string[];
  readonly layers?: readonly string[];
  readonly manifest?: string;
}

/** A docker-archive of two layers. */
function archive(change: Change = {}): string {
  const layers = [tar({ 'etc/a': 'one', 'etc/b': 'two' }), tar({ 'etc/.wh.a': '', 'etc/c': 'x'.repeat(200_000) })];
  const config = JSON.stringify({
    architecture: 'amd64',
    os: 'linux',
    config: { Cmd: ['/bin/sh'] },
    rootfs: { type: 'layers', diff_ids: change.diffIds ?? layers.map((layer) => `sha256:${hex(layer)}`) },
  });
  const file = join(dir, 'image.tar');
  const names = change.layers ?? ['1/layer.tar', '2/layer.tar'];
  writeFileSync(
    file,
    tar({
      '1/layer.tar': layers[0]!,
      '2/layer.tar': layers[1]!,
      'config.json': config,
      'manifest.json': change.manifest ?? JSON.stringify([{ Config: 'config.json', RepoTags: ['x:1'], Layers: names }]),
    }),
  );
  return file;
}

async function copy(from: string, to: string, options: Partial<CopyOptions> = {}) {
  const source = await openImageSource(parseReference(from));
  try {
    const destination = openImageDestination(parseReference(to));
    return await copyImage(source, destination, { platforms: [AMD64], ...options });
  } finally {
    await source.close();
  }
}

async function files(reference: string): Promise<string[]> {
  const source = await openImageSource(parseReference(reference));
  try {
    const image = await source.open();
    if (image.kind !== 'image') throw new Error('an index');
    const tree = await imageFileSystem(image, mkdtempSync(join(dir, 'files-')));
    const etc = tree.entries.get('etc');
    return etc?.type === 'directory' ? [...etc.entries.keys()].sort() : [];
  } finally {
    await source.close();
  }
}

describe('copyImage()', () => {
  it('goes through all formats and back, the same each time', async () => {
    const first = await copy(archive(), `oci:${dir}/oci:v1`);
    expect(await copy(`oci:${dir}/oci:v1`, `oci-archive:${dir}/o.tar`)).toEqual(first);
    await copy(`oci-archive:${dir}/o.tar`, `docker-archive:${dir}/d1.tar:x:1`);
    await copy(archive(), `docker-archive:${dir}/d2.tar:x:1`);
    expect(hex(readFileSync(`${dir}/d1.tar`))).toBe(hex(readFileSync(`${dir}/d2.tar`)));
    expect(await copy(`docker-archive:${dir}/d1.tar:x:1`, `oci:${dir}/again`)).toEqual(first);
    for (const reference of [`oci:${dir}/oci`, `${dir}/o.tar`, `docker-archive:${dir}/d1.tar`]) {
      expect(await files(reference)).toEqual(['b', 'c']);
    }
  });

  it.each(['none', 'gzip', 'zstd'] as const)('makes layers %s', async (compression) => {
    await copy(archive(), `oci:${dir}/oci`, { compression });
    const again = await copy(`oci:${dir}/oci`, `oci:${dir}/same`, { compression });
    expect(await copy(`oci:${dir}/oci`, `oci:${dir}/kept`)).toEqual(again);
    expect(await files(`oci:${dir}/oci`)).toEqual(['b', 'c']);
  });

  it('adds images to a layout, and replaces those of the same name', async () => {
    await copy(archive(), `oci:${dir}/oci:a`);
    await copy(archive(), `oci:${dir}/oci:b`, { annotations: { who: 'b' } });
    await copy(archive(), `oci:${dir}/oci:b`, { annotations: { who: 'c' } });
    const index = JSON.parse(readFileSync(`${dir}/oci/index.json`, 'utf8')) as { manifests: unknown[] };
    expect(index.manifests).toHaveLength(2);
    await expect(files(`oci:${dir}/oci`)).rejects.toThrow('has several images, name one of: a, b');
    await expect(files(`oci:${dir}/oci:c`)).rejects.toThrow("has no image 'c'; there are: a, b");
    expect(await files(`oci:${dir}/oci:b`)).toEqual(['b', 'c']);
  });

  it('does not read what it has made before', async () => {
    const cache = new LayerCache(join(dir, 'cache'));
    await copy(archive(), `oci:${dir}/oci:a`, { cache });
    const seen: string[] = [];
    const observer = {
      begin: () => undefined,
      advance: () => seen.push('read'),
      end: (_: string, outcome: string) => seen.push(outcome),
    };
    await copy(archive(), `oci:${dir}/oci:b`, { cache, observer });
    expect(seen).toEqual(['exists', 'exists', 'exists']);
  });

  it('reads archives that are compressed as a whole', async () => {
    const plain = archive();
    writeFileSync(`${dir}/image.tar.gz`, gzipSync(readFileSync(plain)));
    expect(await copy(`${dir}/image.tar.gz`, `oci:${dir}/a`)).toEqual(await copy(plain, `oci:${dir}/b`));
  });
});

describe('parseConfig()', () => {
  const rootfs = { type: 'layers', diff_ids: [] };
  const parse = (config: unknown) => parseConfig(Buffer.from(JSON.stringify({ config, rootfs })), 'x').config;
  it('knows images without settings', () => {
    expect(parse({ User: 'u' })).toEqual({ User: 'u' });
    for (const config of [null, 5, [], undefined]) expect(parse(config)).toBe(undefined);
  });
});

describe('a copy that ends early', () => {
  /** All that lies in the directory, with the text of indexes. */
  function everything(): string[] {
    const names = readdirSync(dir, { recursive: true, encoding: 'utf8' }).sort();
    return names.map((name) => (name.endsWith('index.json') ? readFileSync(join(dir, name), 'utf8') : name));
  }
  function interrupted(): Partial<CopyOptions> {
    const abort = new AbortController();
    const advance = (): void => {
      abort.abort(new Error('enough'));
    };
    return { signal: abort.signal, observer: { begin: () => undefined, advance, end: () => undefined } };
  }
  const bad = { diffIds: [`sha256:${hex(tar({ 'etc/a': 'one', 'etc/b': 'two' }))}`, `sha256:${'0'.repeat(64)}`] };

  it.each(['oci:DIR/out', 'oci-archive:DIR/out', 'docker-archive:DIR/out:x:1'])('leaves nothing: %s', async (to) => {
    const file = archive();
    await expect(copy(file, to.replace('DIR', dir), interrupted())).rejects.toThrow('enough');
    expect(everything()).toEqual(['image.tar']);
  });

  it('leaves what was there before', async () => {
    await copy(archive(), `oci:${dir}/oci:v1`, { compression: 'zstd' });
    writeFileSync(`${dir}/o.tar`, 'before');
    const before = everything();
    await expect(copy(archive(), `oci:${dir}/oci:v1`, interrupted())).rejects.toThrow('enough');
    await expect(copy(archive(bad), `oci:${dir}/oci:v1`)).rejects.toThrow('not sha256:000');
    await expect(copy(archive(bad), `oci-archive:${dir}/o.tar`)).rejects.toThrow('not sha256:000');
    expect(everything()).toEqual(before);
    expect(readFileSync(`${dir}/o.tar`, 'utf8')).toBe('before');
  });

  it('gives no tag in a registry, which comes last', async () => {
    const requests: string[] = [];
    const server = createServer((request, response) => {
      requests.push(`${request.method!} ${request.url!.replace(/sha256.*/, 'DIGEST').replace(/\?.*/, '')}`);
      request.resume().on('end', () => {
        const upload = `/v2/x/blobs/uploads/${requests.length}`;
        if (request.method === 'HEAD') response.writeHead(404).end();
        else if (request.method === 'POST') response.writeHead(202, { location: upload }).end();
        else response.writeHead(request.method === 'PUT' ? 201 : 200).end();
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const to = `docker://127.0.0.1:${(server.address() as AddressInfo).port}/x:v1`;
    try {
      await copy(archive(), to);
      expect(requests.filter((line) => line.includes('/manifests/'))).toEqual(['PUT /v2/x/manifests/v1']);
      expect(requests.at(-1)).toBe('PUT /v2/x/manifests/v1');
      for (const end of [() => copy(archive(bad), to), () => copy(archive(), to, interrupted())]) {
        requests.length = 0;
        await expect(end()).rejects.toThrow(/not sha256:000|enough/);
        expect(requests.filter((line) => line.includes('/manifests/'))).toEqual([]);
      }
    } finally {
      server.closeAllConnections();
      server.close();
    }
  });
});

describe('bad images', () => {
  const zeros = `sha256:${'0'.repeat(64)}`;
  it.each<[string, Change, string]>([
    ['a layer of another digest', { diffIds: [zeros, zeros] }, `not ${zeros}`],
    ['another number of layers', { diffIds: [zeros] }, 'has 2 layers, but its configuration names 1'],
    ['digests that are none', { diffIds: ['sha256:x', zeros] }, 'names no layers (rootfs.diff_ids)'],
    ['a layer that is not there', { layers: ['1/layer.tar', '3/layer.tar'] }, "lacks its file '3/layer.tar'"],
    ['a layer outside', { layers: ['1/layer.tar', '../../etc/passwd'] }, "lacks its file '../../etc/passwd'"],
    ['an absolute layer', { layers: ['1/layer.tar', '/etc/passwd'] }, "lacks its file '/etc/passwd'"],
    ['a manifest that is no JSON', { manifest: '[' }, 'is not JSON'],
    ['a manifest of something else', { manifest: '{"layers":[]}' }, 'is not a list'],
    ['an empty manifest', { manifest: '[]' }, 'is empty'],
    ['a manifest of wrong types', { manifest: '[{"Config":1,"Layers":[]}]' }, 'is not valid'],
  ])('%s', async (_, change, message) => {
    const file = archive(change);
    for (const to of [`oci:${dir}/out`, `oci-archive:${dir}/out`, `docker-archive:${dir}/out:x:1`]) {
      await expect(copy(file, to)).rejects.toThrow(message);
    }
    // Nothing is left, not even in part.
    expect(readdirSync(dir)).toEqual(['image.tar']);
  });

  async function layout(): Promise<{ manifest: string; layer: string }> {
    await copy(archive(), `oci:${dir}/oci`);
    const read = (digest: string): { layers: { digest: string }[]; manifests: { digest: string }[] } =>
      JSON.parse(readFileSync(blob(digest), 'utf8')) as ReturnType<typeof read>;
    const index = JSON.parse(readFileSync(`${dir}/oci/index.json`, 'utf8')) as ReturnType<typeof read>;
    const manifest = index.manifests[0]!.digest;
    return { manifest, layer: read(manifest).layers[1]!.digest };
  }
  const blob = (digest: string): string => `${dir}/oci/blobs/sha256/${digest.slice(7)}`;

  it('blobs of layouts that are changed, cut short or gone', async () => {
    const { layer } = await layout();
    const good = readFileSync(blob(layer));
    const bad = Buffer.from(good);
    bad[100]! ^= 1;
    writeFileSync(blob(layer), bad);
    await expect(copy(`oci:${dir}/oci`, `oci-archive:${dir}/out`)).rejects.toThrow(`not ${layer}`);
    writeFileSync(blob(layer), good.subarray(0, 100));
    await expect(copy(`oci:${dir}/oci`, `oci-archive:${dir}/out`)).rejects.toThrow('has 100 bytes, not');
    rmSync(blob(layer));
    await expect(copy(`oci:${dir}/oci`, `oci-archive:${dir}/out`)).rejects.toThrow('lacks the blob');
    expect(readdirSync(dir).sort()).toEqual(['image.tar', 'oci']);
  });

  function relabel(manifest: object): void {
    const bytes = Buffer.from(JSON.stringify(manifest));
    const digest = `sha256:${hex(bytes)}`;
    writeFileSync(blob(digest), bytes);
    const entry = { mediaType: 'application/vnd.oci.image.manifest.v1+json', digest, size: bytes.length };
    writeFileSync(`${dir}/oci/index.json`, JSON.stringify({ schemaVersion: 2, manifests: [entry] }));
  }

  it('manifests of other kinds', async () => {
    const { manifest } = await layout();
    const good = JSON.parse(readFileSync(blob(manifest), 'utf8')) as { config: object; layers: object[] };
    const cases: [object, string][] = [
      [{ schemaVersion: 1, fsLayers: [] }, 'is of schema version 1'],
      [{ schemaVersion: 2 }, 'is neither an image of schema version 2 nor an index'],
      [{ ...good, manifests: [] }, 'is a manifest and an index at the same time'],
      [{ ...good, layers: {} }, 'a list is missing'],
      [{ ...good, layers: [{ digest: 'md5:x', size: 1 }] }, "'md5:x' is not a digest that is supported"],
      [{ ...good, layers: [{ ...good.layers[0], size: -1 }] }, 'is missing or wrong'],
      [{ ...good, config: { ...good.config, mediaType: 'application/vnd.cncf.helm.config.v1+json' } }, 'artifact'],
    ];
    for (const [bad, message] of cases) {
      relabel(bad);
      await expect(copy(`oci:${dir}/oci`, `docker-archive:${dir}/out:x:1`)).rejects.toThrow(message);
    }
  });

  it('histories of base images that are none', () => {
    const diffIds = [`sha256:${hex('x')}`];
    for (const history of [null, 'x', [null, 1]]) {
      const bytes = Buffer.from(JSON.stringify({ ...AMD64, rootfs: { type: 'layers', diff_ids: diffIds }, history }));
      const base = parseConfig(bytes, 'the base');
      const made = makeConfig({ base, settings: {}, platform: AMD64, created: '', diffIds, history: [] });
      expect(JSON.parse(made.toString())).toMatchObject({ history: [{ created_by: 'the base image' }] });
    }
  });

  it('bombs', async () => {
    const zeros = gzipSync(Buffer.alloc(1 << 20));
    const many = function* (): Generator<Buffer> {
      for (let i = 0; i < 2000; i++) yield zeros;
    };
    const layer = {
      compression: 'gzip',
      descriptor: undefined,
      diffId: undefined,
      label: 'bomb',
      // eslint-disable-next-line @typescript-eslint/require-await -- chunks are async
      chunks: async function* () {
        yield* many();
      },
    } as const;
    const members = layerMembers(layer, 'the bomb');
    // Zeros end an archive: what comes after its end is read nevertheless, and must not go on for ever.
    const read = async (): Promise<void> => {
      for await (const _ of members);
    };
    await expect(read()).rejects.toThrow('like a bomb');
  }, 60_000);
});
