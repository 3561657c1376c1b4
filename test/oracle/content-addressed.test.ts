// Content-addressed derivations built by real Nix (2.8.0) and by tsnix: paths, hashes, references, content addresses and
// derivers of everything that is registered, resolved derivations among it. And what 2.8 does not do: early cutoff by
// the build trace of 2.36.
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, symlinkSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { currentSystem } from '../../src/build/settings.ts';
import { deletePath } from '../../src/store/delete-path.ts';
import { busybox, busyboxTools } from '../support/build-fixture.ts';
import { program } from '../support/cli.ts';
import { describeWith } from '../support/requirements.ts';

const corpus = join(import.meta.dirname, 'builds/content-addressed.nix');
const needs = process.getuid?.() === 0 ? ['nix-build', 'sqlite3', busybox] : ['root'];

describeWith(needs, 'content-addressed derivations compared with real Nix', () => {
  const dir = mkdtempSync(join(tmpdir(), 'tsnix-ca-'));
  const theirs = join(dir, 'nix');
  const ours = join(dir, 'tsnix');
  const build = (words: readonly string[], store: string, more: readonly string[] = []) => {
    const run = spawnSync(
      words[0]!,
      [
        ...[...words.slice(1), corpus, '-A', 'all', '--no-out-link', '--store', store],
        ...['--arg', 'busybox', join(dir, 'box'), '--argstr', 'system', currentSystem(), ...more],
      ],
      {
        encoding: 'latin1',
        env: {
          PATH: process.env['PATH'],
          HOME: join(dir, 'home'),
          NIX_CONFIG:
            'experimental-features = ca-derivations\nbuild-users-group =\nsubstitute = false\nsandbox-paths =\nsandbox = true',
        },
      },
    );
    return { status: run.status, stdout: run.stdout, stderr: run.stderr.replace(/^warning: the group.*\n/gm, '') };
  };
  const sql = (store: string, query: string): string[] => {
    const run = spawnSync('sqlite3', [`${store}/nix/var/nix/db/db.sqlite`, query], { encoding: 'latin1' });
    expect(run.stderr).toBe('');
    return run.stdout.split('\n').filter((line) => !/-(dash|glibc)(\.drv)?\b/.test(line));
  };
  const registered =
    `select v.path, v.hash, v.narSize, v.ca, v.deriver, v.ultimate, group_concat(r.path, ' ') from ValidPaths v ` +
    `left join (select referrer, path from Refs join ValidPaths on reference = id order by path) r on r.referrer = v.id ` +
    `group by v.path order by v.path`;
  let their: ReturnType<typeof build>;
  let our: ReturnType<typeof build>;

  beforeAll(() => {
    chmodSync(dir, 0o755);
    mkdirSync(join(dir, 'box/bin'), { recursive: true });
    copyFileSync(busybox, join(dir, 'box/bin/busybox'));
    for (const tool of busyboxTools) symlinkSync('busybox', join(dir, 'box/bin', tool));
    their = build(['nix-build'], theirs);
    our = build([program, 'nix-build'], ours);
  }, 170_000);
  afterAll(() => {
    deletePath(dir);
  });

  it('come to the same paths', () => {
    expect(their.status, their.stderr).toBe(0);
    expect(our.status, our.stderr).toBe(0);
    expect(our.stdout).toBe(their.stdout);
  });

  it('are registered alike, with what they resolve to', () => {
    expect(sql(ours, registered)).toEqual(sql(theirs, registered));
    const outputs =
      'select v.path, d.id, d.path from DerivationOutputs d join ValidPaths v on v.id = d.drv order by 1, 2';
    expect(sql(ours, outputs)).toEqual(sql(theirs, outputs));
  });

  it('leave a store that real Nix finds nothing wrong with', () => {
    const run = spawnSync('nix-store', ['--store', ours, '--verify', '--check-contents'], { encoding: 'latin1' });
    expect(run.stderr).not.toMatch(/error|modified|warning: not all/);
    expect(run.status).toBe(0);
  });

  it('are not built again where the build trace knows them', () => {
    const again = build([program, 'nix-build'], ours);
    expect(again).toEqual({ status: 0, stdout: our.stdout, stderr: '' });
  });

  it('come to the same paths again where they are gone and the build trace still knows them', () => {
    const env = { PATH: process.env['PATH'], HOME: join(dir, 'home') };
    const gc = spawnSync('nix-store', ['--store', ours, '--gc'], { encoding: 'latin1', env });
    expect(gc.status, gc.stderr).toBe(0);
    const again = build([program, 'nix-build'], ours);
    expect(again.status, again.stderr).toBe(0);
    expect(again.stdout).toBe(our.stdout);
    expect(again.stderr).toContain('building');
  });

  it('come to the same paths again where some outputs are still there, and the others refer to them', () => {
    const env = { PATH: process.env['PATH'], HOME: join(dir, 'home') };
    const out = our.stdout.split('\n').find((path) => path.endsWith('-outputs'))!;
    const nixStore = (...words: string[]): string => {
      const run = spawnSync('nix-store', ['--store', ours, ...words], { encoding: 'latin1', env });
      expect(run.status, run.stderr).toBe(0);
      return run.stdout;
    };
    const referrers = nixStore('-q', '--referrers-closure', out).trim().split('\n');
    nixStore('--delete', '--ignore-liveness', ...referrers);
    const again = build([program, 'nix-build'], ours);
    expect(again).toEqual({ status: 0, stdout: our.stdout, stderr: expect.stringContaining('-outputs.drv') as string });
    expect(sql(ours, registered)).toEqual(sql(theirs, registered));
  });

  it('spare what depends on them where they come to the same (early cutoff)', () => {
    const changed = build([program, 'nix-build'], ours, ['--argstr', 'seed', 'other']);
    expect(changed.status, changed.stderr).toBe(0);
    const built = [...changed.stderr.matchAll(/building '.*-([a-z-]+[0-9]*)\.drv'/g)].map((match) => match[1]!);
    // seed is a variable of each: all resolve to something new. Without it, nothing above would.
    expect(built).toContain('a');
    const cutoff = spawnSync(
      program,
      [
        ...['nix-build', '--store', ours, '--no-out-link', '-E'],
        `let mk = name: text: more: derivation ({ inherit name; system = "${currentSystem()}"; builder = "\${${join(dir, 'box')}}/bin/sh";
           args = [ "-c" text ]; __contentAddressed = true; outputHashMode = "recursive"; outputHashAlgo = "sha256"; } // more);
           in map (seed: mk "above" "echo \${mk "below" "echo same > $out" { inherit seed; }} > $out" {}) [ "1" "2" ]`,
      ],
      {
        encoding: 'latin1',
        env: {
          PATH: process.env['PATH'],
          HOME: join(dir, 'home'),
          NIX_CONFIG: 'experimental-features = ca-derivations',
        },
      },
    );
    expect(cutoff.status, cutoff.stderr).toBe(0);
    const names = [...cutoff.stderr.matchAll(/building '.*-(above|below)\.drv'/g)].map((match) => match[1]!);
    expect(names.sort()).toEqual(['above', 'below', 'below']);
    expect(new Set(cutoff.stdout.trim().split('\n')).size).toBe(1);
  });
});
