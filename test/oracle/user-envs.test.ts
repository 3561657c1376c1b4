// User environments by real Nix and by ours: the trees that builtin:buildenv makes.
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
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

copyFileSync(join(import.meta.dirname, 'user-envs/packages.nix'), join(project, 'packages.nix'));

describeWith(['nix-env', 'perl'], 'nix-env and the real one', () => {
  const env = 'nix-env -p ../profiles/p';
  const f = `${env} -f packages.nix`;
  const commands = [
    'mkdir ../profiles',
    `${f} -qa`,
    `${f} -qaP '*'`,
    `${f} -qa --xml --meta --out-path --drv-path --description`,
    `${f} -qa --json --meta`,
    `${f} -qa --json --out-path hello`,
    `${f} -qa --no-name -P --system --out-path --description 'h.*'`,
    `${f} -qa -A set`,
    `${f} -qa nothing`,
    `${f} -qa 'hello-2.0' multi`,
    `${f} -q`,
    `${f} -i hello`,
    `${f} -iA hello-1 multi`,
    `${f} -q --out-path --description`,
    `${f} -qc`,
    `${f} -qac 'h.*'`,
    `${f} -qas`,
    `${f} -qab`,
    `${f} -qas --xml hello`,
    `${f} -q --xml --meta --json`,
    `${f} -q --json --out-path --meta`,
    `${f} -u --dry-run`,
    `${f} -u`,
    `${f} -u hello --always`,
    `${f} -i low high`,
    `${f} -i equal`,
    `${env} --set-flag priority 20 high`,
    `${env} --set-flag active false multi`,
    `${env} --set-flag active false nothing`,
    `${env} --set-flag active`,
    `${f} --argstr more 5 -i high --dry-run`,
    `${f} --arg more '"5"' -P -i high`,
    `${f} -iE 'x: (x {}).set.inner' '_: []'`,
    `${f} -i set`,
    `${f} -i inner`,
    `${env} -e multi nothing`,
    `${env} -e 'lo.'`,
    `${env} --list-generations | sed 's/ 20..-.*  / DATE /'`,
    `${env} --rollback`,
    `${env} --switch-generation 2`,
    `${env} -q`,
    `${env} --switch-generation 200`,
    `${env} -G x`,
    `${env} --delete-generations 2`,
    `${env} --delete-generations 1 3 99`,
    `${env} --delete-generations +2`,
    `${env} --delete-generations 0d`,
    `${env} --delete-generations 30d`,
    `${env} --delete-generations x`,
    `${f} -irA Upper`,
    `${env} -i "$(nix-instantiate packages.nix -A low 2>/dev/null)"`,
    `${env} -i "$(nix-build packages.nix --no-out-link -A hello-1 2>/dev/null)/bin"`,
    `${env} -q --out-path --system`,
    `nix-env -p ../profiles/other --from-profile $PLACE/profiles/p -i hello`,
    `nix-env -p ../profiles/other --set "$(nix-build packages.nix --no-out-link -A low 2>/dev/null)"`,
    `nix-env -p ../profiles/other -f packages.nix --set -A high Upper`,
    `${env} --keep-env-derivations -f packages.nix -iA multi`,
    `${env} --delete-generations old --dry-run`,
    `${env} --delete-generations old`,
    `mkdir -p ../home/.nix-defexpr/sub; cp packages.nix ../home/.nix-defexpr/some.nix; echo '{ }' > ../home/.nix-defexpr/sub/some.nix; ln -s nowhere ../home/.nix-defexpr/x`,
    `${env} -qaP hello`,
    `${env} -iA some.hello-2`,
    `${env} -i hello --force-name other-2`,
    `${env} -q`,
    'nix-env',
    'nix-env -q -i',
    `${f} -q --foo`,
    `${f} -i --foo`,
    `${f} --rollback x`,
    `${f} -e -x`,
    `nix-env -f nothing.nix -qa`,
    `nix-store --gc 2>/dev/null | grep -c ' '; ls ../profiles`,
  ];
  const shown: Shown[][] = [];

  beforeAll(() => {
    for (const ours of [false, true]) shown.push(both.run(ours ? 'env-ours' : 'env-real', commands, project, ours));
  }, 240_000);

  it.each(commands.map((command, i) => [command, i] as const))('%s', (_, i) => {
    const [real, ours] = shown.map((all) => all[i]!);
    expect([ours!.status, values(ours!.stdout)]).toEqual([real!.status, values(real!.stdout)]);
    expect(messages(ours!.stderr)).toEqual(messages(real!.stderr));
  });

  it('profiles, environments and their derivations are the same', () => {
    const links = (as: string): string[] =>
      treeListing(join(both.dir, as, 'profiles')).map((line) => line.replace(/ \d+:\d+ [\d.]+/, ''));
    expect(links('env-ours')).toEqual(links('env-real'));
    const stored = (as: string): string[] =>
      readdirSync(join(both.dir, as, 'store'))
        .filter((name) => /user-environment|env-manifest/.test(name) && !/\.(lock|chroot)$/.test(name))
        .sort();
    expect(stored('env-ours')).toEqual(stored('env-real'));
    expect(stored('env-real').length).toBeGreaterThan(3);
  });

  /** Keys of JSON are in order since 2.9, and members in one. */
  const values = (text: string): unknown => (text.startsWith('{') ? JSON.parse(text) : text);

  /** What is told in other words since: conflicts, paths that are missing. */
  const reworded =
    /^(error: (packages|builder for|getting information|Cannot build|path .* does not exist)|Unable to build)/;

  function messages(stderr: string): string[] {
    const lines = stderr.split('\n').map((line) => line.trimStart());
    const end = lines.findIndex((line) => reworded.test(line));
    return (
      lines
        .slice(0, end < 0 ? undefined : end)
        .filter((line) => !/^(warning: (you did not|the group)|Try )/.test(line))
        .map((line) => line.replace(/(profile )"?([^"']*?)["']$/, '$1$2'))
        // In which order is chance.
        .sort()
    );
  }
});
