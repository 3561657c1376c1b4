// User environments by real Nix and by ours: the trees that builtin:buildenv makes.
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { describeWith } from '../support/requirements.ts';
import { SideBySide, type Shown } from '../support/side-by-side.ts';
import { treeListing } from '../support/tree-listing.ts';

const both = new SideBySide();
const project = mkdtempSync(join(tmpdir(), 'tsnix-user-envs-'));
afterAll(() => {
  both.close();
  rmSync(project, { recursive: true, force: true });
});

/** `-> TARGET` for links. */
function write(files: Readonly<Record<string, string>>): void {
  for (const [name, text] of Object.entries(files)) {
    const file = join(project, name);
    mkdirSync(dirname(file), { recursive: true });
    if (text.startsWith('-> ')) symlinkSync(text.slice(3), file);
    else writeFileSync(file, text);
  }
}

write({
  'a/bin/a': 'a',
  'a/share/man/man1/a.1': '',
  'a/lib': '-> lib64',
  'a/lib64/a.so': '',
  'a/lib64/.hidden': '',
  'a/share/info/dir': '',
  'a/share/info/a.info': '',
  'a/nix-support/x': '',
  'a/manifest.nix': '',
  'a/log/x': '',
  'b/bin/b': 'b',
  'b/bin/both': 'b',
  'b/lib/b.so': '',
  'b/share/info/dir': '',
  'b/share/man/man1/b.1': '',
  'b/dangling': '-> nowhere',
  'c/bin/both': 'c',
  'c/bin/c': 'c',
  'c/lib64/c.so': '',
  'd/lib': 'a file',
  'e/bin': '-> elsewhere',
  'e/elsewhere/e': '',
  file: 'a file',
  'buildenv.nix': `
    let
      at = name: builtins.path { path = ./. + "/\${name}"; inherit name; };
      more = builtins.derivation {
        name = "more"; system = builtins.currentSystem; builder = "/bin/sh";
        args = [ "-c" ''
          PATH=/bin:/usr/bin; mkdir -p $out/nix-support $out/bin; echo > $out/bin/more
          echo "\${at "c"} \${at "b"}" > $out/nix-support/propagated-user-env-packages'' ];
      };
      env = name: derivations: derivation {
        inherit name derivations;
        system = "builtin"; builder = "builtin:buildenv";
        manifest = builtins.toFile "manifest.nix" "[ ]";
      };
    in {
      empty = env "empty" [ ];
      one = env "one" [ "true" 5 1 (at "a") ];
      opened = env "opened" [ "true" 5 1 (at "a") "true" 5 1 (at "b") ];
      priorities = env "priorities" [ "true" 5 2 (at "b") (at "a") "true" 4 1 (at "c") "false" 0 1 (at "d") ];
      behind = env "behind" [ "true" "12" 1 (at "c") "true" "7x" 1 (at "b") ];
      linked = env "linked" [ "true" 5 1 (at "e") "true" 6 2 (at "a") (at "b") ];
      twice = env "twice" [ "true" 5 1 (at "a") "true" 6 1 (at "a") ];
      propagated = env "propagated" [ "true" 5 1 more ];
      file = env "file" [ "true" 5 1 (at "file") "true" 5 1 (at "a") ];
      conflict = env "conflict" [ "true" 3 1 (at "b") "true" 3 1 (at "c") ];
      mixed = env "mixed" [ "true" 5 1 (at "a") "true" 6 1 (at "d") ];
      mixed-again = env "mixed-again" [ "true" 5 1 (at "d") "true" 6 1 (at "b") ];
      opened-file = env "opened-file" [ "true" 4 1 (at "a") "true" 5 1 (at "b") "true" 6 1 (at "d") ];
    }`,
});

describeWith(['nix-build', 'perl'], 'builtin:buildenv and the real one', () => {
  const good = 'empty one opened priorities behind linked twice propagated file mixed'.split(' ');
  const bad = 'conflict mixed-again opened-file'.split(' ');
  const shown: Shown[][] = [];

  beforeAll(() => {
    const commands = [
      `nix-build buildenv.nix --no-out-link ${good.map((name) => `-A ${name}`).join(' ')}`,
      ...bad.map((name) => `nix-build buildenv.nix --no-out-link -A ${name}`),
    ];
    for (const ours of [false, true]) shown.push(both.run(ours ? 'ours' : 'real', commands, project, ours));
  }, 120_000);

  it.each(good)('%s', (name) => {
    const trees = ['real', 'ours'].map((as, i) => {
      const path = shown[i]![0]!.stdout.split('\n')[good.indexOf(name)]!;
      return treeListing(join(both.dir, as, 'store', basename(path)));
    });
    expect(trees[1]).toEqual(trees[0]);
    expect(trees[0]!.length).toBeGreaterThan(1);
  });

  it.each(bad)('%s fails, in the words of 2.36', (name) => {
    const [real, ours] = shown.map((all) => all.find(({ command }) => command.endsWith(`-A ${name}`))!);
    expect(ours!.status).toBe(real!.status);
    const place = `${both.place}/store/[a-z0-9]{32}`;
    const expected = {
      conflict: `There is a conflict for the following files:\\n\\n( *"${place}-[bc]/bin/both"\\n){2}`,
      'mixed-again': `collision between "${place}-b/lib" and non-directory "${place}-d/lib"`,
      'opened-file': `collision between non-directory '${place}-d/lib' and directory '${place}-opened-file/lib'`,
    }[name]!;
    expect(ours!.stderr).toMatch(new RegExp(expected));
  });
});
