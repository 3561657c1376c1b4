// The serve protocol and nix-copy-closure against Debian's Nix, each as client and as server, by way of an `ssh` that
// runs the command here, with another store.
import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { derivations, program, Workplace } from '../support/cli.ts';
import { describeWith } from '../support/requirements.ts';
import { treeListing } from '../support/tree-listing.ts';

const work = new Workplace({
  'default.nix': derivations(`
    a = mk "a" "echo working on a; echo \${./file} > $out" {};
    top = mk "top" "echo \${a} $out > $out" {};
    unbuilt = mk "unbuilt" "echo \${a} > $out" {};
    fails = mk "fails" "exit 3" {};
  `),
  file: 'contents\n',
  // Takes what ssh takes: a host and options, in any order, and a command.
  '../bin/ssh': `#!/bin/sh
echo "$@" >> "$HOME/ssh-log"
host=
started=
while [ $# -gt 0 ]; do
  case $1 in
    --) shift; break;;
    -p|-i|-o) shift 2;;
    -oLocalCommand=*) started=1; shift;;
    -*) shift;;
    *) [ -z "$host" ] || break; host=$1; shift;;
  esac
done
[ -z "$started" ] || echo started
NIX_REMOTE=$REMOTE_STORE PATH=$REMOTE_PATH exec sh -c "$*"
`,
});
afterAll(() => {
  work.close();
});
chmodSync(join(work.dir, 'bin/ssh'), 0o755);
mkdirSync(join(work.dir, 'home'));

const dropIns = join(dirname(program), '../libexec');
const systemPath = process.env['PATH']!;
const settings = ['sandbox = true', 'sandbox-paths = /bin /usr /lib /lib64', 'substituters =', 'build-users-group ='];
const place = (name: string): string => join(work.dir, name);

interface Result {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}
type Side = 'nix' | 'ours';

/** The host has its store in `remote`; `server` answers there. */
function run(
  command: readonly string[],
  {
    server = 'nix',
    store = work.store,
    remote = '',
    input = '',
  }: {
    readonly server?: Side;
    readonly store?: string;
    readonly remote?: string;
    readonly input?: Buffer | string;
  } = {},
): Result {
  const { status, stdout, stderr } = spawnSync(command[0]!, command.slice(1), {
    cwd: work.project,
    encoding: 'latin1',
    maxBuffer: 1 << 28,
    input,
    env: {
      ...work.environment(),
      PATH: `${place('bin')}:${systemPath}`,
      NIX_PATH: '',
      NIX_CONFIG: settings.join('\n'),
      NIX_REMOTE: store,
      NIX_SSHOPTS: '-o Some=thing',
      REMOTE_STORE: remote,
      REMOTE_PATH: server === 'ours' ? `${dropIns}:${systemPath}` : systemPath,
    },
  });
  return { status, stdout, stderr };
}
const contents = (store: string): unknown => ({
  files: treeListing(join(store, 'nix/store')).filter((line) => !line.startsWith('. ') && !/^\S+\.lock /.test(line)),
  db: run(['nix-store', '--dump-db'], { store }).stdout,
});
const copyClosure = (client: Side): string[] =>
  client === 'nix' ? ['nix-copy-closure'] : [join(dropIns, 'nix-copy-closure')];

const number = (value: number): Buffer => {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt32LE(value);
  return bytes;
};
const text = (value: string): Buffer =>
  Buffer.concat([number(value.length), Buffer.from(value), Buffer.alloc(-value.length & 7)]);
const hello = [number(0x390c9deb), number(0x207)];

describeWith(['nix-store', 'nix-copy-closure', 'perl'], 'the serve protocol', () => {
  const paths: Record<string, string> = {};
  beforeAll(() => {
    const build = run(['nix-build', '-A', 'top', '-o', place('result')]);
    if (build.status !== 0) throw new Error(build.stderr);
    paths['top'] = build.stdout.trim();
    for (const name of ['top', 'unbuilt', 'fails']) {
      paths[`${name}Drv`] = run(['nix-instantiate', '-A', name]).stdout.trim();
    }
    paths['unbuilt'] = run(['nix-store', '-q', '--outputs', paths['unbuiltDrv']!]).stdout.trim();
  });

  it.each<readonly [Side, Side]>([
    ['nix', 'ours'],
    ['ours', 'nix'],
    ['ours', 'ours'],
  ])('nix-copy-closure of %s to and from a host with that of %s', (client, server) => {
    const command = copyClosure(client);
    const [theirs, mine] = [place(`to-nix-${client}-${server}`), place(`to-${client}-${server}`)];
    const named = [paths['topDrv']!, paths['top']!];
    expect(run(['nix-copy-closure', '--to', 'machine', ...named], { remote: theirs }).status).toBe(0);
    const to = run([...command, '--to', 'me@machine', ...named], { server, remote: mine });
    expect(to.status, to.stderr).toBe(0);
    expect(to.stderr).toMatch(/copying \d+ paths/);
    expect(contents(mine)).toEqual(contents(theirs));
    expect(run(['nix-store', '--verify', '--check-contents'], { store: mine }).status).toBe(0);
    const log = readFileSync(place('home/ssh-log'), 'utf8').trim().split('\n').at(-1)!;
    expect(log).toMatch(/me@machine/);
    expect(log).toMatch(/-o Some=thing.* nix-store --serve --write$/);
    // Again: nothing is left to copy.
    expect(run([...command, 'machine', ...named], { server, remote: mine }).stderr).not.toContain('copying path');

    const back = place(`from-${client}-${server}`);
    const from = run([...command, '--from', 'machine', paths['top']!], { server, remote: mine, store: back });
    expect(from.status, from.stderr).toBe(0);
    expect(run(['nix-store', '-qR', paths['top']!], { store: back }).stdout).toBe(
      run(['nix-store', '-qR', paths['top']!]).stdout,
    );
    expect(run(['nix-store', '--verify', '--check-contents'], { store: back }).status).toBe(0);

    const none = run([...command, '--from', 'machine', `/nix/store/${'0'.repeat(32)}-none`], {
      ...{ server, remote: mine, store: back },
    });
    expect(none.status).toBe(1);
  });

  it('says what is wrong with hosts as Nix does', () => {
    const copy = (client: Side, ssh: string): Result => {
      writeFileSync(place('bin/ssh'), `#!/bin/sh\n${ssh}\n`);
      return run([...copyClosure(client), 'machine', paths['top']!]);
    };
    const script = readFileSync(place('bin/ssh'));
    try {
      for (const ssh of ['exit 255', 'echo Welcome to this host']) {
        const [theirs, mine] = [copy('nix', ssh), copy('ours', ssh)];
        // Nix may find out while it writes that nobody is there.
        const said = theirs.stderr.replace('writing to file: Broken pipe', "cannot connect to 'machine'");
        expect([mine.status, mine.stderr]).toEqual([theirs.status, said]);
      }
    } finally {
      writeFileSync(place('bin/ssh'), script);
    }
    const dash = run([...copyClosure('ours'), '--', '-oProxyCommand=x', paths['top']!]);
    expect(dash.stderr).toContain('error: invalid SSH host');
  });

  it('builds, and says how builds fail', () => {
    const places = { nix: place('build-nix'), ours: place('build-ours') };
    for (const store of Object.values(places))
      cpSync(work.store, store, { recursive: true, verbatimSymlinks: true, preserveTimestamps: true });
    const zeros = Array.from({ length: 6 }, () => number(0));
    const ask = (side: Side, ...request: Buffer[]): Result =>
      run([side === 'nix' ? 'nix-store' : join(dropIns, 'nix-store'), '--serve', '--write'], {
        store: places[side],
        input: Buffer.concat([...hello, ...request, ...zeros]),
      });
    const build = (drv: string): Buffer[] => [number(6), number(1), text(drv)];
    const [theirs, mine] = [ask('nix', ...build(paths['unbuiltDrv']!)), ask('ours', ...build(paths['unbuiltDrv']!))];
    expect([mine.status, mine.stdout.slice(16)], mine.stderr).toEqual([theirs.status, theirs.stdout.slice(16)]);
    expect(readFileSync(places.ours + paths['unbuilt']!, 'utf8')).toContain('-a\n');
    const [failed, alike] = [ask('ours', ...build(paths['failsDrv']!)), ask('nix', ...build(paths['failsDrv']!))];
    expect([failed.status, failed.stdout.slice(16, 24)]).toEqual([alike.status, alike.stdout.slice(16, 24)]);
    expect(failed.stdout).toContain(paths['failsDrv']!);
  });

  it('without --write it answers, and changes nothing', () => {
    const ask = (side: Side, ...request: Buffer[]): Result =>
      run([side === 'nix' ? 'nix-store' : join(dropIns, 'nix-store'), '--serve'], {
        input: Buffer.concat([...hello, ...request]),
      });
    const top = text(paths['top']!);
    const compare = (...request: Buffer[]): Result => {
      const [theirs, mine] = [ask('nix', ...request), ask('ours', ...request)];
      expect([mine.status, mine.stdout.slice(16)]).toEqual([theirs.status, theirs.stdout.slice(16)]);
      return mine;
    };
    expect(compare().status).toBe(0);
    compare(number(1), number(1), number(1), number(1), top);
    compare(number(2), number(1), top);
    compare(number(3), top);
    compare(number(7), number(0), number(1), top);
    compare(number(7), number(1), number(1), text(paths['topDrv']!));
    expect(compare(number(4)).stderr).toContain('error: importing paths is not allowed');
    expect(compare(number(6), number(0)).stderr).toContain('error: building paths is not allowed');
    expect(compare(number(9)).stderr).toContain('error: importing paths is not allowed');
    expect(compare(number(99)).stderr).toContain('error: unknown serve command 99');
    expect(compare(number(2), number(7)).status).toBe(1);
    expect(run([join(dropIns, 'nix-store'), '--serve'], { input: 'no greeting at all' }).stderr).toContain(
      'error: protocol mismatch',
    );
  });
});
