// Which store is used, by whom, and stores that can't be used.
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
} from 'node:fs';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { derivations, Workplace, type StartOptions } from '../../support/cli.ts';
import { describeWith } from '../../support/requirements.ts';

const root = process.getuid?.() === 0;
const work = new Workplace({
  'default.nix': derivations(`
    hello = mk "hello" "echo hello \${who} > $out" {};
    setuid = mk "setuid" "echo > $out; chmod 4755 $out; :" { PATH = "/bin:/usr/bin"; };
    shadow = mk "shadow" "read -r line < /etc/shadow && echo $line > $out" {};
    fills = mk "fills" "while echo 0123456789012345678901234567890123456789; do :; done > $out; exit 1" {};
  `),
});
const home = join(work.dir, 'home');
/** As root these tests take the part of a user that owns nothing else. */
const asUser: StartOptions = root
  ? { through: ['setpriv', '--reuid', '31234', '--regid', '31234', '--clear-groups', '--'] }
  : {};
beforeAll(() => {
  mkdirSync(home);
  if (root) for (const dir of [home, work.project]) chownSync(dir, 31234, 31234);
});
afterAll(() => {
  work.close();
});
const visible = ['--option', 'sandbox-paths', ['/bin', '/usr', '/lib', '/lib64'].filter(existsSync).join(' ')];

describeWith(root ? ['setpriv'] : [], 'an ordinary user', () => {
  it('has a store at home, and links that lead to the files', async () => {
    if (existsSync('/nix/var/nix/db') && !root) return; // then it is theirs, or a daemon's
    const run = work.start(['build', '-A', 'hello'], asUser);
    const { status, stderr } = await run.ended;
    expect([status, stderr]).toEqual([0, expect.stringContaining('this derivation will be built:')]);
    const link = join(work.project, 'result');
    expect(readlinkSync(link)).toMatch(`${home}/.local/share/nix/root/nix/store/`);
    expect(readFileSync(link, 'utf8')).toBe('hello world\n');
  });

  it('builds without more rights than its own', async () => {
    const store = join(home, 'own');
    const run = (...args: string[]): ReturnType<Workplace['run']> =>
      work.start(['build', '--no-out-link', '--store', store, ...args], asUser).ended;
    const shadow = await run('-A', 'shadow');
    expect([shadow.status, shadow.stderr]).toEqual([100, expect.stringContaining('/etc/shadow: No such file')]);
    // The file is there, and what was refused is not.
    const setuid = await run('-A', 'setuid', ...visible);
    expect(setuid.status).toBe(0);
    expect(spawnSync('stat', ['-c', '%a', store + setuid.stdout.trim()], { encoding: 'utf8' }).stdout).toBe('444\n');
  });

  it('is told what can’t be written, with nothing about the expression', async () => {
    const closed = join(home, 'closed');
    mkdirSync(closed);
    if (root) chownSync(closed, 31234, 31234);
    chmodSync(closed, 0o555);
    const cases: [string, RegExp][] = [
      [closed, /^error: cannot make a store in '.*closed\/nix\/store': '.*': Permission denied\n$/],
      ['/proc/none', /^error: cannot make a store in '\/proc\/none\/nix\/store': '.*': No such file or directory\n$/],
    ];
    if (root) {
      await work.run(['build', '--no-out-link', '-A', 'hello']);
      cases.push([
        work.store,
        /^error: Nix database directory '.*\/db' is not writable: Permission denied\n.*non-root in a single-user Nix/,
      ]);
    }
    for (const [store, message] of cases) {
      const { status, stderr } = await work.start(['build', '--store', store, '-A', 'hello'], asUser).ended;
      expect([store, status, stderr]).toEqual([store, 1, expect.stringMatching(message)]);
    }
    expect(readdirSync(closed)).toEqual([]);
    // Reading it is enough for evaluation.
    const { stdout } = await work.start(['eval', '--store', closed, '-A', 'hello.name'], asUser).ended;
    expect(stdout).toBe('"hello"\n');
  });
});

describe('the store', () => {
  it('is named by --store, NIX_REMOTE or a setting, in this order', async () => {
    const place = async (args: string[], env: Record<string, string>): Promise<string> => {
      const { stdout, stderr } = await work.start(['build', '--json', '--no-link', '-A', 'hello', ...args], { env })
        .ended;
      if (stdout === '') return stderr;
      return (JSON.parse(stdout) as [{ realPaths: { out: string } }])[0].realPaths.out.replace(/\/nix\/store\/.*/, '');
    };
    const dir = realpathSync(work.dir);
    expect(await place([], { NIX_REMOTE: `${dir}/remote` })).toBe(`${dir}/remote`);
    expect(await place([], { NIX_REMOTE: `${dir}/remote`, NIX_CONFIG: `store = ${dir}/set` })).toBe(`${dir}/set`);
    expect(await place(['--store', 'local?root=' + dir + '/flag'], { NIX_CONFIG: `store = ${dir}/set` })).toBe(
      `${dir}/flag`,
    );
    expect(await place([], { NIX_REMOTE: 's3://bucket' })).toMatch(/^error: stores of kind 's3' are not implemented/);
  });
});

describeWith(root ? ['mount'] : ['needs root: mount'], 'a full disk', () => {
  it('is an error, and leaves a store that works', async () => {
    const disk = join(work.dir, 'disk');
    mkdirSync(disk);
    spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=24m', 'tmpfs', disk]);
    try {
      const full = await work.run(['build', '--no-out-link', '-A', 'fills'], { env: { NIX_REMOTE: `${disk}/s` } });
      expect([full.status, full.stderr]).toEqual([
        100,
        expect.stringContaining('note: build failure may have been caused by lack of free disk space'),
      ]);
      const after = await work.run(['build', '--no-out-link', '-A', 'hello'], { env: { NIX_REMOTE: `${disk}/s` } });
      expect([after.status, after.stderr]).toEqual([0, expect.stringContaining('building')]);
      expect(readdirSync(`${disk}/s/nix/store`).filter((name) => /fills$|\.chroot|\.lock|tmp/.test(name))).toEqual([]);
    } finally {
      spawnSync('umount', [disk]);
    }
  });
});
