// `nix profile` in a store of its own: manifests, conflicts, versions, flakes that change.
import { readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Workplace, type Ended } from '../../support/cli.ts';

const flake = (version: string): string => `{
  outputs = { self }: {
    packages.x86_64-linux.default = {
      type = "derivation"; name = "tool-${version}"; outputName = "out"; outputs = [ "out" ];
      drvPath = self.drv.drvPath; outPath = self.drv.outPath; out = self.drv; meta.priority = 7;
    };
    packages.x86_64-linux.other = self.drv;
    drv = derivation { name = "tool-${version}"; system = "builtin"; builder = "builtin:tsnix-write-text"; text = "${version}"; destination = "/bin/tool"; };
  };
}`;

const work = new Workplace({
  'flake/flake.nix': flake('1.0'),
  'default.nix': `
    let mk = name: text: derivation {
      inherit name text; system = "builtin"; builder = "builtin:tsnix-write-text"; destination = "/bin/tool";
    }; in { a = mk "a-1" "a"; b = mk "b-2" "b"; }`,
});
afterAll(() => {
  work.close();
});

const profile = join(work.dir, 'p/p');
const nix = (...args: readonly string[]): Promise<Ended> =>
  work.run(['profile', ...args, '--profile', profile], {
    name: 'nix',
    env: { NIX_CONFIG: 'experimental-features = flakes nix-command\nsandbox = false\nsubstituters =' },
  });
const plain = (text: string): string => text.replace(/\x1b\[[0-9;]*m/g, '');
const names = async (): Promise<string[]> =>
  [...plain((await nix('list')).stdout).matchAll(/^Name: +(\S+)/gm)].map(([, name]) => name!);

describe('nix profile', () => {
  beforeAll(() => {
    work.write('../p/.keep', '');
  });

  it('adds packages of files, by their names', async () => {
    expect(await nix('add', '--file', '.', 'a')).toMatchObject({ status: 0, stdout: '' });
    const json = JSON.parse((await nix('list', '--json')).stdout) as { elements: Record<string, object> };
    expect(json).toEqual({
      version: 3,
      elements: { a: { active: true, priority: 5, storePaths: [expect.stringMatching(/^\/nix\/store\/.*-a-1$/)] } },
    });
    const manifest = readFileSync(join(readlinkSync(`${profile}-1-link`), 'manifest.json'), 'utf8');
    expect(manifest).toBe(JSON.stringify(json, ['elements', 'a', 'active', 'priority', 'storePaths', 'version']));
  });

  it('tells what is in the way of what, and leaves the profile alone', async () => {
    const { status, stderr } = await nix('add', '--file', '.', 'b');
    expect(status).toBe(1);
    expect(stderr).toContain('error: An existing package already provides the following file:');
    expect(stderr).toMatch(/To remove the existing package:\n\n +nix profile remove a\n/);
    expect(stderr).toMatch(/have a priority of 5\.\n/);
    expect(stderr).toMatch(/nix profile add \/nix\/store\/\S+-b-2 --priority 4\n/);
    expect(readlinkSync(profile)).toBe('p-1-link');
    expect((await nix('add', '--file', '.', 'b', '--priority', '4')).status).toBe(0);
    expect(await names()).toEqual(['a', 'b']);
    expect(readlinkSync(join(readlinkSync(`${profile}-2-link`), 'bin/tool'))).toMatch(/-b-2\/bin\/tool$/);
  });

  it('removes by name, pattern and path, and says what matches nothing', async () => {
    expect(await nix('remove', 'nothing')).toMatchObject({
      status: 0,
      stderr:
        "warning: Package name 'nothing' does not match any packages in the profile.\n" +
        "warning: No packages to remove. Use 'nix profile list' to see the current profile.\n",
    });
    expect((await nix('remove', '--regex', 'A|B')).stderr).toBe(
      "removing 'a'\nremoving 'b'\nremoved 2 packages, kept 0 packages\n",
    );
    expect((await nix('remove', '3')).stderr).toContain("'nix profile' no longer supports indices ('3')");
    expect((await nix('rollback')).stderr).toBe('switching profile from version 3 to 2\n');
    expect((await nix('remove', '--all', 'a')).stderr).toContain('--all cannot be used with package names');
  });

  it('upgrades what came from a flake, and shows history', async () => {
    expect((await nix('remove', '--all')).status).toBe(0);
    expect((await nix('add', './flake')).status).toBe(0);
    expect((await nix('add', './flake')).stderr).toContain("warning: 'flake' is already added");
    const listed = plain((await nix('list')).stdout);
    expect(listed).toContain('Flake attribute:    packages.x86_64-linux.default\n');
    expect(listed).toMatch(new RegExp(`Original flake URL: path:${work.project}/flake\n`));
    expect(listed).toMatch(/Locked flake URL: {3}path:\S*narHash=sha256-/);
    work.write('flake/flake.nix', flake('2.0'));
    expect((await nix('upgrade', '--all')).stderr).toContain(
      "upgrading 'packages.x86_64-linux.default' from flake 'path:",
    );
    expect(plain((await nix('history')).stdout)).toMatch(/packages\.x86_64-linux\.default: 1\.0 -> 2\.0\n$/);
    expect((await nix('diff-closures')).stdout).toMatch(/\n {2}tool: 1\.0 → 2\.0\n$/);
    expect((await nix('wipe-history')).stderr).toContain('removing profile version 1\n');
    expect(plain((await nix('history')).stdout).match(/^Version/gm)).toHaveLength(1);
    const built = await work.run(['build', '--no-link', '-f', '.', 'a', '--profile', profile], { name: 'nix' });
    expect(built.status).toBe(0);
    expect(readlinkSync(readlinkSync(profile).replace(/^/, `${work.dir}/p/`))).toMatch(/-a-1$/);
  });
});
