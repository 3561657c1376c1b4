// nix-shell, `tsnix shell`, `run` and `develop` where the store lies elsewhere: what they run sees it at /nix/store.
import { chmodSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { afterAll, describe, expect, it } from 'vitest';
import { derivations, Workplace } from '../../support/cli.ts';
import { describeWith, othersReachUs } from '../../support/requirements.ts';

const work = new Workplace({
  'default.nix': derivations(`
    text = mk "text" "echo from the store > $out" {};
    tool = mk "tool-1.2" "read x < \${text}; echo \\"#!/bin/sh
echo tool: $x; echo args: \\\\$# \\\\$*; pwd; exit \\\\\${STATUS:-0}\\" > $out" {};
    env = mk "env" "exit 1" { tool = tool; floating = mk "floating" "echo fl > $out"
      { __contentAddressed = true; outputHashMode = "recursive"; outputHashAlgo = "sha256"; }; };
  `),
});
afterAll(() => {
  work.close();
});
const bash = { NIX_BUILD_SHELL: '/bin/bash' };

describe('nix-shell in a store that lies elsewhere', () => {
  it('shows the store at its logical place, with the caller’s files, ids and directory', async () => {
    const { status, stdout, stderr } = await work.run(
      [
        'nix-shell',
        '-A',
        'env',
        '--extra-experimental-features',
        'ca-derivations',
        '--run',
        'pwd; id -u; sh $tool a "b c"; read x < $floating; echo $x; exit 9',
      ],
      { env: bash },
    );
    expect(stdout, stderr).toBe(
      `${work.project}\n${process.getuid!()}\ntool: from the store\nargs: 2 a b c\n${work.project}\nfl\n`,
    );
    expect(status).toBe(9);
    expect(stderr).toMatch(/building '.*-tool-1\.2\.drv'\.\.\.\n/);
    expect(stderr).not.toContain('-env.drv');
  });

  it('says what is no regular expression', async () => {
    const { status, stderr } = await work.run(['nix-shell', '-A', 'text', '--exclude', '(', '--run', 'true'], {
      env: bash,
    });
    expect(stderr).toBe("error: invalid regular expression '('\nTry 'nix-shell --help' for more information.\n");
    expect(status).toBe(1);
  });

  it('where this machine has no such directory at all, too', async () => {
    const env = { ...bash, NIX_STORE_DIR: '/nowhere/at/all/store', NIX_STATE_DIR: `${work.dir}/state` };
    const { stdout, stderr } = await work.run(
      [
        'nix-shell',
        '-E',
        '(derivation { name = "x"; system = "x"; builder = "x"; file = "${./default.nix}"; })',
        '--run',
        'echo $file; head -c 5 $file; ls -d /nowhere/at/all /usr; test -w /dev/null && echo dev',
      ],
      { env: { ...env, NIX_REMOTE: `local?root=${work.dir}/other` } },
    );
    expect(stdout.replace(/store\/[a-z0-9]{32}/, 'HASH'), stderr).toBe(
      '/nowhere/at/all/HASH-default.nix\n\n{ wh/nowhere/at/all\n/usr\ndev\n',
    );
  });

  it('for ordinary users', () => {
    if (process.getuid?.() !== 0 || !othersReachUs()) return;
    const home = `${work.dir}/nobody`;
    spawnSync('install', ['-d', '-o', '65534', '-g', '65534', home]);
    const run = spawnSync(
      'setpriv',
      [
        '--reuid=65534',
        '--regid=65534',
        '--clear-groups',
        'sh',
        '-c',
        'exec "$0" nix-shell -A env --exclude floating --run "id -u; sh \\$tool"',
        `${process.cwd()}/bin/tsnix`,
      ],
      {
        cwd: work.project,
        encoding: 'utf8',
        env: {
          ...work.environment(),
          ...bash,
          HOME: home,
          NIX_REMOTE: `${home}/root`,
          NIX_CONFIG: 'experimental-features = ca-derivations',
        },
      },
    );
    // The derivation depends on what was excluded: it can't be resolved.
    expect(run.stderr).toMatch(/failed to resolve derivation '.*-env\.drv'/);
  });
});

describeWith(['jq'], 'packages of the embedded set', () => {
  it('nix-shell -p, tsnix shell, run and develop', async () => {
    const shell = await work.run([
      'nix-shell',
      '-p',
      'jq',
      '--pure',
      '--run',
      'jq -n "1 + 1"; type -p jq; echo $IN_NIX_SHELL',
    ]);
    expect(shell.stdout, shell.stderr).toMatch(/^2\n\/nix\/store\/[a-z0-9]{32}-jq\/bin\/jq\npure\n$/);
    const inShell = await work.run(['shell', 'jq', 'coreutils', '-c', 'jq', '--arg', 'x', '-h', '-n', '$x']);
    expect(inShell).toEqual({ status: 0, stdout: '"-h"\n', stderr: '' });
    const run = await work.run(['run', 'jq', '.a', '--', '-c'], { input: '{"a":[1]}' });
    expect(run).toEqual({ status: 0, stdout: '[1]\n', stderr: '' });
    const failed = await work.run(['run', 'jq', '--', 'error("x")', '-n']);
    expect(failed.status).toBe(5);
    const develop = await work.run(['develop', 'jq', '-c', 'sh', '-c', 'echo $name; exit 4']);
    expect({ status: develop.status, stdout: develop.stdout }, develop.stderr).toEqual({ status: 4, stdout: 'jq\n' });
    const missing = await work.run(['shell', 'jq', '-c', 'nothing-of-this-name']);
    expect(missing.stderr).toBe("error: unable to execute 'nothing-of-this-name': No such file or directory\n");
  });
  it('interprets scripts', async () => {
    const script = work.write(
      's',
      '#! /usr/bin/env nix-shell\n#! nix-shell -i bash -p jq\nread x; jq -n "$x$1"; exit 6\n',
    );
    chmodSync(script, 0o755);
    const { status, stdout } = await work.run([script, '+ 1'], { name: 'nix-shell', input: '41\n' });
    expect({ status, stdout }).toEqual({ status: 6, stdout: '42\n' });
  });
});
