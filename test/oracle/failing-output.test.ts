// What nix-instantiate has printed to standard output by the time that evaluation fails: in XML everything so far, its
// elements closed; nothing in the other forms.
import { spawnSync } from 'node:child_process';
import { resolve } from 'node:path';
import { expect, it } from 'vitest';
import { describeWith } from '../support/requirements.ts';

const tsnix = resolve(import.meta.dirname, '../../bin/tsnix');
const env = { PATH: process.env['PATH'], HOME: '/nonexistent', NIX_REMOTE: 'dummy://' };

const cases: readonly (readonly string[])[] = [
  ['--xml', '--strict', '--no-location', '{ a = 1; b = [ 2 { c = throw "no"; } ]; d = 3; }'],
  ['--xml', '--strict', '[ 1 "x" (abort "no") ]'],
  ['--xml', '--strict', '--no-location', '{ type = "derivation"; drvPath = "/x"; outPath = "/y"; z = throw "no"; }'],
  ['--xml', '--strict', '--no-location', '{ type = "derivation"; drvPath = throw "no"; }'],
  ['--xml', '--strict', '--no-location', '{ type = throw "no"; a = 1; }'],
  ['--xml', 'throw "no"'],
  ['--strict', '{ a = 1; b = throw "no"; }'],
  ['{ a = 1; b = throw "no"; }.b'],
];

describeWith(['nix-instantiate'], 'output before a failure', () => {
  it.each(cases.map((args) => [args.join(' '), args] as const))('%s', (_, args) => {
    const full = ['--eval', ...args.slice(0, -1), '--expr', args.at(-1)!];
    const real = spawnSync('nix-instantiate', full, { encoding: 'utf8', env });
    const ours = spawnSync(tsnix, ['nix-instantiate', ...full], { encoding: 'utf8', env });
    expect({ status: ours.status, stdout: ours.stdout }).toEqual({ status: real.status, stdout: real.stdout });
    expect(ours.status).toBe(1);
  });
});
