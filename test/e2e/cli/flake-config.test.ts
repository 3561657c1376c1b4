// Settings that a flake asks for, and what becomes of its lock file.
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { program, Workplace, type Ended } from '../../support/cli.ts';
import { describeWith } from '../../support/requirements.ts';

const work = new Workplace({
  'a/flake.nix': `{
    nixConfig = { max-call-depth = 7; extra-substituters = [ "x" "y" ]; bash-prompt = "p"; };
    outputs = { self }: { deep = let f = n: if n == 0 then 0 else 1 + f (n - 1); in f 20; };
  }`,
  'b/flake.nix': '{ inputs.c.url = "git+file:@/c"; outputs = { self, c }: { v = c.v; }; }',
  'c/flake.nix': '{ outputs = { self }: { v = "c"; }; }',
  'd/flake.nix': '{ outputs = { self }: { v = "d"; }; }',
  'e/flake.nix': '{ outputs = { self }: { v = "e"; }; }',
});
afterAll(() => {
  work.close();
});
const env = {
  NIX_CONFIG: 'experimental-features = nix-command flakes\nflake-registry =',
  GIT_AUTHOR_NAME: 'u',
  GIT_AUTHOR_EMAIL: 'e',
  GIT_COMMITTER_NAME: 'u',
  GIT_COMMITTER_EMAIL: 'e',
};
const nix = (...args: string[]): Promise<Ended> => work.run(args, { name: 'nix', env });

describeWith(['git', 'python3'], 'flakes', () => {
  const git = (dir: string, ...args: string[]): string =>
    execFileSync('git', ['-C', join(work.project, dir), ...args], {
      encoding: 'utf8',
      env: { ...process.env, ...env },
    });
  beforeAll(() => {
    work.write('b/flake.nix', readFileSync(join(work.project, 'b/flake.nix'), 'utf8').replaceAll('@', work.project));
    for (const dir of ['b', 'c', 'd']) {
      git(dir, 'init', '-q', '-b', 'main');
      git(dir, 'add', '.');
      git(dir, 'commit', '-qm', 'x');
    }
  });

  it('settings that could do harm count where the user trusts them', async () => {
    const ignored = await nix('eval', './a#deep');
    expect(ignored).toEqual({
      status: 0,
      stdout: '20\n',
      stderr: ['extra-substituters', 'max-call-depth']
        .map(
          (name) =>
            `warning: ignoring untrusted flake configuration setting '${name}'.\nPass '--accept-flake-config' to trust it\n`,
        )
        .join(''),
    });
    const answers = { 'max-call-depth': { '7': true }, 'extra-substituters': { 'x y': false } };
    work.write('../home/.local/share/nix/trusted-settings.json', JSON.stringify(answers));
    const kept = await nix('eval', './a#deep');
    expect(kept.stderr).toContain(
      "Using saved setting for 'max-call-depth = 7' from ~/.local/share/nix/trusted-settings.json.\n",
    );
    expect(kept.stderr).toContain("warning: ignoring untrusted flake configuration setting 'extra-substituters'.");
    const shown = await nix('flake', 'show', './a');
    expect(shown.stderr).not.toContain('setting');
  });

  it('--accept-flake-config trusts all', async () => {
    work.write(
      'i/flake.nix',
      '{ nixConfig.allow-import-from-derivation = false; outputs = x: { v = import (derivation { name = "x"; system = "x"; builder = "x"; }); }; }',
    );
    const ifd = "the option 'allow-import-from-derivation' is disabled";
    expect((await nix('eval', './i#v')).stderr).not.toContain(ifd);
    const trusted = await nix('eval', './i#v', '--accept-flake-config');
    expect(trusted.stderr).toContain(ifd);
    expect(trusted.stderr).not.toContain('warning');
  });

  it('the user is asked at a terminal, and an answer can be kept', () => {
    const file = join(work.dir, 'home/.local/share/nix/trusted-settings.json');
    rmSync(file, { force: true });
    work.write('q/flake.nix', '{ nixConfig.log-lines = 7; outputs = x: { v = 1; }; }');
    const driver = resolve(import.meta.dirname, '../../support/on-terminal.py');
    const steps = [
      ['', "setting 'log-lines' to be set to '7' \\(y/N\\)\\?"],
      ['n\n', 'permanently mark this value as untrusted'],
      ['y\n', null],
    ];
    const run = spawnSync('python3', [driver, JSON.stringify(steps), program, 'nix', 'eval', './q#v'], {
      cwd: work.project,
      encoding: 'utf8',
      env: { ...work.environment(), ...env, NIX_REMOTE: work.store, TERM: 'dumb' },
    });
    expect([run.status, run.stdout.includes('ignoring untrusted')]).toEqual([0, true]);
    expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual({ 'log-lines': { '7': false } });
  });

  it('queries that say nothing are told', async () => {
    const url = `git+file://${work.project}/c`;
    const dubious = "warning: dubious URI query 'bar' is missing equal sign '=', ignoring\n";
    expect((await nix('eval', '--raw', `${url}?bar#v`)).stderr).toBe(dubious);
    expect((await nix('eval', '--raw', `${url}?#v`)).stderr).toBe('');
    expect((await nix('eval', '--raw', `${url}?=#v`)).stderr).toBe('');
  });

  it('--output-lock-file writes another file, --reference-lock-file reads one', async () => {
    const other = join(work.dir, 'other.lock');
    expect((await nix('eval', '--raw', './b#v', '--output-lock-file', other)).stdout).toBe('c');
    expect(existsSync(join(work.project, 'b/flake.lock'))).toBe(false);
    const lock = readFileSync(other, 'utf8');
    expect(JSON.parse(lock)).toMatchObject({ nodes: { c: { locked: { rev: git('c', 'rev-parse', 'HEAD').trim() } } } });
    // What it locks is used, though it is not what flake.nix finds now.
    work.write('c/flake.nix', '{ outputs = { self }: { v = "new"; }; }');
    git('c', 'commit', '-qam', 'y');
    const read = await nix('eval', '--raw', './b#v', '--reference-lock-file', other, '--no-write-lock-file');
    expect(read).toEqual({ status: 0, stdout: 'c', stderr: '' });
    expect((await nix('eval', '--raw', './b#v', '--no-write-lock-file')).stdout).toBe('new');
  });

  it('--override-input leaves the lock file alone, but for `flake lock`', async () => {
    const target = `git+file://${work.project}/d`;
    expect((await nix('eval', '--raw', './b#v', '--override-input', 'c', target)).stdout).toBe('d');
    expect(existsSync(join(work.project, 'b/flake.lock'))).toBe(false);
    const unlocked = await nix('flake', 'lock', './b', '--override-input', 'c', `path:${work.project}/e`);
    expect(unlocked.status).toBe(0);
    git('b', 'rm', '-q', '--cached', 'flake.lock');
    git('b', 'clean', '-qfd');
    work.write('d/flake.nix', '{ outputs = { self }: { v = "dirty"; }; }');
    const dirty = await nix('flake', 'lock', './b', '--override-input', 'c', target);
    expect(dirty.status).toBe(1);
    expect(dirty.stderr).toContain("error: Not writing lock file of flake 'git+file://");
    git('d', 'checkout', '-q', '.');
    const empty = await nix('flake', 'lock', './b', '--override-input', '', '.');
    expect(empty.stderr).toContain('error: --override-input was passed a zero-length input path');
  });

  it('--commit-lock-file commits it', async () => {
    const locked = await nix('flake', 'lock', './b', '--commit-lock-file');
    expect(locked.stderr).toContain(`warning: committed new revision '${git('b', 'rev-parse', 'HEAD').trim()}'\n`);
    const rev = git('c', 'rev-parse', 'HEAD').trim();
    expect(git('b', 'log', '-1', '--format=%B')).toMatch(
      new RegExp(
        `^flake\\.lock: Add\n\nFlake lock file updates:\n\n• Added input 'c':\n {4}'git\\+file:.*rev=${rev}' \\(.*\\)\n`,
      ),
    );
    git('c', 'commit', '-qm', 'z', '--allow-empty');
    await nix('flake', 'update', '--flake', './b', '--commit-lock-file', '--commit-lockfile-summary', 'my words');
    expect(git('b', 'log', '-1', '--format=%s')).toBe('my words\n');
  });
});
