// What is remembered of caches, with a clock that is wrong for a while.
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { NarInfoDiskCache } from './disk-cache.ts';

const dir = mkdtempSync(join(tmpdir(), 'tsnix-disk-cache-'));
afterAll(() => {
  rmSync(dir, { recursive: true });
});

const day = 24 * 3600;
const now = 1_700_000_000;
let file = 0;

/** What a run at `later` still knows of what a run at `earlier` was told. */
function remembered(earlier: number, later: number): unknown {
  const name = join(dir, `${String(file++)}.sqlite`);
  const times = { positive: 30 * day, negative: 3600, meta: 7 * day };
  const first = new NarInfoDiskCache(name, times, () => earlier);
  const id = first.rememberCache('http://cache', 'StoreDir: /nix/store')!;
  first.rememberNarInfo(id, 'has', 'text');
  first.rememberNarInfo(id, 'hasnot', null);
  first.rememberUnreachable('http://gone', 60);
  first.close();
  const second = new NarInfoDiskCache(name, times, () => later);
  try {
    return {
      info: second.cache('http://cache')?.info,
      has: second.narInfo(id, 'has'),
      hasNot: second.narInfo(id, 'hasnot'),
      unreachable: second.isUnreachable('http://gone'),
    };
  } finally {
    second.close();
  }
}

const nothing = { info: undefined, has: undefined, hasNot: undefined, unreachable: false };
const all = { info: 'StoreDir: /nix/store', has: 'text', hasNot: null, unreachable: true };

it.each([
  ['at the same second', now, now, all],
  ['a moment later', now, now + 10, all],
  ['an hour later', now, now + 3600, { ...all, hasNot: undefined, unreachable: false }],
  ['two months later', now, now + 60 * day, nothing],
  // The clock was ten years ahead: "it has not got it" must not hold for ten years.
  ['after a clock that was ahead', now + 3650 * day, now, nothing],
  ['after a clock that was a minute ahead', now + 60, now, { ...nothing, unreachable: true }],
])('%s', (_, earlier, later, expected) => {
  expect(remembered(earlier, later)).toEqual(expected);
});

it('is for its owner alone: URLs may hold passwords', () => {
  for (const name of readdirSync(dir)) expect(statSync(join(dir, name)).mode & 0o777).toBe(0o600);
});
