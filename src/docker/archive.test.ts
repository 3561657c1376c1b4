import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import { pack as packStream } from 'tar-stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { describeWith } from '../../test/support/requirements.ts';
import { utf8 } from '../util/bytes.ts';
import { StoreError } from '../util/errors.ts';
import { contentsOf, decompressed, readArchive, readSmall, safeParts } from './archive.ts';
import type { ArchiveMember, Region } from './archive.ts';
import { encodeTarHeader } from './gnu-tar.ts';
import type { TarHeader } from './gnu-tar.ts';
import { packTar } from './tar-packer.ts';
import type { TarMember } from './tar-packer.ts';

let dir: string;
let count = 0;

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'archive-'));
});
afterAll(() => {
  rmSync(dir, { recursive: true });
});

function file(bytes: Uint8Array): Region {
  const path = join(dir, `f${count++}`);
  writeFileSync(path, bytes);
  return { path, offset: 0, size: statSync(path).size };
}

async function list(region: Region): Promise<ArchiveMember[]> {
  const members: ArchiveMember[] = [];
  for await (const member of readArchive(region, 'the archive')) members.push(member);
  return members;
}

function member(name: string, contents = '', extra: Partial<TarHeader> = {}): TarMember {
  const owner = { uid: 7, gid: 8, uname: 'u', gname: 'g' };
  const base = { name, type: 'file', mode: 0o640, ...owner, mtime: 0, linkName: '' } as const;
  return {
    header: { ...base, size: contents.length, ...extra },
    contents: { kind: 'bytes', bytes: Buffer.from(contents, 'latin1') },
  };
}

const MEMBERS = [
  member('a', 'contents of a'),
  member('d/', '', { type: 'directory', mode: 0o1777 }),
  member(`${'d'.repeat(120)}/${'n'.repeat(200)}`, 'deep'),
  member('link', '', { type: 'symlink', linkName: `/${'t'.repeat(300)}` }),
  member('hard', '', { type: 'link', linkName: 'a' }),
  member('bytes-\xff', 'x'.repeat(1000)),
  member('null', '', { type: 'char', deviceMajor: 1, deviceMinor: 3 }),
  member('big ids', '', { uid: 3_000_000_000, gid: 2_097_152 }),
];

describe('readArchive()', () => {
  it('gives back what packTar() wrote, at any offset', async () => {
    const bytes = Buffer.concat([...packTar(MEMBERS)]);
    const { path } = file(Buffer.concat([Buffer.from('before'), bytes, Buffer.from('after')]));
    const region = { path, offset: 6, size: bytes.length };
    const members = await list(region);
    expect(members.map(({ header }) => header)).toEqual(MEMBERS.map(({ header }) => header));
    const contents = await Promise.all(
      members.map(async (found) => readSmall(contentsOf(region, found), 10_000, 'it')),
    );
    expect(contents.map((buffer) => buffer.toString('latin1'))).toEqual(
      MEMBERS.map(({ contents: { kind, ...rest } }) =>
        kind === 'bytes' ? Buffer.from((rest as { bytes: Buffer }).bytes).toString('latin1') : '',
      ),
    );
  });

  it('reads pax names as bytes of UTF-8', async () => {
    const archive = packStream();
    archive.entry({ name: 'naïve ☃'.repeat(30) }, 'x');
    archive.finalize();
    const chunks: Buffer[] = [];
    for await (const chunk of archive) chunks.push(chunk as Buffer);
    expect((await list(file(Buffer.concat(chunks))))[0]!.header.name).toBe(utf8('naïve ☃'.repeat(30)));
  });

  it('refuses archives that are cut short', async () => {
    const bytes = Buffer.concat([...packTar([member('a', 'x'.repeat(5000))])]);
    for (const length of [100, 600, 5000]) {
      await expect(list(file(bytes.subarray(0, length)))).rejects.toThrow(StoreError);
    }
  });

  it('refuses a size that is beyond all bounds', async () => {
    const bytes = encodeTarHeader({ ...MEMBERS[0]!.header, size: 2 ** 50 });
    await expect(list(file(bytes))).rejects.toThrow('the archive is cut short');
  });

  it('fails in no other way than StoreError on damaged bytes', async () => {
    const bytes = Buffer.concat([...packTar(MEMBERS)]).subarray(0, 8192);
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(8191), fc.nat(255)), { minLength: 1, maxLength: 4 }),
        async (changes) => {
          const damaged = Buffer.from(bytes);
          for (const [at, value] of changes) damaged[at] = value;
          try {
            await list(file(damaged));
          } catch (error) {
            expect(error).toBeInstanceOf(StoreError);
          }
        },
      ),
      { numRuns: 60 },
    );
  });
});

describe('decompressed()', () => {
  const bytes = Buffer.concat([...packTar(MEMBERS)]);
  it.each([
    ['gzip', gzipSync(bytes)],
    ['zstd', zstdCompressSync(bytes)],
    ['nothing', bytes],
  ])('reads %s', async (_, packed) => {
    const region = await decompressed(file(packed), join(dir, `spool${count++}`));
    expect((await list(region)).length).toBe(MEMBERS.length);
  });
  it('names what it can not read', async () => {
    await expect(decompressed(file(Buffer.from('BZh9…')), join(dir, 's1'))).rejects.toThrow(
      /^'.*': cannot decompress bzip2 data/,
    );
    await expect(decompressed(file(Buffer.from('fd377a585a00', 'hex')), join(dir, 's2'))).rejects.toThrow(
      /^'.*': cannot decompress xz data/,
    );
    await expect(decompressed(file(gzipSync(bytes).subarray(0, 200)), join(dir, 's3'))).rejects.toThrow(
      'cannot decompress',
    );
  });
});

describeWith(['xz', 'bzip2'], 'decompressed(), archives of other programs', () => {
  const bytes = Buffer.concat([...packTar(MEMBERS)]);
  const packed = (program: string, data: Buffer): Buffer =>
    execFileSync(program, ['-c'], { input: data, maxBuffer: 2 ** 26 });
  it.each(['xz', 'bzip2'])('reads %s', async (program) => {
    const { path } = file(Buffer.concat([Buffer.from('before'), packed(program, bytes), Buffer.from('after')]));
    const region = { path, offset: 6, size: statSync(path).size - 11 };
    const plain = await decompressed(region, join(dir, `spool${count++}`));
    expect(await readSmall(plain, 1e6, 'it')).toEqual(bytes);
  });
  it.each(['xz', 'bzip2'])('refuses %s that is cut short', async (program) => {
    const half = file(packed(program, bytes).subarray(0, 300));
    await expect(decompressed(half, join(dir, `spool${count++}`))).rejects.toThrow(`cannot decompress ${program} data`);
  });
});

describe('safeParts()', () => {
  it('drops dots and slashes', () => {
    expect(safeParts('/./a//b/', 'it')).toEqual(['a', 'b']);
    expect(safeParts('./', 'it')).toEqual([]);
  });
  it('refuses names that lead out', () => {
    expect(() => safeParts('a/../../b', 'it')).toThrow('leads out');
  });
});
