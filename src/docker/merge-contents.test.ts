import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  lutimesSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { describeWith } from '../../test/support/requirements.ts';
import type { StorePath, SyncStore } from '../store/store.ts';
import { mergeContents } from './merge-contents.ts';
import { StoreView } from './store-view.ts';
import { readTree } from './read-tree.ts';
import { packTar } from './tar-packer.ts';
import { ROOT_OWNER, treeMembers } from './tree.ts';
import type { DirectoryNode } from './tree.ts';

/** Files of store paths: text, `{link}` or null for an empty directory. */
type Files = Readonly<Record<string, string | { link: string } | null>>;

let dir: string;

/** A store directory under `dir/nix/store` with canonical modes and times. */
function makeStore(paths: Readonly<Record<string, Files>>): { storeDir: string; view: StoreView } {
  const storeDir = join(mkdtempSync(join(dir, 's-')), 'store');
  for (const [name, files] of Object.entries(paths)) {
    mkdirSync(join(storeDir, name), { recursive: true });
    for (const [path, contents] of Object.entries(files)) {
      const at = join(storeDir, name, path);
      mkdirSync(dirname(at), { recursive: true });
      if (contents === null) mkdirSync(at, { recursive: true });
      else if (typeof contents === 'string') {
        writeFileSync(at, contents);
        chmodSync(at, contents.startsWith('#!') ? 0o555 : 0o444);
      } else symlinkSync(contents.link.replace('STORE', storeDir), at);
    }
  }
  const settle = (path: string): void => {
    for (const entry of readdirSync(path, { withFileTypes: true })) {
      const at = join(path, entry.name);
      if (entry.isDirectory()) {
        settle(at);
        chmodSync(at, 0o555);
      }
      lutimesSync(at, 1, 1);
    }
  };
  settle(storeDir);
  const store = { storeDir, realPath: (path: string) => path } as unknown as SyncStore;
  const visible = readdirSync(storeDir).map((name) => join(storeDir, name) as StorePath);
  return { storeDir, view: new StoreView(store, visible) };
}

function pack(tree: DirectoryNode): Buffer {
  return Buffer.concat([...packTar(treeMembers(tree, { mtime: 1, owner: ROOT_OWNER, prefix: './' }))]);
}

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'merge-contents-'));
});
afterAll(() => {
  execFileSync('chmod', ['-R', 'u+w', dir]);
  rmSync(dir, { recursive: true });
});

const CASES: Readonly<
  Record<string, { paths: Readonly<Record<string, Files>>; fails?: boolean; failsKept?: boolean }>
> = {
  'one item': { paths: { a: { 'bin/sh': '#!sh', 'etc/x': 'text', 'etc/empty': '', 'var/empty': null } } },
  'files of different size: the later': { paths: { a: { 'etc/x': 'one' }, b: { 'etc/x': 'three' } } },
  'files of one size: the earlier, with the mode of the later': {
    paths: { a: { 'etc/x': 'one', 'etc/y': '#!a' }, b: { 'etc/x': '#!2', 'etc/y': 'two' } },
  },
  'links: the later': {
    paths: {
      a: { l: { link: 'x' }, m: 'file', n: { link: 'x' } },
      b: { l: { link: 'y' }, m: { link: 'z' }, n: 'file' },
    },
  },
  'a directory over a file or link': {
    paths: { a: { d: 'file', e: { link: 'nowhere' } }, b: { 'd/x': 'x', 'e/y': 'y' } },
  },
  'a file over an empty directory': { paths: { a: { d: null }, b: { d: 'file' } } },
  'a file over a directory': { paths: { a: { 'd/x': 'x' }, b: { d: 'file' } }, fails: true, failsKept: true },
  'links to directories inside': { paths: { a: { 'lib/x': 'x', lib64: { link: 'lib' } }, b: { 'lib64/y': 'y' } } },
  'links to directories of other items': {
    paths: { a: { share: { link: 'STORE/b/share' }, dangling: { link: 'STORE/none' } }, b: { 'share/doc/x': 'x' } },
    failsKept: true,
  },
  'links to links to directories': {
    paths: { a: { 'd/x': 'x', one: { link: 'two' }, two: { link: './d/' }, three: { link: 'd/x' } } },
  },
};

describeWith(['rsync'], 'mergeContents() against rsync', () => {
  for (const keepDirlinks of [false, true]) {
    describe(keepDirlinks ? '-aK' : '-ak', () => {
      for (const [title, { paths, fails, failsKept }] of Object.entries(CASES)) {
        it(title, () => {
          const { storeDir, view } = makeStore(paths);
          const items = Object.keys(paths).map((name) => join(storeDir, name));
          if ((keepDirlinks ? failsKept : fails) === true) {
            expect(() => mergeContents(view, items, { keepDirlinks })).toThrow(/cannot (put|add)/);
            return;
          }
          const layer = mkdtempSync(join(dir, 'layer-'));
          for (const item of items) {
            execFileSync('rsync', [keepDirlinks ? '-aK' : '-ak', '--chown=0:0', `${item}/`, `${layer}/`]);
          }
          // The test's store directory itself has other permissions than a layer's root.
          const theirs = { ...readTree(layer), mode: 0o775 };
          expect(pack(mergeContents(view, items, { keepDirlinks })).equals(pack(theirs))).toBe(true);
        });
      }
    });
  }
});

describe('mergeContents()', () => {
  it('refuses an item that is a file', () => {
    const { storeDir, view } = makeStore({ a: { file: 'x' } });
    expect(() => mergeContents(view, [join(storeDir, 'a/file')], { keepDirlinks: false })).toThrow('not a directory');
  });
  it('refuses symlinks that lead round', () => {
    const { storeDir, view } = makeStore({ a: { x: 'x', again: { link: '.' } } });
    expect(() => mergeContents(view, [join(storeDir, 'a')], { keepDirlinks: false })).toThrow('nested too deeply');
  });
  it('follows no link out of the closure', () => {
    const { storeDir, view } = makeStore({ a: { etc: { link: '/etc' }, up: { link: '../../..' } } });
    const { entries } = mergeContents(view, [join(storeDir, 'a')], { keepDirlinks: false });
    expect([...entries.values()].map(({ type }) => type)).toEqual(['symlink', 'symlink']);
  });
});
