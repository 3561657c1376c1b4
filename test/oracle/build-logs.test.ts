// Build logs in binary caches: written by one and read by the other, Nix 2.8 and ours.
import { cpSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { derivations, program, Workplace, type Ended } from '../support/cli.ts';
import { describeWith } from '../support/requirements.ts';

const work = new Workplace({
  'default.nix': derivations(`
    a = mk "a" "echo the log of a; echo a > $out" {};
    quiet = mk "quiet" "echo > $out" {};
    unbuilt = mk "unbuilt" "echo > $out" {};
  `),
});
afterAll(() => {
  work.close();
});
const settings = ['sandbox = true', 'sandbox-paths = /bin /usr /lib /lib64', 'substituters =', 'build-users-group ='];
const run = (words: readonly string[], store = work.store): Promise<Ended> =>
  work.startProgram(words, {
    env: {
      NIX_REMOTE: store,
      NIX_PATH: '',
      NIX_CONFIG: [...settings, 'experimental-features = nix-command'].join('\n'),
    },
  }).ended;
const cache = (name: string): string => `file://${join(work.dir, name)}`;

describeWith(['nix', 'nix-build', 'perl'], 'build logs', () => {
  const out: Record<string, string> = {};
  const drv: Record<string, string> = {};
  beforeAll(async () => {
    for (const name of ['a', 'quiet']) {
      const { stdout, stderr } = await run([program, 'nix-build', '-A', name, '--no-out-link']);
      expect(stdout, stderr).toMatch(/^\/nix/);
      out[name] = stdout.trim();
    }
    for (const name of ['a', 'quiet', 'unbuilt']) {
      drv[name] = (await run([program, 'instantiate', '-A', name])).stdout.trim();
    }
  });

  it('are copied to caches alike', async () => {
    for (const [name, nix] of [
      ['theirs', 'nix'],
      ['ours', program],
    ] as const) {
      const { status, stderr } = await run([nix, 'store', 'copy-log', '--to', cache(name), drv['a']!, drv['quiet']!]);
      expect([status, stderr]).toEqual([0, '']);
    }
    const files = (name: string): string[] => readdirSync(join(work.dir, name, 'log')).sort();
    expect(files('ours')).toEqual(files('theirs'));
    for (const file of files('ours')) {
      const read = (name: string): string => readFileSync(join(work.dir, name, 'log', file), 'latin1');
      expect(read('ours')).toBe(read('theirs'));
    }
  });

  it('are read from caches of the other, by name, as substituters, and back into stores', async () => {
    for (const path of [drv['a']!, out['a']!]) {
      const mine = await run([program, 'log', path, '--store', cache('theirs')]);
      expect([mine.stdout, mine.stderr], path).toEqual(['the log of a\n', '']);
    }
    // A store that has lost its logs.
    const bare = join(work.dir, 'bare');
    cpSync(work.store, bare, { recursive: true, verbatimSymlinks: true });
    rmSync(join(bare, 'nix/var/log'), { recursive: true });
    expect((await run(['nix', 'log', drv['a']!, '--substituters', ''], bare)).status).toBe(1);
    for (const [nix, from] of [
      ['nix', 'ours'],
      [program, 'theirs'],
    ] as const) {
      const substituted = await run([nix, 'log', drv['a']!, '--substituters', cache(from)], bare);
      expect(substituted.stdout, substituted.stderr).toBe('the log of a\n');
    }
    expect((await run([program, 'store', 'copy-log', '--from', cache('theirs'), drv['a']!], bare)).status).toBe(0);
    expect((await run(['nix', 'log', drv['a']!], bare)).stdout).toBe('the log of a\n');
  });

  it('that are not there are no empty logs', async () => {
    expect((await run([program, 'log', drv['quiet']!, '--store', cache('theirs')])).status).toBe(0);
    const none = await run([program, 'log', drv['unbuilt']!, '--store', cache('theirs')]);
    expect([none.status, none.stderr]).toEqual([1, `error: build log of '${drv['unbuilt']!}' is not available\n`]);
    const copied = await run([program, 'store', 'copy-log', '--to', cache('ours'), drv['unbuilt']!]);
    expect([copied.status, copied.stderr]).toEqual([1, `error: build log for '${drv['unbuilt']!}' is not available\n`]);
  });
});
