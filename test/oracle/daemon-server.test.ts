// Our nix-daemon with Debian's Nix as its client, against Debian's nix-daemon with the same client; and with ours.
import { execFile, spawn } from 'node:child_process';
import { existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { derivations, program } from '../support/cli.ts';
import { describeWith, findProgram } from '../support/requirements.ts';
import { makeClosure, StorePlace, type Closure } from '../support/store-closure.ts';

interface Ran {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

describeWith(['nix', 'nix-store', 'nix-daemon', 'busybox', 'perl'], 'nix-daemon as a server', () => {
  const place = new StorePlace();
  const at = (name: string): string => join(place.dir, name);
  const dropIns = join(dirname(program), '../libexec');
  const env = (): Record<string, string> => ({
    PATH: process.env['PATH']!,
    HOME: at('home'),
    NIX_CONF_DIR: at('conf'),
    TMPDIR: at('tmp'),
    NIX_IGNORE_SYMLINK_STORE: '1',
  });
  const run = (words: readonly string[], more: Record<string, string> = {}): Promise<Ran> =>
    new Promise((resolve) => {
      const options = { env: { ...env(), ...more }, cwd: at('work'), maxBuffer: 1 << 26 };
      execFile(words[0]!, words.slice(1), options, (error, stdout, stderr) => {
        resolve({ status: error === null ? 0 : Number(error.code), stdout, stderr });
      });
    });
  const servers = { nix: findProgram('nix-daemon')!, ours: join(dropIns, 'nix-daemon') };
  type Server = keyof typeof servers;
  const uri = (server: Server, root: string, ...options: string[]): string =>
    `ssh-ng://localhost?remote-program=${[servers[server], ...options].join('%20')}&remote-store=${at(root)}`;
  let closure: Closure;

  beforeAll(() => {
    for (const dir of ['conf', 'work', 'home', 'tmp']) mkdirSync(at(dir));
    writeFileSync(
      at('conf/nix.conf'),
      `build-users-group =\nsandbox = true\nsandbox-paths = /bin/sh=${findProgram('busybox')!}\nsubstituters =\nexperimental-features = nix-command\n`,
    );
    writeFileSync(
      at('work/default.nix'),
      derivations(`
        a = mk "a" "echo working on a; echo a > $out" {};
        b = mk "b" "echo \${a} \${./file} $dev > $out; echo > $dev" { outputs = [ "out" "dev" ]; };
        fails = mk "fails" "echo about to fail; exit 3" {};
        late = mk "late" "echo \${fails} > $out" {};
      `),
    );
    writeFileSync(at('work/file'), 'contents\n');
    closure = makeClosure(place.open('first'), 400_000);
  });
  afterAll(async () => {
    await place.close();
  });

  /** What a client sees of a store that starts empty. */
  async function session(client: (name: string) => string, server: Server, root: string): Promise<unknown[]> {
    const store = uri(server, root);
    const seen: unknown[] = [];
    const ask = async (name: string, ...words: string[]): Promise<string> => {
      const { status, stdout } = await run([client(name), ...words, '--store', store]);
      seen.push([name, ...words.filter((word) => word !== store), status, stdout]);
      return stdout.trim();
    };
    await ask('nix', 'copy', '--no-check-sigs', '--from', at('first'), '--to', store, closure.top);
    await ask('nix', 'path-info', '-rsS', closure.top);
    await ask('nix', 'store', 'add-path', at('work/file'));
    await ask('nix', 'store', 'add-file', at('work/file'));
    await ask('nix-store', '--add-fixed', 'sha1', at('work/file'));
    const built = (await ask('nix-build', '-A', 'b', '-A', 'b.dev', '--no-out-link')).split('\n');
    await ask('nix-build', '-A', 'fails', '--no-out-link');
    await ask('nix-build', '-k', '-A', 'late', '-A', 'a', '--no-out-link');
    await ask('nix-store', '-q', '--references', ...built);
    await ask('nix-store', '-q', '--referrers', closure.leaf);
    await ask('nix-store', '-q', '--deriver', built[0]!);
    await ask('nix-store', '-q', '--outputs', ...(await ask('nix-store', '-q', '--deriver', built[0]!)).split('\n'));
    await ask('nix-store', '-q', '--valid-derivers', built[0]!);
    await ask('nix-store', '-q', '--hash', closure.big);
    await ask('nix-store', '--check-validity', closure.big);
    await ask('nix-store', '--check-validity', `/nix/store/${'0'.repeat(32)}-nothing`);
    await ask('nix', 'store', 'ls', '-lR', closure.top);
    await ask('nix', 'store', 'dump-path', closure.big);
    await ask('nix', 'store', 'verify', '--no-trust', '-r', closure.top);
    await ask('nix-store', '--verify', '--check-contents');
    await ask('nix-store', '--optimise');
    await ask('nix-store', '--delete', closure.leaf);
    await ask('nix-store', '--delete', closure.text);
    await ask('nix-store', '--delete', closure.top);
    return seen;
  }

  it("Nix sees of ours what it sees of Nix's", { timeout: 120_000 }, async () => {
    const nix = (name: string): string => name;
    const [byNix, byOurs] = [await session(nix, 'nix', 'nix-root'), await session(nix, 'ours', 'our-root')];
    expect(byOurs).toEqual(byNix);
    expect((await run(['nix-store', '--store', at('our-root'), '--verify', '--check-contents'])).status).toBe(0);
  });

  it('activities and results come through, from either and to either', { timeout: 120_000 }, async () => {
    const told = async (server: Server, client: string, root: string): Promise<unknown[]> => {
      const args = ['build', '-f', '.', 'b', '--no-link', '--log-format', 'internal-json'];
      const { status, stderr } = await run([client, ...args, '--store', uri(server, root)]);
      expect(status, stderr).toBe(0);
      const types = new Map<number, number>();
      return stderr
        .split('\n')
        .filter((line) => line.startsWith('@nix '))
        .map((line) => JSON.parse(line.slice(5)) as Record<string, unknown>)
        .flatMap(({ action, id, type, level, text, fields }) => {
          if (action === 'start') types.set(id as number, type as number);
          const of = types.get(id as number);
          // What they look for, and how often they count, is their business.
          if (action === 'msg' || of === 0 || (type === 105 && action === 'result') || type === 106) return [];
          return [JSON.stringify([action, of, type, level, text, fields])];
        })
        .sort();
    };
    const expected = await told('nix', 'nix', 'told-1');
    expect(expected).toHaveLength(11);
    expect(await told('ours', 'nix', 'told-2')).toEqual(expected);
    expect(await told('nix', join(dropIns, 'nix'), 'told-3')).toEqual(expected);
    expect(await told('ours', join(dropIns, 'nix'), 'told-4')).toEqual(expected);
  });

  it('whom it does not trust cannot add what nobody signed', async () => {
    const store = uri('ours', 'untrusting', '--force-untrusted');
    const { status, stderr } = await run([
      'nix',
      'copy',
      '--no-check-sigs',
      '--from',
      at('first'),
      '--to',
      store,
      closure.big,
    ]);
    expect(status).toBe(1);
    expect(stderr).toContain('lacks a signature by a trusted key');
    const text = await run(['nix', 'copy', '--no-check-sigs', '--from', at('first'), '--to', store, closure.text]);
    expect(text).toMatchObject({ status: 0 });
  });

  it('listens on a socket that is its own alone', async () => {
    const socket = at('sockets/s');
    const daemon = spawn(servers.ours, [], {
      env: { ...env(), NIX_DAEMON_SOCKET_PATH: socket, NIX_REMOTE: at('listening') },
      stdio: 'ignore',
    });
    try {
      for (let i = 0; i < 500 && !existsSync(socket); i++) await new Promise((resolve) => setTimeout(resolve, 20));
      expect(statSync(socket).mode & 0o777).toBe(0o600);
      const store = ['--store', `unix://${socket}?root=${at('listening')}`];
      let built = '';
      for (const nix of ['nix-build', join(dropIns, 'nix-build')]) {
        const [one, two] = await Promise.all([
          run([nix, '-A', 'a', '--no-out-link', ...store]),
          run([nix, '-A', 'b', '--no-out-link', ...store]),
        ]);
        expect([one.status, two.status]).toEqual([0, 0]);
        built = one.stdout.trim();
        // What happens is told to the client.
        const failed = await run([nix, '-A', 'fails', '--no-out-link', ...store]);
        expect(failed.status).not.toBe(0);
        expect(failed.stderr).toMatch(/^building '.*-fails\.drv'\.\.\.\nabout to fail\nerror: /m);
      }
      // Logs lie on this machine.
      const [drv] = (await run(['nix-store', '-q', '--deriver', built, ...store])).stdout.split('\n');
      for (const bin of ['', `${dropIns}/`]) {
        const logs = [
          await run([`${bin}nix-store`, '--read-log', drv!, ...store]),
          await run([`${bin}nix-store`, '-l', built, ...store]),
          await run([`${bin}nix`, 'log', drv!, ...store]),
        ];
        expect(logs.map(({ stdout }) => stdout)).toEqual(Array(3).fill('working on a\n'));
      }
      const info = await run([join(dropIns, 'nix'), 'store', 'info', '--json', ...store]);
      expect(JSON.parse(info.stdout)).toMatchObject({ trusted: true, version: '2.36.0' });
    } finally {
      daemon.kill();
      await new Promise((resolve) => daemon.once('close', resolve));
    }
  });
});
