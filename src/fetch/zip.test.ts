import { execFileSync, spawnSync } from 'node:child_process';
import {
  createReadStream,
  existsSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { describeWith } from '../../test/support/requirements.ts';
import { unpackTarball } from './tarball.ts';

/** [name, contents, Unix mode] */
type Entry = readonly [name: string, contents: string, mode: number];

/** Python writes whatever name it is given. */
const WRITE = `
import json, sys, zipfile
entries = json.loads(sys.argv[2])
with zipfile.ZipFile(sys.argv[1], "w", getattr(zipfile, sys.argv[3])) as z:
    for name, contents, mode in entries:
        info = zipfile.ZipInfo(name, (2001, 2, 3, 4, 5, 6))
        info.create_system = 3
        info.external_attr = mode << 16
        info.compress_type = getattr(zipfile, sys.argv[3])
        z.writestr(info, contents)
`;

describeWith(['python3'], 'unpackZip()', () => {
  let dir: string;
  let count = 0;
  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), 'tsnix-zip-'));
  });
  afterAll(() => {
    spawnSync('chmod', ['-R', 'u+w', dir]);
    rmSync(dir, { recursive: true, force: true });
  });

  function zip(entries: readonly Entry[], method: 'ZIP_STORED' | 'ZIP_DEFLATED' = 'ZIP_DEFLATED'): string {
    const file = join(dir, `${count++}.zip`);
    execFileSync('python3', ['-c', WRITE, file, JSON.stringify(entries), method]);
    return file;
  }
  const unpack = (file: string): ReturnType<typeof unpackTarball> =>
    unpackTarball(createReadStream(file), join(dir, `tree${count++}`));

  const tree: readonly Entry[] = [
    ['top/', '', 0o40755],
    ['top/run', '#!/bin/sh\n', 0o100755],
    ['top/deep/file', 'y'.repeat(100_000), 0o100644],
    ['top/deep/größe', '', 0o100600],
    ['top/link', 'deep/file', 0o120777],
  ];

  it.each(['ZIP_STORED', 'ZIP_DEFLATED'] as const)('makes files, programs, links and folders: %s', async (method) => {
    const { path, lastModified } = await unpack(zip(tree, method));
    expect(path).toMatch(/\/top$/);
    expect(readdirSync(path).sort()).toEqual(['deep', 'link', 'run']);
    expect(readdirSync(join(path, 'deep'))).toEqual(['file', 'größe']);
    expect(lstatSync(join(path, 'run')).mode & 0o111).toBe(0o111);
    expect(lstatSync(join(path, 'deep/file')).mode & 0o111).toBe(0);
    expect(readlinkSync(join(path, 'link'))).toBe('deep/file');
    expect(readFileSync(join(path, 'deep/file'), 'utf8')).toBe('y'.repeat(100_000));
    expect(new Date(lastModified * 1000).getFullYear()).toBe(2001);
    expect(readdirSync(dir).filter((name) => name.startsWith('tree') && name.endsWith('.zip'))).toEqual([]);
  });

  it.each<[string, Entry[], string]>([
    ['a name with ..', [['../evil', 'x', 0o100644]], 'leaves the archive'],
    [
      'a file below a symlink',
      [
        ['out', '..', 0o120777],
        ['out/evil', 'x', 0o100644],
      ],
      'is not a directory',
    ],
    ['a link that is no path', [['l', 'x'.repeat(5000), 0o120777]], 'is a symlink to too long a path'],
  ])('refuses %s', async (_, entries, message) => {
    await expect(unpack(zip(entries))).rejects.toThrow(message);
    expect(existsSync(join(dir, 'evil'))).toBe(false);
  });

  it('fails on damaged archives', async () => {
    const short = zip(tree);
    truncateSync(short, 150);
    await expect(unpack(short)).rejects.toThrow();
    const wrong = zip([['f', 'abcdefgh', 0o100644]], 'ZIP_STORED');
    const bytes = readFileSync(wrong);
    bytes[bytes.indexOf('abcd')] = 0x41;
    writeFileSync(wrong, bytes);
    await expect(unpack(wrong)).rejects.toThrow("'f' is damaged");
  });

  describeWith(['nix-instantiate'], 'fetchTarball', () => {
    // The name of a store path is a hash of all that is in it. (2.8 refuses names that are not ASCII.)
    it('has the store path that nix-instantiate 2.8 has', () => {
      const expression = `"\${builtins.fetchTarball { url = "file://${zip(tree.filter(([name]) => !name.includes('ö')))}"; }}"`;
      const [nix, here] = [
        ['nix-instantiate'],
        [resolve(import.meta.dirname, '../../bin/tsnix'), 'nix-instantiate'],
      ].map(([program, ...args], i) => {
        const { stdout, stderr } = spawnSync(
          program!,
          [...args, '--eval', '--read-write-mode', '--store', `local?root=${dir}/root${i}`, '-E', expression],
          { encoding: 'utf8', env: { PATH: process.env['PATH'], HOME: dir, NIX_CONF_DIR: dir } },
        );
        return stdout === '' ? stderr : stdout;
      });
      expect(here).toBe(nix);
      expect(here).toMatch(/^"\/nix\/store\/\w{32}-source"\n$/);
    });
  });
});

describe('what is no zip archive', () => {
  it('is a tarball, or nothing', async () => {
    const file = join(mkdtempSync(join(tmpdir(), 'tsnix-zip-')), 'file');
    writeFileSync(file, 'PK\x05\x06 something else, long enough for a header'.repeat(20));
    await expect(unpackTarball(createReadStream(file), `${file}.tree`)).rejects.toThrow();
    rmSync(join(file, '..'), { recursive: true });
  });
});
