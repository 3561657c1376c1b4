import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32, gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { PathInfo, StorePath, SyncStore } from '../store/store.ts';
import { compressMembers } from './layer-pieces.ts';
import { LayerSpool } from './layer-spool.ts';
import { Notes } from './notes.ts';
import { describeStoreLayers } from './store-layer.ts';
import type { DescribeOptions, StoreLayer } from './store-layer.ts';
import { StoreView } from './store-view.ts';
import { packTar } from './tar-packer.ts';
import type { TarMember } from './tar-packer.ts';
import { ROOT_OWNER } from './tree.ts';

let dir: string;
let view: StoreView;
let layers: (readonly PathInfo[])[];

/** A store path of one file. */
function storePath(letter: string, contents: Buffer): PathInfo {
  const path = `/nix/store/${letter.repeat(32)}-${letter}` as StorePath;
  mkdirSync(`${dir}/store/${path.slice(11)}`, { recursive: true });
  writeFileSync(`${dir}/store/${path.slice(11)}/file`, contents);
  const narHash = createHash('sha256').update(contents).digest();
  return { path, narHash, narSize: contents.length } as unknown as PathInfo;
}

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'tsnix-layer-'));
  layers = [
    [storePath('a', Buffer.alloc(1_500_000, 'some text '))],
    [storePath('b', Buffer.from('small'))],
    [storePath('c', randomBytes(300_000)), storePath('d', Buffer.alloc(200_000, 'more '))],
  ];
  const store = {
    storeDir: '/nix/store',
    realPath: (path: string) => `${dir}/store/${path.slice('/nix/store/'.length)}`,
  } as unknown as SyncStore;
  view = new StoreView(
    store,
    layers.flat().map(({ path }) => path),
  );
});
afterAll(() => {
  rmSync(dir, { recursive: true, force: true });
});

let count = 0;
const freshDir = (name: string): string => `${dir}/${name}${count++}`;

async function describeAll(options: Partial<DescribeOptions> = {}): Promise<{ layers: StoreLayer[]; read: number[] }> {
  const read: number[] = [];
  const json = new Map([['os', 'linux']]);
  const reading = (i: number): number => read.push(i);
  const described = await describeStoreLayers({ view, layers, members: { mtime: 1 }, json, reading, ...options });
  return { layers: described, read: read.sort() };
}

const packed = (members: Iterable<TarMember>): Buffer => Buffer.concat([...packTar(members)]);

/** An archive of the layers in another order than they were read in. @returns which of them it read */
async function archive(all: readonly StoreLayer[], spool?: LayerSpool): Promise<{ bytes: Buffer; read: number[] }> {
  const read: number[] = [];
  const members = all.map(({ size, members: inner, sha256, crc32: checksum }, i): TarMember => {
    const header = { name: `${i}`, type: 'file', mode: 0o444, ...ROOT_OWNER, size, mtime: 1, linkName: '' } as const;
    const reading = (): Iterable<TarMember> => (read.push(i), inner());
    return { header, contents: { kind: 'archive', members: reading, sha256, crc32: checksum } };
  });
  const chunks: Uint8Array[] = [];
  for await (const chunk of compressMembers(members.reverse(), 'gzip', undefined, spool)) {
    chunks.push(Uint8Array.from(chunk));
  }
  return { bytes: Buffer.concat(chunks), read: read.sort() };
}

const bare = (all: readonly StoreLayer[]) =>
  all.map(({ json, size, sha256, crc32: sum }) => ({ json, size, sha256, sum }));

describe('describeStoreLayers()', () => {
  it('tells what the archives are', async () => {
    const { layers: described, read } = await describeAll();
    expect(read).toEqual([0, 1, 2]);
    for (const layer of described) {
      const bytes = packed(layer.members());
      const sha256 = createHash('sha256').update(bytes).digest('hex');
      expect(layer).toMatchObject({ size: bytes.length, sha256, crc32: crc32(bytes) });
      expect(layer.json).toMatch(/"checksum": "tarsum\.v1\+sha256:[0-9a-f]{64}"/);
    }
  });

  it('leaves large layers in a spool, from which an archive is the same bytes without reading them', async () => {
    const spool = new LayerSpool(freshDir('spool'), 'gzip');
    const spooled = await describeAll({ spool });
    const { layers: plain } = await describeAll();
    expect(bare(spooled.layers)).toEqual(bare(plain));
    expect(spooled.read).toEqual([0, 1, 2]);
    const cold = await archive(plain);
    expect(cold.read).toEqual([0, 1, 2]);
    const warm = await archive(spooled.layers, spool);
    expect(warm.read).toEqual([1]);
    expect(warm.bytes.equals(cold.bytes)).toBe(true);
    expect(gunzipSync(warm.bytes).includes(packed(plain[2]!.members()))).toBe(true);
  });

  it('reads nothing that is noted, and spools none of it', async () => {
    const notes = new Notes(freshDir('notes'));
    const first = await describeAll({ notes });
    const spool = new LayerSpool(freshDir('spool'), 'gzip');
    const second = await describeAll({ notes, spool });
    expect(second.read).toEqual([]);
    expect(bare(second.layers)).toEqual(bare(first.layers));
    expect((await archive(second.layers, spool)).read).toEqual([0, 1, 2]);
    const [changed] = layers;
    const other = [[{ ...changed![0]!, narHash: randomBytes(32) }], ...layers.slice(1)];
    expect((await describeAll({ notes, layers: other })).read).toEqual([0]);
  });
});
