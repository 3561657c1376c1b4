import { lstatSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { FileStamp } from '../../eval/file-stamp.ts';
import { WarmFiles, type TreeFact } from './warm-files.ts';

const HOUR_MS = 3_600_000;

describe('WarmFiles', () => {
  let dir: string;
  let warm: WarmFiles;
  beforeEach(() => {
    dir = realpathSync(mkdtempSync(join(tmpdir(), 'tsnix-warm-')));
    warm = new WarmFiles();
  });
  afterEach(() => {
    rmSync(dir, { recursive: true });
  });

  function stampOf(ageMs: number): FileStamp {
    const time = Date.now() - ageMs;
    return { size: 1, mtimeMs: time, ctimeMs: time, ino: 1, dev: 1 };
  }
  /** Whether a folder that was listed is listed again. */
  function isListedAgain(first: FileStamp, second: FileStamp): boolean {
    let count = 0;
    const fresh = new WarmFiles();
    for (const stamp of [first, second]) {
      fresh.listing('/d', stamp, () => {
        count++;
        return [['a', 'regular']];
      });
    }
    return count === 2;
  }

  it('lists a folder again where its stamp is another, or was too young', () => {
    const old = stampOf(HOUR_MS);
    expect(isListedAgain(old, old)).toBe(false);
    expect(isListedAgain(old, { ...old, ino: 2 })).toBe(true);
    const young = stampOf(10);
    expect(isListedAgain(young, young)).toBe(true);
  });

  it('knows a tree while all in it is what it was, unless that was too young', () => {
    const file = join(dir, 'x');
    writeFileSync(file, '1');
    const facts: TreeFact[] = [
      { path: dir, type: 'directory', stamp: lstatSync(dir), detail: '' },
      { path: file, type: 'regular', stamp: lstatSync(file), detail: null },
    ];
    const archive = { hash: new Uint8Array(32), size: 1 };
    warm.keepTree(dir, archive, facts, Date.now());
    expect(warm.tree(dir)).toBeUndefined();
    warm.keepTree(dir, undefined, facts, Date.now() + HOUR_MS);
    expect(warm.tree(dir)).toBeUndefined();
    warm.keepTree(dir, archive, facts, Date.now() + HOUR_MS);
    expect(warm.tree(dir)?.archive).toBe(archive);
    writeFileSync(file, '22');
    expect(warm.tree(dir)).toBeUndefined();
    rmSync(file);
    expect(warm.tree(dir)).toBeUndefined();
  });
});
