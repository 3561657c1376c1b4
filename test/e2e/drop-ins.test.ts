// The folder of commands with Nix's names: a script finds them on PATH and needs no change.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';

const root = resolve(import.meta.dirname, '../..');
const dir = mkdtempSync(join(tmpdir(), 'tsnix-drop-ins-'));
afterAll(() => {
  spawnSync('chmod', ['-R', 'u+w', dir]);
  rmSync(dir, { recursive: true, force: true });
});

function sh(script: string): { status: number | null; stdout: string; stderr: string } {
  const folder = spawnSync(join(root, 'bin/tsnix'), ['drop-ins'], { encoding: 'utf8' }).stdout.trimEnd();
  return spawnSync('sh', ['-c', script], {
    cwd: dir,
    encoding: 'utf8',
    env: {
      PATH: `${folder}${delimiter}${process.env['PATH'] ?? ''}`,
      HOME: dir,
      NIX_REMOTE: `local?root=${dir}/root`,
      FOLDER: folder,
    },
  });
}

describe('drop-ins', () => {
  it('a script evaluates, instantiates and builds with them', () => {
    writeFileSync(
      join(dir, 'default.nix'),
      `derivation {
        name = "it";
        system = builtins.currentSystem;
        builder = "/bin/sh";
        args = [ "-c" "echo built > $out" ];
      }`,
    );
    const { status, stdout, stderr } = sh(`set -e
      nix-instantiate --eval --strict --json --expr '{ a = [ 1 "x y" ]; }'
      drv=$(nix-instantiate 2>/dev/null)
      out=$(nix-build --no-out-link "$drv" 2>/dev/null)
      test "$out" = "$(nix-build --no-out-link)"
      cat "$PWD/root$out"`);
    expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: '{"a":[1,"x y"]}\nbuilt\n', stderr: '' });
  });

  it('they work through links, by relative paths, and from their own folder', () => {
    symlinkSync(join(root, 'libexec/nix-instantiate'), join(dir, 'nix-instantiate'));
    symlinkSync('nix-instantiate', join(dir, 'again'));
    const { stdout, stderr } = sh(`
      ./nix-instantiate --eval --expr 1
      ./again --eval --expr 2
      cd "$FOLDER" && ./nix-instantiate --eval --expr 3 && sh nix-instantiate --eval --expr 4
      cd .. && libexec/nix-instantiate --eval --expr 5`);
    expect({ stdout, stderr }).toEqual({ stdout: '1\n2\n3\n4\n5\n', stderr: '' });
  });

  it('they go by their names in messages', () => {
    expect(sh('nix-build --no-such-flag').stderr).toContain("Try 'nix-build --help' for more information.");
    expect(sh('nix-instantiate --version').stdout).toMatch(/^nix-instantiate \(Nix\) 2\.36/);
    expect(sh('nix --version').stdout).toMatch(/^nix \(Nix\) 2\.36/);
    expect(sh('nix eval --no-such-flag').stderr).toContain("Try 'nix eval --help' for more information.");
  });

  it('nix: flags may stand before the command, and old names of commands work', () => {
    const { status, stdout, stderr } = sh(`set -e
      nix --option cores 3 show-config cores
      nix --cores 4 config show cores
      nix --extra-experimental-features nix-command eval --expr '1 + 1'
      nix --quiet hash-file --base16 --type md5 /dev/null`);
    expect({ status, stdout, stderr }).toEqual({
      status: 0,
      stdout: '3\n4\n2\nd41d8cd98f00b204e9800998ecf8427e\n',
      stderr:
        "warning: 'show-config' is a deprecated alias for 'config show'\n" +
        "warning: 'hash-file' is a deprecated alias for 'hash file'\n",
    });
  });

  it('what they say to a file has no control sequences, and its tabs are spaces', () => {
    const { stderr } = sh(
      `nix-instantiate --eval --expr 'builtins.trace "\t|" (throw (builtins.fromJSON "\\"\\\\u001b[31mred\\\\t|\\""))'`,
    );
    expect(stderr).toMatch(/^trace: {2}\|\n/);
    expect(stderr).toMatch(/error: red +\|\n$/);
  });
});
