// Hashes of copies that are kept, against every kind of change: what is found is what reading would give, or nothing.
import {
  appendFileSync,
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { hashNar, type NarHash } from '../../store/nar-dump.ts';
import { fromUtf8 } from '../../util/bytes.ts';
import { listingHash } from './listing.ts';
import { Pack } from './pack.ts';
import { TreePack } from './tree-pack.ts';

let dir: string;
let tree: string;
const HOUR_MS = 3_600_000;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'tsnix-tree-'));
  tree = join(dir, 'p/tree');
  mkdirSync(join(tree, 'd/e'), { recursive: true });
  mkdirSync(join(dir, 'p/.git'));
  writeFileSync(join(dir, 'p/default.nix'), '');
  for (const name of ['a', 'b', 'd/a', 'd/e/\xfc']) writeFileSync(join(tree, name), name);
  symlinkSync('a', join(tree, 'l'));
});
afterEach(() => {
  rmSync(dir, { recursive: true, force: true });
});

/** What is done with a pack by a process of its own. */
function withTrees<T>(use: (trees: TreePack) => T): T {
  const io = { readFile: () => '', stampFile: (path: string) => statSync(path) };
  const pack = new Pack({ dir: join(dir, 'cache/packs'), build: 'this', io });
  pack.look(join(dir, 'p/default.nix'), ''); // it is this file's project
  const result = use(new TreePack(pack));
  pack.close();
  return result;
}

/** @param sinceMs how long after its last change the tree is read */
function keep(path: string, sinceMs = HOUR_MS): NarHash {
  const hash = hashNar(path);
  withTrees((trees) => {
    trees.keep(path, hash, Date.now() + sinceMs);
  });
  return hash;
}

const find = (path: string): NarHash | undefined => withTrees((trees) => trees.find(path));

describe('TreePack', () => {
  it('finds what has not changed: folders, files, symlinks, empty folders', () => {
    const empty = join(tree, 'empty');
    mkdirSync(empty);
    for (const path of [tree, join(tree, 'a'), join(tree, 'l'), join(tree, 'd/e'), empty]) {
      const hash = keep(path);
      const found = find(path)!;
      expect(found.size).toBe(hash.size);
      expect(Buffer.from(found.hash)).toEqual(Buffer.from(hash.hash));
    }
    expect(find(join(tree, 'b'))).toBeUndefined();
  });

  it('knows what a tree has without looking into it again', () => {
    const stampOf = (path: string) => {
      const { size, mtimeMs, ctimeMs, ino, dev } = lstatSync(path);
      return { size, mtimeMs, ctimeMs, ino, dev };
    };
    for (const root of [tree, join(tree, 'a'), join(tree, 'l')]) {
      keep(root);
      const found = withTrees((trees) => trees.find(root))!.facts();
      const paths = [root, ...(root === tree ? readdirSync(tree, { recursive: true, encoding: 'utf8' }) : [])];
      expect(found.map(({ path }) => fromUtf8(path)).sort()).toEqual(paths.map((path) => resolve(tree, path)).sort());
      for (const { path, type, stamp, detail } of found) {
        const stat = lstatSync(fromUtf8(path));
        expect(stamp).toEqual(stampOf(fromUtf8(path)));
        if (stat.isSymbolicLink()) expect([type, detail]).toEqual(['symlink', readlinkSync(fromUtf8(path))]);
        else if (stat.isDirectory()) expect([type, detail]).toEqual(['directory', listingHash(path)]);
        else expect([type, detail]).toEqual(['regular', null]);
      }
    }
  });

  const times = (name: string): [number, number] => {
    const { atimeMs, mtimeMs } = statSync(join(tree, name));
    return [atimeMs / 1000, mtimeMs / 1000];
  };
  const changes: Record<string, () => void> = {
    'other contents of the same size': () => writeFileSync(join(tree, 'd/a'), 'xyz'),
    'other contents of the same size and with the old time': () => {
      const before = times('d/a');
      writeFileSync(join(tree, 'd/a'), 'xyz');
      utimesSync(join(tree, 'd/a'), ...before);
    },
    'more contents': () => appendFileSync(join(tree, 'd/e/\xfc'), 'more'),
    'the mode': () => chmodSync(join(tree, 'b'), 0o755),
    'the target of a symlink': () => {
      unlinkSync(join(tree, 'l'));
      symlinkSync('b', join(tree, 'l'));
    },
    'a file that is new': () => writeFileSync(join(tree, 'd/e/new'), ''),
    'a file that is new in a folder with the old time': () => {
      const before = times('d');
      writeFileSync(join(tree, 'd/new'), '');
      utimesSync(join(tree, 'd'), ...before);
    },
    'a folder that is new': () => mkdirSync(join(tree, 'new')),
    'a file that is gone': () => unlinkSync(join(tree, 'd/a')),
    'a folder that is gone': () => rmSync(join(tree, 'd'), { recursive: true }),
    'another name': () => renameSync(join(tree, 'b'), join(tree, 'c')),
    'names exchanged': () => {
      renameSync(join(tree, 'b'), join(tree, 'tmp'));
      renameSync(join(tree, 'a'), join(tree, 'b'));
      renameSync(join(tree, 'tmp'), join(tree, 'a'));
    },
    'a file that another one took the place of': () => {
      writeFileSync(join(dir, 'other'), 'xyz');
      utimesSync(join(dir, 'other'), ...times('d/a'));
      renameSync(join(dir, 'other'), join(tree, 'd/a'));
    },
    'a file that became a folder': () => {
      unlinkSync(join(tree, 'b'));
      mkdirSync(join(tree, 'b'));
    },
    'a folder that became a symlink to it': () => {
      renameSync(join(tree, 'd'), join(dir, 'd'));
      symlinkSync(join(dir, 'd'), join(tree, 'd'));
    },
    'the time alone': () => utimesSync(join(tree, 'b'), 1000, 1000),
    'a folder that is made again as it was': () => {
      rmSync(join(tree, 'd/e/\xfc'));
      rmdirSync(join(tree, 'd/e'));
      mkdirSync(join(tree, 'd/e'));
      writeFileSync(join(tree, 'd/e/\xfc'), 'd/e/\xfc');
    },
    'everything gone': () => rmSync(tree, { recursive: true }),
  };
  it.each(Object.entries(changes))('sees %s', async (_, change) => {
    keep(tree);
    expect(find(tree)).toBeDefined();
    await sleep(20); // clocks of file systems tick
    change();
    expect(find(tree)).toBeUndefined();
  });

  it('keeps nothing of what was changed shortly before it was read, or meanwhile', () => {
    keep(tree, 1000);
    expect(find(tree)).toBeUndefined();
    keep(tree, -1000);
    expect(find(tree)).toBeUndefined();
    utimesSync(join(tree, 'd/a'), new Date(), new Date(Date.now() + 2 * HOUR_MS)); // from the future
    keep(tree);
    expect(find(tree)).toBeUndefined();
    keep(join(tree, 'd/e'));
    expect(find(join(tree, 'd/e'))).toBeDefined();
  });

  it('has nothing before the code of a file was looked for', () => {
    keep(tree);
    const io = { readFile: () => '', stampFile: () => undefined };
    const pack = new Pack({ dir: join(dir, 'cache/packs'), build: 'this', io });
    const trees = new TreePack(pack);
    expect(trees.find(tree)).toBeUndefined();
    trees.keep(tree, hashNar(tree), Date.now() + HOUR_MS);
    pack.close();
  });
});
