// `nix` on flakes: what run, develop, shell and build make of them; short names, with real Nix on the same registries.
import { spawnSync } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { Workplace, type Ended, type StartOptions } from '../../support/cli.ts';
import { describeWith } from '../../support/requirements.ts';

const FEATURES = 'experimental-features = nix-command flakes\nflake-registry =';
const work = new Workplace({
  'file.txt': 'a file',
  'flake.nix': `{
    outputs = { self }: let
      system = "x86_64-linux";
      mk = name: more: derivation ({
        inherit name system;
        builder = "/bin/sh";
        args = [ "-c" "echo $text > $out" ];
      } // more);
      tool = mk "tool-1" { text = "text"; };
      program = builtins.toFile "program" "no program";
    in {
      apps.\${system} = {
        default = { type = "app"; program = "\${program}"; };
        elsewhere = { type = "app"; program = "/bin/true"; };
        package = tool;
      };
      packages.\${system} = {
        default = mk "default" { text = "default"; };
        app = { type = "app"; program = "\${program}"; };
        file = ./file.txt;
        text = "\${./file.txt}";
        plain = "no store path";
      };
      devShells.\${system} = {
        default = mk "shell" { SAID = "the shell"; };
        phased = mk "phased" {
          SAID = "phased";
          buildPhase = "echo building $SAID";
          shellHook = "runHook() { eval \\"\\\${!1}\\"; }";
        };
      };
    };
  }`,
});
afterAll(() => {
  work.close();
});

const env = { NIX_CONFIG: FEATURES, NIX_BUILD_SHELL: '/bin/bash' };
const nix = (args: readonly string[], options: StartOptions = {}): Promise<Ended> =>
  work.run(args, { ...options, name: 'nix', env: { ...env, ...options.env } });

describe('nix run', () => {
  it('runs apps, with all words behind the first', async () => {
    // What toFile makes is no program: that it is started is what is to be seen.
    expect((await nix(['run', '.', 'a b', '--', '-c'])).stderr).toMatch(/^error: .*-program': Permission denied\n/);
    expect((await nix(['run', '--', '.#elsewhere', '-x'])).stderr).toContain(
      "error: app program '/bin/true' is not in the Nix store",
    );
  });

  it('wants apps among apps, and packages among packages', async () => {
    expect((await nix(['run', '.#package'])).stderr).toContain(
      "error: attribute 'apps.x86_64-linux.package' should have type 'app'",
    );
    expect((await nix(['run', '.#packages.x86_64-linux.app'])).stderr).toContain(
      "error: attribute 'packages.x86_64-linux.app' should have type 'derivation'",
    );
  });
});

describe('nix develop', () => {
  it('takes dev shells first, and commands from standard input', async () => {
    const { stdout, stderr } = await nix(['develop', '-c', 'sh', '-c', 'echo $SAID']);
    expect(stdout, stderr).toBe('the shell\n');
    expect((await nix(['develop', '.#phased', '-c', 'sh', '-c', 'echo $SAID'])).stdout).toBe('phased\n');
    expect((await nix(['develop'], { input: 'echo got $VAR\n', env: { VAR: 'through' } })).stdout).toBe(
      'got through\n',
    );
  });

  it('sets, keeps and removes variables', async () => {
    const words = ['develop', '-i', '-k', 'KEPT', '-s', 'SET', 'set', '-c', 'sh', '-c', 'echo $KEPT $SET $OTHER'];
    expect((await nix(words, { env: { KEPT: 'kept', OTHER: 'other' } })).stdout).toBe('kept set\n');
    const without = ['develop', '-u', 'OTHER', '-c', 'sh', '-c', 'echo "<$OTHER>"'];
    expect((await nix(without, { env: { OTHER: 'other' } })).stdout).toBe('<>\n');
    expect((await nix(['develop', '-i', '-u', 'X', '-c', 'true'])).stderr).toContain('does not make sense with');
    expect((await nix(['develop', '-s', 'X', '1', '-s', 'X', '2', '-c', 'true'])).stderr).toContain(
      "error: Duplicate definition of environment variable 'X' with '--set-env-var' is ambiguous\n",
    );
    expect((await nix(['develop', '-u', 'X', '-s', 'X', '2', '-c', 'true'])).stderr).toContain(
      "error: Cannot set environment variable 'X' that is unset with '--unset-env-var'\n",
    );
    expect((await nix(['develop', '-k', 'X', '-c', 'true'])).stderr).toContain('does not make sense without');
  });

  it('runs phases, but not a command too', async () => {
    const { stdout, stderr } = await nix(['develop', '.#phased', '--build']);
    expect(stdout, stderr).toBe('building phased\n');
    expect((await nix(['develop', '--phase', 'x', '-c', 'true'])).stderr).toContain(
      "error: you cannot use both '--command' and '--phase'",
    );
  });
});

describe('nix build', () => {
  it('takes paths and strings that are store paths; others it does not', async () => {
    const build = (attr: string): Promise<Ended> => nix(['build', '--no-link', '--print-out-paths', `.#${attr}`]);
    expect((await build('file')).stdout).toMatch(/^\/nix\/store\/[^/]*-file\.txt\n$/);
    expect((await build('text')).stdout).toMatch(/^\/nix\/store\/[^/]*-file\.txt\n$/);
    expect((await build('plain')).stderr).toContain(
      "error: string 'no store path' has 0 entries in its context. It should only have exactly one entry",
    );
  });
});

describe('nix registry', () => {
  it('adds, lists, resolves, pins and removes short names', async () => {
    const edit = async (...words: string[]): Promise<void> => {
      expect(await nix(['registry', ...words])).toEqual({ status: 0, stdout: '', stderr: '' });
    };
    await edit('add', 'me', `path:${work.project}`);
    await edit('add', 'other', 'github:owner/repo?dir=sub');
    expect((await nix(['registry', 'list'])).stdout).toBe(
      `user   flake:me path:${work.project}\nuser   flake:other github:owner/repo?dir=sub\n`,
    );
    expect((await nix(['registry', 'resolve', 'me', 'other/branch'])).stdout).toBe(
      `path:${work.project}\ngithub:owner/repo/branch?dir=sub\n`,
    );
    expect((await nix(['eval', 'me#packages.x86_64-linux.plain'])).stdout).toBe('"no store path"\n');
    await edit('pin', 'me');
    expect((await nix(['registry', 'list'])).stdout).toMatch(
      /^user {3}flake:me path:.*\?lastModified=\d+&narHash=sha256-/m,
    );
    await edit('remove', 'me');
    await edit('remove', 'absent');
    expect((await nix(['registry', 'list'])).stdout).toBe('user   flake:other github:owner/repo?dir=sub\n');
    expect((await nix(['registry', 'add', 'one'])).status).toBe(1);
  });
});

describeWith(['nix'], 'registries of real Nix', () => {
  it('are the same files', async () => {
    const [ours, theirs] = ['ours.json', 'theirs.json'].map((name) => join(work.dir, name)) as [string, string];
    const steps = [
      ['add', 'a', 'github:owner/repo'],
      ['add', 'b', 'git+https://example.org/x?ref=y'],
      ['add', 'path:/c', 'path:/d'],
      ['add', 'a', 'github:other/repo/branch'],
      ['remove', 'path:/c'],
    ];
    for (const [verb, ...words] of steps) {
      expect((await nix(['registry', verb!, '--registry', ours, ...words])).stderr).toBe('');
      const { status, stderr } = spawnSync('nix', ['registry', verb!, '--registry', theirs, ...words], {
        encoding: 'utf8',
        env: { PATH: process.env['PATH'], HOME: work.dir, NIX_CONFIG: 'experimental-features = nix-command flakes' },
      });
      expect(status, stderr).toBe(0);
      expect(readFileSync(ours, 'utf8')).toBe(readFileSync(theirs, 'utf8'));
    }
    rmSync(theirs);
  });
});
