import { execFileSync } from 'node:child_process';
import { chmodSync, linkSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { describeWith } from '../../test/support/requirements.ts';
import { fsPath, utf8 } from '../util/bytes.ts';
import { encodeTarHeader, tarHeaderBytes } from './gnu-tar.ts';
import type { TarHeader } from './gnu-tar.ts';
import { readTree } from './read-tree.ts';
import { packTar } from './tar-packer.ts';
import { ROOT_OWNER, treeMembers } from './tree.ts';
import type { PackOptions } from './tree.ts';

const HEADER: TarHeader = {
  name: 'a',
  type: 'file',
  mode: 0o644,
  uid: 0,
  gid: 0,
  uname: 'root',
  gname: 'root',
  size: 0,
  mtime: 1,
  linkName: '',
};

describe('encodeTarHeader()', () => {
  it('gives as many bytes as tarHeaderBytes() says', () => {
    for (const length of [1, 99, 100, 101, 511, 512, 513, 3000]) {
      const header = { ...HEADER, name: 'n'.repeat(length), linkName: 'l'.repeat(length) };
      expect(encodeTarHeader(header).length).toBe(tarHeaderBytes(header));
    }
  });
  it('refuses a NUL in a name', () => {
    expect(() => encodeTarHeader({ ...HEADER, name: 'a\0b' })).toThrow('NUL');
  });
});

describeWith(['tar'], 'packTar() against GNU tar', () => {
  let root: string;
  const tar = (...args: string[]): Buffer =>
    execFileSync('tar', args, { env: { PATH: process.env['PATH'] }, maxBuffer: 2 ** 28 });
  const pack = (options: PackOptions): Buffer => Buffer.concat([...packTar(treeMembers(readTree(root), options))]);

  beforeAll(() => {
    root = mkdtempSync(join(tmpdir(), 'gnu-tar-'));
    const file = (name: string, contents: string): void => {
      writeFileSync(fsPath(`${root}/${name}`), contents, 'latin1');
    };
    const deep = 'directory-with-a-long-name-'.repeat(5);
    for (const dir of ['sub', 'sub/empty', 'a', deep, `${deep}/${deep}`]) mkdirSync(`${root}/${dir}`);
    chmodSync(`${root}/sub/empty`, 0o1777);
    file('empty', '');
    file('a.b', 'dot sorts before slash');
    file('a/x', 'x'.repeat(512));
    file('a-b', 'y'.repeat(513));
    file('with space', 'z'.repeat(511));
    file(utf8('naïve ☃'), 'snow');
    file('bytes-\xff\xfe', 'not UTF-8');
    for (const name of ['*', '[a]', '?', '\\', '"', "'", '-n', 'new\nline', 'x\\x2dy', '$HOME']) file(name, name);
    file('n'.repeat(98), '100 with ./');
    file('m'.repeat(99), '101 with ./');
    file('l'.repeat(255), 'longest name');
    file(`${deep}/${deep}/${'f'.repeat(250)}`, 'deep');
    file('big', 'block '.repeat(120_000));
    chmodSync(`${root}/big`, 0o4755);
    chmodSync(`${root}/a/x`, 0o2640);
    symlinkSync('nowhere', `${root}/dangling`);
    symlinkSync('./big', `${root}/dot-link`);
    symlinkSync(`/${'t'.repeat(99)}`, `${root}/link100`);
    symlinkSync(`/${'t'.repeat(100)}`, `${root}/link101`);
    symlinkSync('u'.repeat(4000), `${root}/${'k'.repeat(200)}`);
    linkSync(`${root}/big`, `${root}/sub/same-as-big`);
    linkSync(`${root}/${'l'.repeat(255)}`, `${root}/z-same`);
  });
  afterAll(() => {
    rmSync(root, { recursive: true });
  });

  it('gives the same bytes with --hard-dereference and owner root', () => {
    const theirs = tar(
      '-C',
      root,
      '--hard-dereference',
      '--sort=name',
      '--mtime=@1',
      '--owner=0',
      '--group=0',
      '-c',
      '.',
    );
    expect(pack({ mtime: 1, owner: ROOT_OWNER, prefix: './' }).equals(theirs)).toBe(true);
  });

  it('gives the same bytes with hard links, another owner and names without ./', () => {
    const options = ['--sort=name', '--mtime=@1234567890', '--owner=app:4000000', '--group=grp:70000'];
    // `S` leaves the targets of symlinks alone; the original's expression has no flag and rewrites them.
    const theirs = tar('--transform=s|^\\./||S', '-C', root, ...options, '-c', '.');
    const owner = { uid: 4_000_000, gid: 70_000, uname: 'app', gname: 'grp' };
    const ours = pack({ mtime: 1_234_567_890, owner, prefix: '', keepHardLinks: true });
    expect(ours.equals(theirs)).toBe(true);
  });

  it('pads to whole records at every length', () => {
    const dir = mkdtempSync(join(tmpdir(), 'gnu-tar-'));
    try {
      for (let blocks = 14; blocks < 20; blocks++) {
        writeFileSync(join(dir, 'f'), 'f'.repeat(blocks * 512));
        const theirs = tar('-C', dir, '--sort=name', '--mtime=@1', '--owner=0', '--group=0', '-c', '.');
        const ours = Buffer.concat([
          ...packTar(treeMembers(readTree(dir), { mtime: 1, owner: ROOT_OWNER, prefix: './' })),
        ]);
        expect(ours.equals(theirs)).toBe(true);
      }
      expect(readdirSync(dir)).toEqual(['f']);
    } finally {
      rmSync(dir, { recursive: true });
    }
  });
});
