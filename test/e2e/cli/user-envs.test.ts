// nix-env where the store lies elsewhere, and what is left of it when it is killed or meets another.
import { readFileSync, readlinkSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { derivations, Workplace } from '../../support/cli.ts';

const work = new Workplace({
  'default.nix': derivations(`
    tree = builtins.path { path = ./tree; name = "tree-1"; };
    b = { type = "derivation"; name = "tree-1"; outPath = "\${tree}"; };
    slow = mk "slow-1" "while :; do :; done" { };
  `),
  'tree/bin/x': 'x',
});
afterAll(() => {
  work.close();
});

const profile = join(work.dir, 'profiles/p');
const state = (): string[] => readdirSync(join(work.dir, 'profiles')).sort();

describe('nix-env', () => {
  it('installs and lists in a store that lies elsewhere, and the collector knows it', async () => {
    work.write('../profiles/.keep', '');
    const installed = await work.run(['-p', profile, '-f', '.', '-iA', 'b'], { name: 'nix-env' });
    expect(installed).toMatchObject({ status: 0, stdout: '' });
    const listed = await work.run(['-p', profile, '-q', '--out-path'], { name: 'nix-env' });
    expect(listed.stdout).toMatch(/^tree-1 {2}\/nix\/store\/[a-z0-9]{32}-tree-1\n$/);
    await work.run(['--gc'], { name: 'nix-store' });
    const environment = readlinkSync(`${profile}-1-link`);
    expect(readlinkSync(join(environment, 'bin'))).toMatch(/^\/nix\/store\/.*-tree-1\/bin$/);
    const tree = readlinkSync(join(environment, 'bin'));
    expect(readFileSync(join(work.real(tree), 'x'), 'utf8')).toBe('x');
  });

  it('leaves the profile as it was when it is killed', async () => {
    const before = state();
    const started = work.start(['-p', profile, '-f', '.', '-iA', 'slow'], {
      name: 'nix-env',
      env: { NIX_REMOTE: work.store },
    });
    setTimeout(() => started.kill('SIGINT'), 3000);
    expect((await started.ended).status).not.toBe(0);
    expect(state()).toEqual(before);
    expect(readlinkSync(profile)).toBe('p-1-link');
  }, 60_000);

  it('two at once: what each installs is there', async () => {
    const own = join(work.dir, 'profiles/both');
    const names = ['one', 'two', 'three'];
    const ends = await Promise.all(
      names.map((name) =>
        work.run(['-p', own, '-f', '.', '-iE', `x: (x { }).b // { name = "${name}-1"; outPath = "\${./${name}}"; }`], {
          name: 'nix-env',
        }),
      ),
    );
    expect(ends.map(({ status, stderr }) => (status === 0 ? 0 : stderr))).toEqual([0, 0, 0]);
    const listed = await work.run(['-p', own, '-q'], { name: 'nix-env' });
    expect(listed.stdout).toBe('one-1\nthree-1\ntwo-1\n');
  }, 60_000);
});

for (const name of ['one', 'two', 'three']) work.write(`${name}/bin/${name}`, name);
