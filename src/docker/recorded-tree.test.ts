import { execFileSync } from 'node:child_process';
import { chmodSync, linkSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { describeWith } from '../../test/support/requirements.ts';
import { fsPath } from '../util/bytes.ts';
import { readRecordedTree, writeRecordedTree } from './recorded-tree.ts';
import { readTree } from './read-tree.ts';
import { packTar } from './tar-packer.ts';
import { treeMembers } from './tree.ts';
import type { DirectoryNode } from './tree.ts';

const STEPS = resolve(import.meta.dirname, '../../lib/docker/steps.sh');

let dir: string;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'recorded-tree-'));
});
afterEach(() => {
  execFileSync('chmod', ['-R', 'u+rwX', dir]);
  rmSync(dir, { recursive: true });
});

function pack(tree: DirectoryNode): Buffer {
  return Buffer.concat([...packTar(treeMembers(tree, { mtime: 1, prefix: '', keepHardLinks: true }))]);
}

function makeTree(): string {
  const root = join(dir, 'layer');
  mkdirSync(join(root, 'd/sub'), { recursive: true });
  writeFileSync(join(root, 'd/file'), 'contents');
  writeFileSync(fsPath(`${root}/odd \xff\n'name`), 'odd');
  chmodSync(join(root, 'd/file'), 0o4711);
  chmodSync(join(root, 'd/sub'), 0o1777);
  chmodSync(join(root, 'd'), 0o700);
  linkSync(join(root, 'd/file'), join(root, 'linked'));
  symlinkSync('../nowhere', join(root, 'd/symlink'));
  chmodSync(root, 0o2770);
  return root;
}

function shell(script: string): void {
  execFileSync('bash', ['-eu', '-o', 'pipefail', '-c', `source "$1"; cd "$2"; ${script}`, 'bash', STEPS, dir], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}

describe('writeRecordedTree()', () => {
  it('is read back by readRecordedTree()', async () => {
    const tree = readTree(makeTree());
    tree.entries.set('null', { type: 'char', mode: 0o666, uid: 3, gid: 4, deviceMajor: 1, deviceMinor: 300 });
    tree.entries.set('pipe', { type: 'fifo', mode: 0o600, uid: 0, gid: 0, deviceMajor: 0, deviceMinor: 0 });
    await writeRecordedTree(tree, join(dir, 'recorded'));
    expect(pack(readRecordedTree(join(dir, 'recorded'))).equals(pack(tree))).toBe(true);
  });
});

describe('readRecordedTree()', () => {
  const record = (members: string): string => {
    const recorded = join(dir, 'r');
    mkdirSync(join(recorded, 'tree'), { recursive: true });
    writeFileSync(join(recorded, 'members'), members);
    return recorded;
  };
  it.each([
    ['nonsense\0', 'cannot understand the record'],
    ['', 'no record'],
    ['41ed 0 0 1:2 2 0:0 .\x0021b6 0 0 1:3 1 1:3 ./../null\0', 'leads out'],
    ['41ed 0 0 1:2 2 0:0 .\x0021b6 0 0 1:3 1 1:3 ./none/null\0', 'no directory for'],
  ])('refuses %j', (members, message) => {
    expect(() => readRecordedTree(record(members))).toThrow(message);
  });
  it('follows no symlink', () => {
    const recorded = record('41ed 0 0 1:2 2 0:0 .\x00a1ff 0 0 1:3 1 0:0 ./etc\x0081a4 0 0 1:4 1 0:0 ./etc/passwd\0');
    symlinkSync('/etc', join(recorded, 'tree/etc'));
    expect([...readRecordedTree(recorded).entries]).toMatchObject([['etc', { type: 'symlink', target: '/etc' }]]);
  });
});

describeWith(['bash', 'find', 'xargs', 'stat'], 'recordTree and restoreTree of steps.sh', () => {
  it('record what readTree() reads', () => {
    const tree = readTree(makeTree());
    const packed = pack(tree);
    shell('mkfifo layer/pipe; recordTree layer recorded');
    const recorded = readRecordedTree(join(dir, 'recorded'));
    expect(recorded.entries.get('pipe')?.type).toBe('fifo');
    recorded.entries.delete('pipe');
    expect(pack(recorded).equals(packed)).toBe(true);
  });
  it('restore what writeRecordedTree() wrote', async () => {
    const tree = readTree(makeTree());
    tree.entries.set('pipe', {
      type: 'fifo',
      mode: 0o640,
      uid: tree.uid,
      gid: tree.gid,
      deviceMajor: 0,
      deviceMinor: 0,
    });
    await writeRecordedTree(tree, join(dir, 'recorded'));
    shell('restoreTree "$2/recorded" again; rm again/pipe');
    tree.entries.delete('pipe');
    const again = readTree(join(dir, 'again'));
    expect(pack({ ...again, mode: tree.mode }).equals(pack(tree))).toBe(true);
    expect(readFileSync(join(dir, 'again/linked'), 'utf8')).toBe('contents');
  });
});
