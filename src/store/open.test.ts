import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { openStore } from './open.ts';
import { LocalStore } from './local-store.ts';
import type { StorePath } from './store.ts';

it('parameters of ssh-ng://localhost are words, no shell text', () => {
  const dir = mkdtempSync(join(tmpdir(), 'tsnix-open-'));
  try {
    const made = join(dir, 'made');
    // Reads what it is told, says nothing, and ends.
    const store = openStore(`ssh-ng://localhost?remote-program=true&remote-store=x%3Btouch%20${made}`, {});
    const path = '/nix/store/x0sj6ynccvc1a8kxr8fifnlf7qlxw6hd-x' as StorePath;
    expect(() => store.isValidPath(path)).toThrow('cannot open connection to remote store');
    expect(existsSync(made)).toBe(false);
  } finally {
    rmSync(dir, { recursive: true });
  }
});

it('the URI of a store that was named by its folder means the same store to who opens it again', () => {
  const places = (uri: string): unknown[] => {
    const store = openStore(uri, {});
    if (!(store instanceof LocalStore)) throw new Error(`no local store: ${uri}`);
    return [store.realStoreDir, store.stateDir, store.readOnly];
  };
  const uri = '/r?real=/elsewhere&read-only=true';
  expect(places(openStore(uri, {}).uri)).toEqual(places(uri));
  expect(places(uri)).toEqual(['/elsewhere', '/r/nix/var/nix', true]);
  expect(openStore('/r', {}).uri).toBe('local?root=/r');
});
