// The evaluator raises its own stack limit; builders get their caller's, as with Nix.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { afterAll, expect, it } from 'vitest';
import { TestInstallation } from '../support/tsnix.ts';

const installation = new TestInstallation();
afterAll(() => {
  installation.close();
});

it('builders have the stack limit of who called', () => {
  const expression =
    'derivation { name = "stack"; system = builtins.currentSystem; builder = "/bin/sh"; args = [ "-c" "ulimit -S -s > $out" ]; }';
  const [out] = installation.build(['-E', expression]);
  const ours = execFileSync('/bin/sh', ['-c', 'ulimit -S -s'], { encoding: 'utf8' });
  expect(readFileSync(out!, 'utf8')).toBe(ours);
});
