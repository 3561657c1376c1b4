import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { describeWith, seedDir } from '../../test/support/requirements.ts';
import { fsPath } from '../util/bytes.ts';
import type { TarHeader } from './gnu-tar.ts';
import { readTree } from './read-tree.ts';
import { packTar } from './tar-packer.ts';
import type { TarMember } from './tar-packer.ts';
import { TarSum } from './tarsum.ts';
import { ROOT_OWNER, treeMembers } from './tree.ts';

const GO_SOURCES = '/usr/share/gocode/src/github.com/docker/docker/pkg/tarsum';

function sumOf(members: Iterable<TarMember>): { sum: string; archive: Buffer } {
  const tarsum = new TarSum();
  const archive = Buffer.concat([...packTar(members, tarsum)]);
  return { sum: tarsum.digest(), archive };
}

function member(name: string, extra: Partial<TarHeader> = {}, contents = ''): TarMember {
  const header: TarHeader = {
    name,
    type: 'file',
    mode: 0o644,
    uid: 0,
    gid: 0,
    uname: 'root',
    gname: 'root',
    size: contents.length,
    mtime: 1,
    linkName: '',
    ...extra,
  };
  return { header, contents: { kind: 'bytes', bytes: Buffer.from(contents) } };
}

describe('TarSum', () => {
  it('sums nothing to the hash of nothing', () => {
    expect(sumOf([]).sum).toBe('tarsum.v1+sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
  });
  it('depends neither on order nor on times nor on names of owners', () => {
    const one = sumOf([member('a', {}, 'x'), member('b')]).sum;
    expect(sumOf([member('b', { mtime: 77 }), member('a', { uname: 'x', gname: 'y' }, 'x')]).sum).toBe(one);
    expect(sumOf([member('a', { mode: 0o600 }, 'x'), member('b')]).sum).not.toBe(one);
  });
});

describeWith(['go', GO_SOURCES, 'seed'], 'TarSum against the original program', () => {
  let dir: string;
  const theirs = (archive: Buffer): string => execFileSync(join(dir, 'tarsum'), { input: archive }).toString().trim();

  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), 'tarsum-'));
    copyFileSync(join(seedDir, 'tarsum.go'), join(dir, 'tarsum.go'));
    execFileSync('go', ['build', '-o', join(dir, 'tarsum'), join(dir, 'tarsum.go')], {
      env: { PATH: process.env['PATH'], GO111MODULE: 'off', GOPATH: '/usr/share/gocode', GOCACHE: join(dir, 'cache') },
    });
  }, 120_000);
  afterAll(() => {
    rmSync(dir, { recursive: true });
  });

  it('agrees on odd members', () => {
    const members = [
      member('./', { type: 'directory', mode: 0o775 }),
      member('./a', {}, 'contents'),
      member('./a', {}, 'again'),
      member('n'.repeat(101), {}, 'long name'),
      member(`${'d'.repeat(300)}/`, { type: 'directory', mode: 0o1777 }),
      member('caf\xc3\xa9', { uid: 3_000_000, gid: 5, uname: 'app', gname: 'app' }, 'x'.repeat(100_000)),
      member('ln', { type: 'symlink', mode: 0o777, linkName: 't'.repeat(150) }),
      member('hard', { type: 'link', linkName: './a' }),
      member('null', { type: 'char', mode: 0o666, deviceMajor: 1, deviceMinor: 3 }),
      member('loop', { type: 'block', deviceMajor: 7, deviceMinor: 0 }),
      member('pipe', { type: 'fifo' }),
      member('empty'),
    ];
    const { sum, archive } = sumOf(members);
    expect(sum).toBe(theirs(archive));
  });

  it('agrees on a tree and on an empty archive', () => {
    const tree = join(dir, 'tree');
    mkdirSync(join(tree, 'a/b'), { recursive: true });
    for (let i = 0; i < 100; i++) writeFileSync(join(tree, `a/${i}`), `${i}`.repeat(i * 7));
    writeFileSync(fsPath(`${tree}/a/\xff\n`), 'odd');
    symlinkSync('../x', join(tree, 'a/b/link'));
    const { sum, archive } = sumOf(treeMembers(readTree(tree), { mtime: 1, owner: ROOT_OWNER, prefix: './' }));
    expect(sum).toBe(theirs(archive));
    const nothing = sumOf([]);
    expect(nothing.sum).toBe(theirs(nothing.archive));
  });
});
