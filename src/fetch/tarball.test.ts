import { execFileSync } from 'node:child_process';
import { existsSync, lstatSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { pack, type Header } from 'tar-stream';
import { describeWith } from '../../test/support/requirements.ts';
import { unpackTarball } from './tarball.ts';

type Entry = Partial<Header> & { readonly name: string; readonly contents?: string };

async function tar(entries: readonly Entry[]): Promise<Buffer> {
  const archive = pack();
  for (const { contents, ...header } of entries) archive.entry(header, contents ?? '');
  archive.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of archive) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

describe('unpackTarball()', () => {
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'tsnix-tarball-'));
  });
  afterEach(() => {
    rmSync(dir, { recursive: true, force: true });
  });
  const unpack = (archive: Buffer): Promise<string> =>
    unpackTarball(Readable.from([archive], { objectMode: false }), join(dir, 'tree')).then(({ path }) => path);

  it('leaves out a single top directory', async () => {
    const tree = await unpack(
      await tar([
        { name: 'top/', type: 'directory' },
        { name: 'top/run', mode: 0o755, contents: 'x' },
        { name: 'top/deep/file', contents: 'y' },
        { name: 'top/link', type: 'symlink', linkname: 'run' },
        { name: 'top/hard', type: 'link', linkname: 'top/run' },
      ]),
    );
    expect(tree).toBe(join(dir, 'tree/top'));
    expect(readdirSync(tree).sort()).toEqual(['deep', 'hard', 'link', 'run']);
    expect(lstatSync(join(tree, 'run')).mode & 0o100).toBe(0o100);
    expect(lstatSync(join(tree, 'deep/file')).mode & 0o100).toBe(0);
    expect(readlinkSync(join(tree, 'link'))).toBe('run');
    expect(readFileSync(join(tree, 'hard'), 'utf8')).toBe('x');
  });

  it('keeps the top where it holds more than one thing', async () => {
    expect(
      await unpack(
        await tar([
          { name: 'a', contents: '1' },
          { name: 'b/c', contents: '2' },
        ]),
      ),
    ).toBe(join(dir, 'tree'));
  });

  it('keeps names that are not UTF-8 and those that are', async () => {
    await unpack(
      await tar([
        { name: 'größe', contents: '' },
        { name: 'x', contents: '' },
      ]),
    );
    expect(readdirSync(join(dir, 'tree')).sort()).toEqual(['größe', 'x']);
  });

  it.each([
    ['gzip', gzipSync],
    ['zstd', zstdCompressSync],
  ] as const)('reads %s', async (_, compress) => {
    const tree = await unpack(compress(await tar([{ name: 'file', contents: 'text' }])));
    expect(readFileSync(join(tree, 'file'), 'utf8')).toBe('text');
  });

  it.each<[string, Entry[], string]>([
    ['a name with ..', [{ name: '../evil', contents: 'x' }], "'../evil' leaves the archive"],
    ['a name with .. inside', [{ name: 'a/../../evil', contents: 'x' }], 'leaves the archive'],
    [
      'a file below a symlink',
      [
        { name: 'out', type: 'symlink', linkname: '..' },
        { name: 'out/evil', contents: 'x' },
      ],
      'is not a directory',
    ],
    [
      'a file below a dangling symlink',
      [
        { name: 'out', type: 'symlink', linkname: '../evil' },
        { name: 'out/x', contents: 'x' },
      ],
      'is not a directory',
    ],
    ['a hard link out', [{ name: 'l', type: 'link', linkname: '../evil' }], 'leaves the archive'],
    [
      'a hard link to a symlink',
      [
        { name: 's', type: 'symlink', linkname: '/etc/passwd' },
        { name: 'l', type: 'link', linkname: 's' },
      ],
      "hard link 'l' is not to a file",
    ],
    ['a device', [{ name: 'dev', type: 'character-device', devmajor: 1, devminor: 3 }], 'is a character-device'],
    ['a pipe', [{ name: 'pipe', type: 'fifo' }], 'is a fifo'],
  ])('refuses %s', async (_, entries, message) => {
    await expect(unpack(await tar(entries))).rejects.toThrow(message);
    expect(existsSync(join(dir, 'evil'))).toBe(false);
  });

  it('writes an absolute name inside', async () => {
    const tree = await unpack(
      await tar([
        { name: '/etc/x', contents: '1' },
        { name: 'y', contents: '' },
      ]),
    );
    expect(readFileSync(join(tree, 'etc/x'), 'utf8')).toBe('1');
  });

  it('does not write through a symlink that a file replaces', async () => {
    const entries: Entry[] = [
      { name: 'f', type: 'symlink', linkname: '../evil' },
      { name: 'f', contents: 'x' },
      { name: 'g', contents: '' },
    ];
    const tree = await unpack(await tar(entries));
    expect(lstatSync(join(tree, 'f')).isFile()).toBe(true);
    expect(existsSync(join(dir, 'evil'))).toBe(false);
  });

  it('fails on damaged archives', async () => {
    const archive = gzipSync(await tar([{ name: 'file', contents: 'x'.repeat(100_000) }]));
    await expect(unpack(archive.subarray(0, 100))).rejects.toThrow();
    await expect(
      unpack(Buffer.from('no archive at all, but long enough to hold a header'.repeat(20))),
    ).rejects.toThrow();
  });

  describeWith(['xz'], 'xz', () => {
    it('is read', async () => {
      const archive = execFileSync('xz', ['-c'], { input: await tar([{ name: 'file', contents: 'text' }]) });
      expect(readFileSync(join(await unpack(archive), 'file'), 'utf8')).toBe('text');
      await expect(
        unpackTarball(Readable.from([archive.subarray(0, 40)], { objectMode: false }), join(dir, 'u')),
      ).rejects.toThrow();
    });
  });
});
