// `nix-shell` beside real Nix's (2.8.0), on one store that both may see at its logical place: the environment that a command
// finds, exit statuses, scripts, messages.
import { chmodSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { deletePath } from '../../src/store/delete-path.ts';
import { program } from '../support/cli.ts';
import { describeWith } from '../support/requirements.ts';

const dropIns = resolve(import.meta.dirname, '../../libexec');

describeWith(['nix-shell', 'bash'], 'nix-shell compared with real Nix', () => {
  const dir = mkdtempSync(join(tmpdir(), 'tsnix-shell-'));
  const write = (name: string, text: string): string => {
    const file = join(dir, name);
    writeFileSync(file, text);
    return file;
  };
  const run = (words: readonly string[], env: Record<string, string> = {}, cwd = dir) => {
    const { status, stdout, stderr } = spawnSync(words[0]!, words.slice(1), {
      cwd,
      encoding: 'latin1',
      input: '',
      env: {
        PATH: '/usr/bin:/bin',
        HOME: join(dir, 'home'),
        TZ: 'UTC',
        SECRET: 'not for pure shells',
        NIX_STORE_DIR: join(dir, 'nix/store'),
        NIX_STATE_DIR: join(dir, 'nix/state'),
        NIX_LOG_DIR: join(dir, 'nix/log'),
        NIX_CONF_DIR: join(dir, 'conf'),
        NIX_PATH: `nixpkgs=${join(dir, 'nixpkgs')}`,
        NIX_BUILD_SHELL: '/bin/bash',
        ...env,
      },
    });
    // Temporary directories, and what the shells' own starting leaves.
    const clean = (text: string): string =>
      text
        .replace(/\/tmp\/nix-shell[-.][A-Za-z0-9-]+/g, 'TMP')
        // 2.8 leaves the build directory at /tmp.
        .replace(/^((?:NIX_BUILD_TOP|T(?:E?MP|MPDIR|EMPDIR))=)\/tmp$/gm, '$1TMP')
        .replace(/^(_|SHLVL|TSNIX_\w+|OLDPWD)=.*\n/gm, '');
    return { status, stdout: clean(stdout), stderr: clean(stderr) };
  };
  const both = (args: readonly string[], env?: Record<string, string>, cwd?: string) => {
    const [theirs, ours] = [run(['nix-shell', ...args], env, cwd), run([program, 'nix-shell', ...args], env, cwd)];
    expect(theirs.stderr).not.toMatch(/^error: (?!nix-shell|'-p'|builder for .*-bad)/m);
    expect({ ...ours, stderr: '' }).toEqual({ ...theirs, stderr: '' });
    return { theirs, ours };
  };

  beforeAll(() => {
    for (const name of ['conf', 'nixpkgs', 'home', 'plain', 'both', 'empty']) mkdirSync(join(dir, name));
    writeFileSync(join(dir, 'conf/nix.conf'), 'build-users-group =\nsandbox = false\nsubstitute = false\n');
    write(
      'nixpkgs/default.nix',
      `{ greeting ? "hello", inNixShell ? false, ... }: let
        system = builtins.currentSystem;
        setup = builtins.toFile "setup" ''
          runHook() { eval "''\${!1}"; }
          PATH=/usr/bin:/bin
          for i in $buildInputs; do PATH=$i/bin:$PATH; done
          export PATH
        '';
        stdenv = derivation { name = "stdenv"; inherit system setup; builder = "/bin/sh"; args = [ "-c" "/bin/mkdir $out; /bin/cp $setup $out/setup" ]; };
        mk = args: derivation ({ inherit system stdenv; builder = "/bin/sh"; } // args);
        pkgs = rec {
          inherit stdenv;
          mkDerivation = mk;
          runCommand = name: env: text: mk ({ inherit name text; passAsFile = [ "text" ]; } // env);
          tool = mk { name = "tool"; args = [ "-c" "/bin/mkdir -p $out/bin; echo 'echo tool says \${greeting}' > $out/bin/tool; /bin/chmod +x $out/bin/tool" ]; };
          inherit inNixShell;
          inherit pkgs;
        };
      in pkgs`,
    );
    write(
      'shell.nix',
      `{ pkgs ? import <nixpkgs> {}, inNixShell ? false, more ? "none" }: rec {
        a = pkgs.mkDerivation {
          name = "a"; buildInputs = [ pkgs.tool ]; inherit more; asked = if inNixShell then "yes" else "no";
          odd = "it's \\"odd\\"\\n\${"\\t"}end"; list = [ 1 2 "x y" ]; outputs = [ "out" "dev" ];
          big = "to a file"; passAsFile = [ "big" ];
          shellHook = "echo hooked; HOOKED=1";
        };
        structured = pkgs.mkDerivation { name = "structured"; __structuredAttrs = true; buildInputs = [ pkgs.tool ]; n = 3; l = [ "a" "b c" ]; s.x = "y"; };
        broken = pkgs.mkDerivation { name = "broken"; bad = pkgs.mkDerivation { name = "bad"; args = [ "-c" "exit 1" ]; }; };
      }`,
    );
    write(
      'plain/default.nix',
      'derivation { name = "plain"; system = builtins.currentSystem; builder = "/bin/sh"; from = "default.nix"; }',
    );
    for (const name of ['shell', 'default'])
      write(
        `both/${name}.nix`,
        `derivation { name = "x"; system = builtins.currentSystem; builder = "/bin/sh"; from = "${name}.nix"; }`,
      );
  });
  afterAll(() => {
    deletePath(dir);
  });

  it.each([
    ['of a derivation', ['-A', 'a', '--run', 'env | sort; tool; echo $HOOKED; cat $bigPath']],
    ['of a derivation, pure', ['-A', 'a', '--pure', '--run', 'env | sort; tool']],
    ['with a variable kept', ['-A', 'a', '--pure', '--keep', 'SECRET', '--run', 'echo $SECRET $IN_NIX_SHELL']],
    ['with arguments', ['-A', 'a', '--argstr', 'more', 'given', '--command', 'echo $more $asked; exit 4']],
    ['of structured attributes', ['-A', 'structured', '--run', 'declare -p n l s; cat $NIX_ATTRS_JSON_FILE']],
    ['with packages', ['-p', 'tool', '--run', 'tool; echo $name; cat $textPath']],
    [
      'with packages and arguments',
      ['-p', 'tool', 'pkgs.tool', '--argstr', 'greeting', 'bye', '--run', 'tool; exit 3'],
    ],
    ['of an expression', ['-E', '(import <nixpkgs> {}).tool', '--run', 'echo $name $SECRET']],
    ['of a shell function', ['-p', '--run', 'type runHook | head -1; echo $SHELL; shopt nullglob']],
  ])('the environment %s is the same', (_title, args) => {
    both(args);
  });

  it('takes shell.nix first, else default.nix, of a folder too', () => {
    for (const cwd of ['plain', 'both']) both(['--run', 'echo $from'], {}, join(dir, cwd));
    // 2.8 takes default.nix of a folder that is named; 2.36, as we, shell.nix.
    expect(run([program, 'nix-shell', 'both', '--run', 'echo $from']).stdout).toBe('shell.nix\n');
  });

  it('ends as the command does, and says what is wrong', () => {
    expect(run([program, 'nix-shell', '-p', '--run', 'kill -9 $$']).status).toBe(137);
    both(['-A', 'broken', '--run', 'true']);
    for (const args of [
      ['-E', '[]', '--run', 'true'],
      ['-p', '-E', 'x'],
    ]) {
      const { theirs, ours } = both(args);
      expect(ours.stderr.split('\n')[0]).toBe(theirs.stderr.split('\n')[0]);
    }
    const none = run([program, 'nix-shell', '--run', 'true'], {}, join(dir, 'empty'));
    expect(none.stderr).toContain(
      "error: no argument specified and no 'shell.nix' or 'default.nix' file found in the working directory",
    );
  });

  it('interprets scripts', () => {
    const lines =
      '#! nix-shell -i bash -p tool\n#! nix-shell --pure --keep SECRET\n#! nix-shell --argstr greeting "good day"\n';
    const script = (name: string, first: string): string => {
      const file = write(name, `${first}\n${lines}echo "$# $1 $2 $SECRET"; tool; exit 5\n`);
      chmodSync(file, 0o755);
      return file;
    };
    const ours = run([script('ours.sh', '#! /usr/bin/env nix-shell'), 'a b', '--help'], {
      PATH: `${dropIns}:/usr/bin:/bin`,
    });
    const theirs = run([script('theirs.sh', '#! /usr/bin/env nix-shell'), 'a b', '--help']);
    expect({ ...ours, stderr: '' }).toEqual({ ...theirs, stderr: '' });
    expect(ours.stdout).toBe('2 a b --help not for pure shells\ntool says good day\n');
    expect(ours.status).toBe(5);
  });
});
