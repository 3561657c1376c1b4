// The library with a store to write to: derivations are there for other programs, import from derivation builds.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { Evaluator } from '../../src/index.ts';

const dir = mkdtempSync(join(tmpdir(), 'tsnix-api-'));
afterAll(() => {
  spawnSync('chmod', ['-R', 'u+w', dir]);
  rmSync(dir, { recursive: true, force: true });
});

it('Evaluator writes derivations, and builds what is imported', async () => {
  const nix = new Evaluator({ store: dir });
  const drv =
    'derivation { name = "x"; system = builtins.currentSystem; builder = "/bin/sh"; args = [ "-c" "echo 42 > $out" ]; }';
  const { drvPath, outputs } = nix.instantiate(drv);
  expect(existsSync(join(dir, drvPath))).toBe(true);
  expect(existsSync(join(dir, outputs['out']!))).toBe(false);
  expect(nix.evaluate(`import (${drv})`).toJS()).toBe(42);
  expect(existsSync(join(dir, outputs['out']!))).toBe(true);
  await nix.close();
  expect(new Evaluator({ files: {} }).instantiate(drv).drvPath).toBe(drvPath);
  expect(() => new Evaluator({ files: {}, store: dir })).toThrow("'files' and 'store' do not go together");
});
