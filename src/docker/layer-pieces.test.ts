import { createHash } from 'node:crypto';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32, gunzipSync, zstdDecompressSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { StorePath, SyncStore } from '../store/store.ts';
import { compressMembers } from './layer-pieces.ts';
import type { PieceSources } from './layer-pieces.ts';
import { Notes } from './notes.ts';
import { packTar } from './tar-packer.ts';
import type { TarMember } from './tar-packer.ts';
import { ROOT_OWNER } from './tree.ts';

const FIRST = 'a'.repeat(32);
const SECOND = 'b'.repeat(32);

let dir: string;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'tsnix-pieces-'));
  mkdirSync(join(dir, 'store'));
});
afterEach(() => {
  rmSync(dir, { recursive: true, force: true });
});

function file(name: string, bytes: Buffer): TarMember {
  const header = {
    name,
    type: 'file',
    mode: 0o444,
    ...ROOT_OWNER,
    size: bytes.length,
    mtime: 1,
    linkName: '',
  } as const;
  return { header, contents: { kind: 'bytes', bytes } };
}

/** Text that compresses, other for each seed. */
function text(seed: number, bytes: number): Buffer {
  const line = createHash('sha256').update(String(seed)).digest('hex');
  return Buffer.alloc(bytes, `${line} of the quick brown fox\n${seed}\n`);
}

/** How often each layer was read. */
type Reads = Record<string, number>;

/** A member that is an archive of one file. */
function layer(name: string, bytes: Buffer, reads: Reads): TarMember {
  const inner = (): TarMember[] => [file('file', bytes)];
  const packed = Buffer.concat([...packTar(inner())]);
  const { header } = file(name, packed);
  const members = (): TarMember[] => {
    reads[name] = (reads[name] ?? 0) + 1;
    return inner();
  };
  const sha256 = createHash('sha256').update(packed).digest('hex');
  return { header, contents: { kind: 'archive', members, sha256, crc32: crc32(packed) } };
}

/** Two large layers that every image has, something small between them, and a small layer. */
function image(changed: string, reads: Reads): TarMember[] {
  return [
    file('json', Buffer.from(changed)),
    layer('one', text(1, 1_500_000), reads),
    file('VERSION', Buffer.from('1.0')),
    layer('small', text(2, 1000), reads),
    layer('two', text(3, 600_000), reads),
    file('manifest', Buffer.from(changed)),
  ];
}

function sources(hash: string): PieceSources {
  const store = {
    storeDir: '/nix/store',
    realPath: (path: string) => `${dir}/store/${path.slice('/nix/store/'.length)}`,
  } as unknown as SyncStore;
  return { notes: new Notes(`${dir}/notes`), store, output: `/nix/store/${hash}-image` as StorePath };
}

async function build(
  hash: string,
  changed: string,
  compression: 'gzip' | 'zstd' = 'gzip',
): Promise<{ bytes: Buffer; reads: Reads }> {
  const reads: Reads = {};
  const chunks: Buffer[] = [];
  for await (const chunk of compressMembers(image(changed, reads), compression, sources(hash))) {
    chunks.push(Buffer.from(chunk));
  }
  const bytes = Buffer.concat(chunks);
  writeFileSync(join(dir, 'store', `${hash}-image`), bytes);
  return { bytes, reads };
}

async function cold(changed: string, compression: 'gzip' | 'zstd' = 'gzip'): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of compressMembers(image(changed, {}), compression)) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}

const plain = (changed: string): Buffer => Buffer.concat([...packTar(image(changed, {}))]);

describe('compressMembers()', () => {
  it.each(['gzip', 'zstd'] as const)(
    '%s: copies what was compressed before, with the same bytes',
    async (compression) => {
      const first = await build(FIRST, 'first', compression);
      expect(first.reads).toEqual({ one: 1, small: 1, two: 1 });
      expect(first.bytes.equals(await cold('first', compression))).toBe(true);
      const second = await build(SECOND, 'second', compression);
      expect(second.reads).toEqual({ small: 1 });
      expect(second.bytes.equals(await cold('second', compression))).toBe(true);
      const expand = compression === 'gzip' ? gunzipSync : zstdDecompressSync;
      expect(expand(second.bytes).equals(plain('second'))).toBe(true);
      // The layers are noted where they lie last.
      rmSync(join(dir, 'store', `${FIRST}-image`));
      expect((await build(FIRST, 'third', compression)).reads).toEqual({ small: 1 });
    },
  );

  it('does not believe an archive that has changed', async () => {
    const { bytes } = await build(FIRST, 'first');
    const archive = join(dir, 'store', `${FIRST}-image`);
    const damaged = Buffer.from(bytes);
    // In the first layer's bytes.
    damaged[Math.floor(bytes.length / 3)]! ^= 1;
    writeFileSync(archive, damaged);
    const second = await build(SECOND, 'second');
    expect(second.reads).toEqual({ one: 1, small: 1 });
    expect(second.bytes.equals(await cold('second'))).toBe(true);
  });

  it.each([
    ['is cut short', (archive: string) => truncateSync(archive, 100)],
    ['is gone', (archive: string) => rmSync(archive)],
    [
      'is a directory',
      (archive: string) => {
        rmSync(archive);
        mkdirSync(archive);
      },
    ],
  ])('reads layers where the archive %s', async (_, spoil) => {
    await build(FIRST, 'first');
    spoil(join(dir, 'store', `${FIRST}-image`));
    const second = await build(SECOND, 'second');
    expect(second.reads).toEqual({ one: 1, small: 1, two: 1 });
    expect(second.bytes.equals(await cold('second'))).toBe(true);
  });

  it.each([
    ['nothing', ''],
    ['half', '[{"archive":"'],
    ['another archive', (note: string) => note.replace(`${FIRST}-image`, `../../etc/passwd`)],
    ['another checksum', (note: string) => note.replace(/"crc32":(\d)/, '"crc32":1$1')],
    ['no values', () => '[{},"x"]'],
    ['something else', () => 'null'],
  ])('does not believe a note with %s', async (_, spoil) => {
    await build(FIRST, 'first');
    for (const shard of readdirSync(join(dir, 'notes'))) {
      for (const name of readdirSync(join(dir, 'notes', shard))) {
        const note = join(dir, 'notes', shard, name);
        writeFileSync(note, typeof spoil === 'string' ? spoil : spoil(readFileSync(note, 'latin1')));
      }
    }
    const second = await build(SECOND, 'second');
    expect(second.reads).toEqual({ one: 1, small: 1, two: 1 });
    expect(second.bytes.equals(await cold('second'))).toBe(true);
  });

  it('believes no notes that others could have written', async () => {
    await build(FIRST, 'first');
    chmodSync(join(dir, 'notes'), 0o770);
    expect((await build(SECOND, 'second')).reads).toEqual({ one: 1, small: 1, two: 1 });
    chmodSync(join(dir, 'notes'), 0o755);
    expect((await build(SECOND, 'third')).reads).toEqual({ small: 1 });
  });

  it('fails where a layer is not what it was known to be', async () => {
    const reads: Reads = {};
    const members = image('first', reads).map((member): TarMember => {
      const { contents } = member;
      return contents.kind === 'archive' ? { ...member, contents: { ...contents, crc32: 1 } } : member;
    });
    const all = async (): Promise<void> => {
      for await (const chunk of compressMembers(members, 'gzip', sources(FIRST))) expect(chunk).toBeDefined();
    };
    await expect(all()).rejects.toThrow("what is in 'one' has changed while it was being packed");
    // Nothing of it is noted.
    expect((await build(SECOND, 'second')).reads).toEqual({ one: 1, small: 1, two: 1 });
  });
});

describe('Notes', () => {
  it('stay few', () => {
    const notes = new Notes(`${dir}/notes`);
    const value = { value: 1 };
    const shards = (): number[] =>
      readdirSync(join(dir, 'notes')).map((shard) => readdirSync(join(dir, 'notes', shard)).length);
    // All in one directory: their names begin alike.
    let last = '';
    for (let i = 0, found = 0; found < 150; i++) {
      if (!createHash('sha256').update(`key ${i}`).digest('hex').startsWith('00')) continue;
      last = `key ${i}`;
      notes.put(last, value);
      found++;
    }
    expect(Math.max(...shards())).toBeLessThanOrEqual(64);
    expect(notes.get(last)).toEqual({ value: 1 });
  });
});
