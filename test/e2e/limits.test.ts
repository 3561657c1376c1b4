// The evaluator raises its own stack limit; builders get their caller's, as with Nix.
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { TestInstallation } from '../support/tsnix.ts';

const tsnix = resolve(import.meta.dirname, '../../bin/tsnix');
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

it('where the hard stack limit is small, evaluation has a thread with a stack of its own', () => {
  const script = 'ulimit -S -s 2048; ulimit -H -s 2048; exec "$0" "$@"';
  const evaluate = (n: number, ...args: readonly string[]): { status: number | null; out: string; err: string } => {
    const expression = `let f = n: if n == 0 then 0 else 1 + f (n - 1); in f ${n}`;
    const { status, stdout, stderr } = spawnSync('/bin/sh', ['-c', script, tsnix, ...args, '-E', expression], {
      encoding: 'utf8',
      env: { PATH: process.env['PATH'], HOME: installation.dir, NIX_CONF_DIR: installation.dir },
    });
    return { status, out: stdout, err: stderr };
  };
  expect(evaluate(9900, 'nix-instantiate', '--eval')).toMatchObject({ status: 0, out: '9900\n' });
  expect(evaluate(9900, 'eval', '--store', 'dummy://')).toMatchObject({ status: 0, out: '9900\n' });
  const beyond = evaluate(10_100, 'eval', '--store', 'dummy://');
  expect(beyond.status).toBe(1);
  expect(beyond.err).toContain('error: stack overflow; max-call-depth exceeded');
});

describe('a heap that is too small', () => {
  const count = 20_000_000;
  const programs = {
    thunks: `let t = d: if d == 0 then [ ] else [ (t (d - 1)) (t (d - 1)) ]; in builtins.deepSeq (t 26) 1`,
    'one long list': `let l = builtins.genList (i: i) ${count}; in builtins.length (l ++ l)`,
    strings: `let t = builtins.genList (i: "x\${toString i}") ${count}; in builtins.foldl' (n: s: n + builtins.stringLength s) 0 t`,
    // In groups: one array that long would be too much by itself.
    JSON: `let group = n: item: "[\${builtins.concatStringsSep "," (builtins.genList (_: item) n)}]"; in builtins.length (builtins.fromJSON (group 4000 (group 1000 "[1,{}]")))`,
  };
  // V8 would end the process with a dump of its own.
  it.each(Object.entries(programs))('%s: out of memory, in Nix’s words', { timeout: 120_000 }, (_, program) => {
    const node = [process.execPath, '--max-old-space-size=250', '--stack-size=3000'];
    const main = resolve(import.meta.dirname, '../../dist/main.cjs');
    const run = spawnSync(node[0]!, [...node.slice(1), main, 'tsnix', 'eval', '--store', 'dummy://', '-E', program], {
      encoding: 'utf8',
      env: { PATH: process.env['PATH'], HOME: installation.dir, NIX_CONF_DIR: installation.dir },
    });
    expect(run.stderr).toMatch(/error: out of memory\n/);
    expect(run.status).toBe(1);
  });
});
