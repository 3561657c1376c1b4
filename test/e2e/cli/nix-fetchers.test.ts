// `nix` on trees under version control: names of branches as git has them, positions, lock files that Mercurial learns of.
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Workplace, type Ended } from '../../support/cli.ts';
import { describeWith } from '../../support/requirements.ts';

const work = new Workplace();
afterAll(() => {
  work.close();
});

const env = { NIX_CONFIG: 'experimental-features = nix-command flakes\nflake-registry =' };
const nix = (...args: string[]): Promise<Ended> => work.run(args, { name: 'nix', env });

describeWith(['git'], 'branches of git', () => {
  const repo = join(work.dir, 'git');
  const git = (...args: string[]): string =>
    execFileSync('git', ['-C', repo, '-c', 'user.name=t', '-c', 'user.email=t@t', ...args], { encoding: 'utf8' });
  beforeAll(() => {
    work.write('../git/file', 'text');
    git('init', '--quiet', '--initial-branch=main');
    git('add', '--all');
    git('commit', '--quiet', '-m', 'one');
  });
  it('may have names that are not ASCII, and marks', async () => {
    const refs = ['a/b', 'heads/fu\u00df', 'x#', '$1', 'a./b', '_x', 'a@b'];
    for (const ref of refs) git('branch', '--', ref, 'main');
    const list = refs.map((ref) => `''${ref}''`).join(' ');
    const { stdout, stderr } = await nix(
      ...[
        'eval',
        '--impure',
        '--json',
        '--expr',
        `map (ref: (fetchGit { url = ${repo}; inherit ref; }).rev) [ ${list} ]`,
      ],
    );
    expect(stdout, stderr).toBe(`${JSON.stringify(refs.map(() => git('rev-parse', 'main').trim()))}\n`);
  });
});

it('what is known of a tree is said to be where it is fetched', async () => {
  work.write('input', 'text');
  const file = work.write(
    'fetch.nix',
    `
let tree = builtins.fetchTree { type = "file"; url = "file://${join(work.project, 'input')}"; };
in map (name: (builtins.unsafeGetAttrPos name tree).line) [ "narHash" "outPath" ]
`,
  );
  expect((await nix('eval', '--json', '-f', file)).stdout).toBe('[2,2]\n');
});

describeWith(['hg'], 'flakes in Mercurial', () => {
  it('have their lock file written, and Mercurial knows it', async () => {
    const repo = join(work.dir, 'hg');
    work.write('../dep/flake.nix', '{ outputs = { self }: { v = "dep"; }; }');
    work.write(
      '../hg/flake.nix',
      `{ inputs.dep.url = "path:${join(work.dir, 'dep')}"; outputs = { self, dep }: { inherit (dep) v; }; }`,
    );
    const hg = (...args: string[]): string =>
      execFileSync('hg', ['-R', repo, ...args], {
        encoding: 'utf8',
        env: { ...process.env, HGPLAIN: '', HGUSER: 't' },
      });
    execFileSync('hg', ['init', repo]);
    hg('add', join(repo, 'flake.nix'));
    hg('commit', '-m', 'one');
    expect((await nix('eval', '--raw', `hg+file://${repo}#v`)).stdout).toBe('dep');
    expect(hg('status')).toBe('A flake.lock\n');
  });
});
