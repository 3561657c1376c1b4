// FLAKEREF#ATTR on the command line, lock files, `tsnix flake`; and real Nix on the same flakes.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Workplace } from '../../support/cli.ts';
import { describeWith } from '../../support/requirements.ts';

const FLAKES = { NIX_CONFIG: 'experimental-features = nix-command flakes' };
const work = new Workplace();
const lock = join(work.project, 'flake.lock');
afterAll(() => {
  work.close();
});

const run = (...args: string[]): ReturnType<Workplace['run']> => work.run(args, { env: FLAKES });
const git = (...args: string[]): string =>
  execFileSync('git', ['-C', work.project, '-c', 'user.name=t', '-c', 'user.email=t@t', ...args], { encoding: 'utf8' });

describeWith(['git'], 'flakes on the command line', () => {
  beforeAll(() => {
    work.write('../input/flake.nix', '{ outputs = { self }: { v = "input"; }; }');
    work.write('../plain/file', 'plain');
    work.write(
      'flake.nix',
      `{
        description = "a flake";
        inputs.i.url = "path:${join(work.dir, 'input')}";
        inputs.p = { url = "path:${join(work.dir, 'plain')}"; flake = false; };
        inputs.j.follows = "i";
        outputs = { self, i, j, p }: {
          lib.v = i.v + j.v + builtins.readFile "\${p}/file";
          pure = builtins ? currentSystem;
          packages.x86_64-linux.default = derivation {
            name = "made"; system = "x86_64-linux"; builder = "/bin/sh"; args = [ "-c" "echo made > $out" ];
          };
          packages.x86_64-linux.both = "package";
          legacyPackages.x86_64-linux = { both = "legacy"; old = "legacy"; };
          both = "top";
        };
      }`,
    );
    git('init', '--quiet', '--initial-branch=main');
    git('add', '--all');
    git('commit', '--quiet', '-m', 'one');
  });

  it('locks, tells git, builds', { timeout: 120_000 }, async () => {
    const built = await run('build');
    expect(built.stderr).toContain(`warning: creating lock file "${realpathSync(work.project)}/flake.lock":`);
    expect(built.status).toBe(0);
    expect(readFileSync(work.real(built.stdout.trim()), 'utf8')).toBe('made\n');
    expect(existsSync(join(work.project, 'result'))).toBe(true);
    rmSync(join(work.project, 'result'));
    expect(git('status', '--short', 'flake.lock')).toBe(' A flake.lock\n');
    git('add', '--all');
    git('commit', '--quiet', '-m', 'two');
    const again = await run('eval', '.#lib.v');
    expect(again).toEqual({ status: 0, stdout: '"inputinputplain"\n', stderr: '' });
  });

  it('looks for attributes where packages are, evaluates purely', { timeout: 120_000 }, async () => {
    expect((await run('eval', '.#both')).stdout).toBe('"package"\n');
    expect((await run('eval', '.#old')).stdout).toBe('"legacy"\n');
    expect((await run('eval', '.#.both')).stdout).toBe('"top"\n');
    expect((await run('eval', `${work.project}#pure`)).stdout).toBe('false\n');
    expect((await run('eval', '--impure', '.#pure')).stdout).toBe('true\n');
    const missing = await run('eval', '.#nothing');
    expect(missing.status).toBe(1);
    expect(missing.stderr).toMatch(
      /^error: flake 'git\+file:\/\/.*' does not provide attribute 'packages\.x86_64-linux\.nothing', 'legacyPackages\.x86_64-linux\.nothing' or 'nothing'\n$/,
    );
    const typo = await run('eval', `path:${work.project}#bot`);
    expect(typo.stderr).toMatch(
      /^error: flake 'path:[^?']*' does not provide attribute .*\n {7}Did you mean both\?\n$/,
    );
    const off = await work.run(['eval', 'path:.#both']);
    expect(off.status).toBe(1);
  });

  it('updates and describes', { timeout: 120_000 }, async () => {
    const before = readFileSync(lock, 'utf8');
    work.write('../input/flake.nix', '{ outputs = { self }: { v = "newer"; }; }');
    expect((await run('flake', 'lock')).stderr).toBe('');
    expect(readFileSync(lock, 'utf8')).toBe(before);
    const kept = await run('flake', 'update', '--no-write-lock-file');
    expect(kept.stderr).toMatch(/not writing modified lock file of flake 'git\+file:.*':\n.* Updated input 'i':\n/);
    expect(readFileSync(lock, 'utf8')).toBe(before);
    await run('flake', 'update', 'i');
    expect(readFileSync(lock, 'utf8')).not.toBe(before);
    git('commit', '--quiet', '-am', 'three');
    const json = JSON.parse((await run('flake', 'metadata', '--json')).stdout) as Record<string, unknown>;
    expect(json).toMatchObject({ description: 'a flake', revCount: 3, revision: git('rev-parse', 'HEAD').trim() });
    expect(json['locks']).toEqual(JSON.parse(readFileSync(lock, 'utf8')));
    expect((await run('flake', 'metadata')).stdout).toMatch(
      /\nInputs:\n├───i: path:.*\n├───j follows input 'i'\n└───p: path:.*\n$/,
    );
  });
});

describeWith(['git', 'nix'], 'real Nix and the same flake', () => {
  it('takes our lock file as it is, finds the same trees', { timeout: 120_000 }, async () => {
    const flake = git('rev-parse', '--show-toplevel').trim();
    // What Nix 2.8 does not know: attribute sets of flakes have no _type, and locks name branches in short.
    const expression = `let f = builtins.getFlake "git+file://${flake}"; in {
      inherit (f) outPath narHash lastModified rev; v = f.lib.v;
      inputs = builtins.mapAttrs (n: i: { inherit (i) outPath narHash lastModified; }) f.inputs; }`;
    const args = ['--impure', '--json', '--expr', expression];
    const real = execFileSync('nix', ['eval', ...args], {
      encoding: 'utf8',
      env: { ...process.env, ...FLAKES, HOME: work.dir, NIX_REMOTE: `local?root=${join(work.dir, 'oracle')}` },
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const ours = await run('eval', ...args);
    expect(ours.stderr).toBe('');
    expect(JSON.parse(ours.stdout)).toEqual(JSON.parse(real));
  });
});
