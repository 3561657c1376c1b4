import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { resolveInStore } from './resolve-in-store.ts';

let dir: string;
const store = { storeDir: '/nix/store', realPath: (path: string) => `${dir}${path.slice('/nix/store'.length)}` };

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'tsnix-resolve-'));
  mkdirSync(join(dir, 'a/sub'), { recursive: true });
  writeFileSync(join(dir, 'a/file'), '');
  const links: readonly (readonly [string, string])[] = [
    ['a/relative', './sub/../file'],
    ['a/absolute', '/nix/store/a/sub'],
    ['a/through', '/nix/store/../store/a/absolute/../file'],
    ['a/out', '/etc/passwd'],
    ['a/dangling', 'nowhere'],
    ['a/round', 'round'],
    ['a/long', 'u'.repeat(2000)],
    ['a/longer', `/nix/store/${'u'.repeat(300)}`],
    ['a/below-file', 'file/x'],
    ['b', 'a'],
  ];
  for (const [name, target] of links) symlinkSync(target, join(dir, name));
});
afterAll(() => {
  rmSync(dir, { recursive: true, force: true });
});

describe('resolveInStore()', () => {
  it.each([
    ['a', 'a'],
    ['b/relative', 'a/file'],
    ['b/absolute', 'a/sub'],
    ['a/through', 'a/file'],
    ['a/out', undefined],
    ['a/dangling', undefined],
    ['a/round', undefined],
    ['a/long', undefined],
    ['a/longer', undefined],
    ['a/below-file', undefined],
    ['..', undefined],
  ])('%s leads to %s', (path, expected) => {
    expect(resolveInStore(store, `/nix/store/${path}`)).toBe(expected && `/nix/store/${expected}`);
  });

  it('sees nothing where nothing is visible', () => {
    expect(resolveInStore(store, '/nix/store/b', (path) => !path.endsWith('/a'))).toBeUndefined();
  });
});
