import { mkdirSync, mkdtempSync, realpathSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FolderWatch } from './folder-watch.ts';

const LONG_MS = 20_000;

describe('FolderWatch', () => {
  let dir: string;
  let folders: FolderWatch;
  beforeEach(() => {
    dir = realpathSync(mkdtempSync(join(tmpdir(), 'tsnix-folders-')));
    mkdirSync(join(dir, 'a'));
    folders = new FolderWatch();
    folders.follow(new Set([join(dir, 'a'), join(dir, 'nothing')]));
  });
  afterEach(() => {
    folders.close();
    rmSync(dir, { recursive: true });
  });

  /** What is touched until `path` is. */
  async function touchedUntil(path: string): Promise<string[]> {
    const all: string[] = [];
    while (!all.includes(path)) {
      const touched = await folders.wait(LONG_MS);
      if (touched.length === 0) throw new Error(`${path} was not touched`);
      all.push(...touched);
    }
    return all;
  }

  it('says which files were made, written, renamed and removed', async () => {
    const file = join(dir, 'a/x');
    for (const edit of [
      () => writeFileSync(file, '1'),
      () => writeFileSync(file, '2'),
      () => renameSync(file, join(dir, 'a/y')),
    ]) {
      edit();
      await touchedUntil(file);
    }
    rmSync(join(dir, 'a/y'));
    await touchedUntil(join(dir, 'a/y'));
  });

  it('says in time that nothing happened', async () => {
    writeFileSync(join(dir, 'other'), '');
    expect(await folders.wait(50)).toEqual([]);
  });

  it('follows a folder that takes the place of another', async () => {
    mkdirSync(join(dir, 'b'));
    renameSync(join(dir, 'a'), join(dir, 'old'));
    renameSync(join(dir, 'b'), join(dir, 'a'));
    await touchedUntil(join(dir, 'a'));
    folders.follow(new Set([join(dir, 'a')]));
    writeFileSync(join(dir, 'a/x'), '');
    await touchedUntil(join(dir, 'a/x'));
  });

  it('leaves off where nobody asks any more', async () => {
    folders.follow(new Set());
    writeFileSync(join(dir, 'a/x'), '');
    expect(await folders.wait(50)).toEqual([]);
  });
});
