// The worker protocol against Debian's nix-daemon: on a socket and a store of its own, and by way of an `ssh` that
// runs the command here.
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { describeWith, findProgram } from '../support/requirements.ts';
import { program } from '../support/cli.ts';
import { makeClosure, StorePlace, type Closure } from '../support/store-closure.ts';
import { openStore } from '../../src/store/open.ts';
import { DaemonStore } from '../../src/store/daemon/daemon-store.ts';
import { SecretKey, withSignatures } from '../../src/store/signatures.ts';
import type { StorePath } from '../../src/store/store.ts';

interface Ran {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

describeWith(['nix-daemon', 'nix-store', 'busybox', 'perl'], 'nix-daemon', () => {
  const place = new StorePlace();
  const at = (name: string): string => join(place.dir, name);
  const root = at('root');
  const socket = at('socket');
  const uri = `unix://${socket}?root=${root}`;
  let daemon: ChildProcess;
  let closure: Closure;

  const env = (): Record<string, string> => ({
    PATH: `${at('bin')}:${process.env['PATH']!}`,
    HOME: at('home'),
    NIX_CONF_DIR: at('conf'),
  });
  const run = (words: readonly string[], more: Record<string, string> = {}): Promise<Ran> =>
    new Promise((resolve) => {
      execFile(words[0]!, words.slice(1), { env: { ...env(), ...more }, cwd: at('work') }, (error, stdout, stderr) => {
        resolve({ status: error === null ? 0 : Number(error.code), stdout, stderr });
      });
    });
  const ours = (...words: string[]): Promise<Ran> => run([program, ...words, '--store', uri]);
  const nixStore = (...words: string[]): Promise<Ran> => run(['nix-store', '--store', root, ...words]);
  const open = (): DaemonStore => {
    const store = openStore(uri, env());
    if (store instanceof DaemonStore) return store;
    throw new Error('no daemon store');
  };

  beforeAll(async () => {
    for (const dir of ['conf', 'work', 'bin', 'home']) mkdirSync(at(dir));
    const shell = findProgram('busybox')!;
    writeFileSync(
      at('conf/nix.conf'),
      `build-users-group =\nsandbox = true\nsandbox-paths = /bin/sh=${shell}\nsubstituters =\nexperimental-features = nix-command\n`,
    );
    // Takes what ssh takes: options, a host, a command.
    writeFileSync(
      at('bin/ssh'),
      '#!/bin/sh\necho "$@" >>"$HOME/ssh-log"\nwhile [ "${1#-}" != "$1" ]; do case $1 in -p|-i|-o) shift;; esac; shift; done\nshift\n[ "$1" != -- ] || shift\nNIX_REMOTE=$REMOTE_ROOT exec sh -c "$*"\n',
    );
    chmodSync(at('bin/ssh'), 0o755);
    writeFileSync(
      at('work/default.nix'),
      `let mk = name: script: derivation { inherit name; system = builtins.currentSystem; builder = "/bin/sh"; args = [ "-c" script ]; };
       in rec {
         a = mk "a" "echo working on a; echo a > $out";
         b = mk "b" "echo \${a} > $out";
         fails = mk "fails" "echo about to fail; exit 3";
         ifd = builtins.readFile b;
         src = mk "src" "read x < \${./file}; echo $x > $out";
         two = derivation { name = "two"; outputs = [ "out" "dev" ]; system = builtins.currentSystem; builder = "/bin/sh"; args = [ "-c" "echo 1 > $out; echo 2 > $dev" ]; };
       }`,
    );
    writeFileSync(at('work/file'), 'contents\n');
    closure = makeClosure(place.open('first'), 600_000);
    daemon = spawn('nix-daemon', [], {
      env: { ...env(), NIX_REMOTE: root, NIX_DAEMON_SOCKET_PATH: socket, NIX_IGNORE_SYMLINK_STORE: '1' },
      stdio: 'ignore',
    });
    for (let i = 0; i < 500 && !existsSync(socket); i++) await new Promise((resolve) => setTimeout(resolve, 20));
  });
  afterAll(async () => {
    daemon.kill();
    await place.close();
  });

  it('builds what we evaluate, shows its logs, and roots the result', async () => {
    const built = await ours('nix-build', '-A', 'b');
    expect(built.status).toBe(0);
    const out = built.stdout.trim();
    expect(built.stderr).toContain('these 2 derivations will be built:');
    expect(built.stderr).toContain('working on a');
    expect(readFileSync(root + out, 'utf8')).toMatch(/^\/nix\/store\/.*-a\n$/);
    expect(readlinkSync(at('work/result'))).toBe(out);
    // Real Nix agrees, and knows the root.
    expect((await nixStore('-q', '--references', out)).stdout).toContain('-a');
    expect((await nixStore('--gc', '--print-roots')).stdout).toContain(`${at('work/result')} -> ${out}`);
    expect((await ours('nix-build', '-A', 'b', '--no-out-link')).stderr).toBe('');
  }, 60_000);

  it('reports failures with their logs and exit status', async () => {
    const failed = await ours('nix-build', '-A', 'fails', '--no-out-link');
    expect(failed.status).toBe(100);
    expect(failed.stderr).toContain('about to fail');
    expect(failed.stderr).toContain("-fails.drv' failed with exit code 3");
    const two = await ours('nix-build', '-A', 'fails', '-A', 'a', '--no-out-link', '-k');
    expect(two.status).toBe(100);
  }, 60_000);

  it('takes sources, imports from derivation, multiple outputs', async () => {
    const src = await ours('nix-build', '-A', 'src', '--no-out-link');
    expect(readFileSync(root + src.stdout.trim(), 'utf8')).toBe('contents\n');
    expect((await ours('nix-instantiate', '--eval', '--read-write-mode', '-A', 'ifd')).stdout).toMatch(/-a\\n"\n$/);
    const both = await ours('nix-build', '-A', 'two.dev', '-A', 'two', '--no-out-link');
    expect(both.stdout.split('\n').map((path) => path.slice(44))).toEqual(['two-dev', 'two', '']);
    expect((await ours('nix-build', '-A', 'a', '--check', '--no-out-link')).status).toBe(0);
    expect((await ours('nix-build', '-A', 'two', '--dry-run')).stderr).toBe('');
  }, 60_000);

  it('answers as the store itself does', async () => {
    const store = open();
    const direct = place.open('root');
    try {
      const path = store.addText('hello', Buffer.from('hello'), []);
      const other = store.addText('refers', Buffer.from(path), [path]);
      const file = store.addPath(at('work/file'), { name: 'file', method: 'flat' });
      const tree = store.addPath(at('work'), {
        name: 'tree',
        method: 'nar',
        filter: (entry) => !entry.endsWith('result'),
      });
      expect(store.isValidPath(path)).toBe(true);
      expect(store.isValidPath('/nix/store/00000000000000000000000000000000-x' as StorePath)).toBe(false);
      expect(store.pathInfo('/nix/store/00000000000000000000000000000000-x' as StorePath)).toBe(undefined);
      for (const each of [path, other, file, tree]) expect(store.pathInfo(each)).toEqual(direct.pathInfo(each));
      expect(store.closure([other])).toEqual([path, other]);
      expect(store.referrers(path)).toEqual([other]);
      expect(store.validPaths()).toEqual(direct.validPaths());
      expect(store.pathFromHashPart(path.slice(11, 43))).toBe(path);
      const dump = (from: { dumpPath: DaemonStore['dumpPath'] }): Buffer => {
        const parts: Buffer[] = [];
        from.dumpPath(tree, (chunk) => void parts.push(Buffer.from(chunk)));
        return Buffer.concat(parts);
      };
      expect(dump(store).equals(dump(direct))).toBe(true);
      // The line is in order after an archive, and after an error.
      expect(() => store.addText('x.drv', Buffer.from('no derivation'), [])).toThrow(
        /error parsing derivation|expected string/,
      );
      expect(store.isValidPath(path)).toBe(true);
      expect(store.daemonVersion).toMatch(/^2\.\d+/);
      expect(store.findRoots().map(([link]) => link)).toContain(at('work/result'));
      const garbage = store.addText('garbage', Buffer.from('garbage'), []);
      expect(store.collectGarbage('live', {}).paths).toContain(garbage);
    } finally {
      await store.close();
    }
  }, 60_000);

  it('takes paths with their archives, and signatures', async () => {
    const store = open();
    const first = place.open('first');
    const key = SecretKey.generate('mine');
    try {
      for (const path of closure.all) {
        await store.addNar({ ...first.pathInfo(path)!, ultimate: false }, chunks(first, path), false);
      }
      expect(store.closure([closure.top])).toEqual(first.closure([closure.top]));
      store.addSignatures(closure.top, withSignatures(first.pathInfo(closure.top)!, [key]));
      expect(store.pathInfo(closure.top)!.signatures[0]).toMatch(/^mine:/);
      const info = { ...first.pathInfo(closure.leaf)!, narHash: new Uint8Array(32) };
      const other = { ...info, path: closure.leaf.replace('leaf', 'lead') as StorePath };
      await expect(store.addNar(other, chunks(first, closure.leaf), false)).rejects.toThrow(
        'hash mismatch importing path',
      );
    } finally {
      await store.close();
    }
    expect((await nixStore('--verify', '--check-contents')).status).toBe(0);
  }, 60_000);

  it('says so where nobody listens, or something else does', async () => {
    const gone = await run([program, 'nix-build', '-A', 'a', '--store', `unix://${at('nothing')}`]);
    expect(gone.status).toBe(1);
    expect(gone.stderr).toContain(
      `cannot open connection to remote store 'unix://${at('nothing')}': cannot connect to socket at '${at('nothing')}'`,
    );
    const other = await run([program, 'nix-build', '-A', 'a', '--store', 'ssh-ng://host?remote-program=true'], {
      REMOTE_ROOT: root,
    });
    expect(other.status).toBe(1);
    expect(other.stderr).toContain('Nix daemon disconnected unexpectedly');
  }, 60_000);

  describe('ssh-ng', () => {
    it('builds on the other side', async () => {
      const remote = { REMOTE_ROOT: at('remote'), NIX_SSHOPTS: '-o Some=thing' };
      const built = await run(
        [program, 'nix-build', '-A', 'b', '--no-out-link', '--store', 'ssh-ng://me@builder:22'],
        remote,
      );
      expect(built.stderr).toContain('working on a');
      expect(built.status).toBe(0);
      expect(readFileSync(at('remote') + built.stdout.trim(), 'utf8')).toMatch(/-a\n$/);
      expect(readFileSync(at('home/ssh-log'), 'utf8')).toMatch(/-o Some=thing.*me@builder.*nix-daemon --stdio/);
      const ifd = await run(
        [program, 'nix-instantiate', '--eval', '--read-write-mode', '-A', 'ifd', '--store', 'ssh-ng://builder'],
        remote,
      );
      expect(ifd.stdout).toMatch(/-a\\n"\n$/);
    }, 60_000);
  });
});

function* chunks(store: { dumpPath: DaemonStore['dumpPath'] }, path: StorePath): Generator<Buffer> {
  const parts: Buffer[] = [];
  store.dumpPath(path, (chunk) => void parts.push(Buffer.from(chunk)));
  yield* parts;
}
