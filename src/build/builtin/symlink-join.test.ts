import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { StorePath, SyncStore } from '../../store/store.ts';
import type { BuiltinJob } from '../builtin-builder.ts';
import { symlinkJoin } from './symlink-join.ts';

const HASH = '0123456789abcdfghijklmnpqrsvwxyz';

let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'symlink-join-'));
});
afterEach(() => {
  rmSync(root, { recursive: true });
});

/** Joins store paths given as files: text, or the target of a symlink after `->`. */
async function joined(...packages: Readonly<Record<string, string>>[]): Promise<{ tree: string[]; log: string[] }> {
  const storeDir = '/nix/store';
  const paths = packages.map((_, i) => `${storeDir}/${HASH}-p${i}` as StorePath);
  packages.forEach((files, i) => {
    mkdirSync(`${root}${paths[i]!}`, { recursive: true });
    for (const [name, contents] of Object.entries(files)) {
      const at = `${root}${paths[i]!}/${name}`;
      mkdirSync(dirname(at), { recursive: true });
      if (contents.startsWith('->')) symlinkSync(contents.slice(2), at);
      else writeFileSync(at, contents);
    }
  });
  const log: string[] = [];
  const job = {
    env: new Map([['paths', paths.join(' ')]]),
    outputs: new Map([['out', `${root}/out`]]),
    store: { storeDir, realPath: (path: string) => root + path, closure: () => paths } as unknown as SyncStore,
    log: (line: string) => log.push(line),
  } as unknown as BuiltinJob;
  await symlinkJoin(job);
  const show = (dir: string): string[] =>
    readdirSync(`${root}/out/${dir}`, { withFileTypes: true }).flatMap((entry) => {
      const path = `${dir}${entry.name}`;
      return entry.isDirectory()
        ? [`${path}/`, ...show(`${path}/`)]
        : [`${path} -> ${readlinkSync(`${root}/out/${path}`).replace(`${storeDir}/${HASH}-`, '')}`];
    });
  return { tree: show('').sort(), log };
}

describe('symlinkJoin()', () => {
  it('merges directories and links files', async () => {
    expect((await joined({ 'bin/a': 'x' }, { 'bin/b': 'x', 'lib/c': 'x' })).tree).toEqual([
      'bin/',
      'bin/a -> p0/bin/a',
      'bin/b -> p1/bin/b',
      'lib/',
      'lib/c -> p1/lib/c',
    ]);
  });
  it('the first of a name wins, and the log says so', async () => {
    const { tree, log } = await joined({ a: 'x', d: 'file' }, { a: 'y', 'd/e': 'z' });
    expect(tree).toEqual(['a -> p0/a', 'd -> p0/d']);
    expect(log).toEqual([
      `not linked, there is an earlier file of this name: /nix/store/${HASH}-p1/a`,
      `not merged, there is an earlier file of this name: /nix/store/${HASH}-p1/d`,
    ]);
  });
  it('copies symlinks to files, and those that lead nowhere or out', async () => {
    expect(
      (await joined({ 'lib/x.so': '->x.so.1', 'lib/x.so.1': 'x', gone: '->nowhere', etc: '->/etc' })).tree,
    ).toEqual(['etc -> /etc', 'gone -> nowhere', 'lib/', 'lib/x.so -> x.so.1', 'lib/x.so.1 -> p0/lib/x.so.1']);
  });
  it('enters symlinks to directories, but not those that lead back', async () => {
    const { tree } = await joined({ lib64: '->lib', 'lib/x': 'x', 'lib/again': '->.' }, { 'lib64/y': 'y' });
    expect(tree).toEqual([
      'lib/',
      'lib/again -> .',
      'lib/x -> p0/lib/x',
      'lib64/',
      'lib64/again -> .',
      'lib64/x -> p0/lib64/x',
      'lib64/y -> p1/lib64/y',
    ]);
  });
  it('makes an empty directory of nothing', async () => {
    expect((await joined()).tree).toEqual([]);
    expect(existsSync(`${root}/out`)).toBe(true);
  });
});
