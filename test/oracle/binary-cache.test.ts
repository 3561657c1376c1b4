// Binary caches: those that real Nix wrote are read by ours, those that ours wrote by real Nix; files compared.
import { execFile, execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { globSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { describeWith } from '../support/requirements.ts';
import { program } from '../support/cli.ts';
import { makeClosure, StorePlace } from '../support/store-closure.ts';

interface Ran {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

describeWith(['nix', 'python3', 'xz', 'bzip2', 'perl'], 'binary caches', () => {
  const place = new StorePlace();
  const first = place.open('first');
  const closure = makeClosure(first);
  const at = (name: string): string => join(place.dir, name);
  const env = (): Record<string, string> => ({
    PATH: process.env['PATH']!,
    HOME: at('home'),
    NIX_CONF_DIR: at('conf'),
    NIX_CONFIG: 'build-users-group =\nsubstituters =\nexperimental-features = nix-command\n',
  });
  const run = (words: readonly string[]): Promise<Ran> =>
    new Promise((resolve) => {
      execFile(words[0]!, words.slice(1), { env: env(), cwd: place.dir }, (error, stdout, stderr) => {
        resolve({ status: error === null ? 0 : Number(error.code), stdout, stderr });
      });
    });
  const ours = (...words: string[]): Promise<Ran> => run([program, ...words]);
  const nix = (...words: string[]): Promise<Ran> => run(['nix', ...words]);
  let publicKey = '';
  let server: ChildProcess;
  let url = '';

  beforeAll(async () => {
    mkdirSync(at('conf'));
    mkdirSync(at('served'));
    execFileSync('nix-store', ['--generate-binary-cache-key', 'oracle-1', at('secret'), at('public')], { env: env() });
    publicKey = readFileSync(at('public'), 'utf8');
    // A web server of somebody else's, that has never heard of caches.
    server = spawn('python3', ['-u', '-m', 'http.server', '0', '--bind', '127.0.0.1', '--directory', at('served')], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const line = await new Promise<string>((resolve) =>
      server.stdout!.once('data', (data: Buffer) => resolve(data.toString())),
    );
    url = `http://127.0.0.1:${/port (\d+)/.exec(line)![1]!}`;
  });
  afterAll(async () => {
    server.kill();
    await place.close();
  });

  const cacheUri = (dir: string, params: string): string => `file://${at(dir)}?secret-key=${at('secret')}&${params}`;

  it.each(['none', 'xz', 'bzip2', 'gzip', 'zstd', 'br'])(
    "ours reads Nix's %s, and Nix ours",
    async (compression) => {
      const theirs = `served/nix-${compression}`;
      const own = `served/own-${compression}`;
      const params = `compression=${compression}&write-nar-listing=true`;
      const written = await Promise.all([
        nix('copy', '--store', at('first'), '--to', cacheUri(theirs, params), closure.top),
        ours('copy', '--store', at('first'), '--to', cacheUri(own, params), closure.top),
      ]);
      expect(written.map(({ status }) => status)).toEqual([0, 0]);
      // The same files, up to how tightly they are packed.
      for (const file of globSync('*.{narinfo,ls}', { cwd: at(theirs) })) {
        const [a, b] = [theirs, own].map((dir) => readFileSync(join(at(dir), file), 'utf8'));
        // Nix 2.36 says of every file whether it is executable; 2.8 only of those that are.
        if (file.endsWith('.ls')) expect(JSON.parse(b!.replaceAll('"executable":false,', ''))).toEqual(JSON.parse(a!));
        else if (compression === 'none' || compression === 'xz' || compression === 'bzip2') expect(b).toBe(a);
        else {
          const packed = /^(URL|FileHash|FileSize): .*$/gm;
          expect(b!.replace(packed, '$1')).toBe(a!.replace(packed, '$1'));
        }
      }
      expect(readFileSync(join(at(own), 'nix-cache-info'))).toEqual(readFileSync(join(at(theirs), 'nix-cache-info')));
      const keys = ['--option', 'trusted-public-keys', publicKey];
      const read = await Promise.all([
        ours('copy', '--from', `${url}/nix-${compression}`, '--store', at(`s-${compression}`), ...keys, closure.top),
        nix('copy', '--from', `${url}/own-${compression}`, '--store', at(`n-${compression}`), ...keys, closure.top),
      ]);
      expect(read.map(({ status, stderr }) => (status === 0 ? 0 : stderr))).toEqual([0, 0]);
      expect(read[0].stderr.split('\n').sort()).toEqual(read[1].stderr.replaceAll('/own-', '/nix-').split('\n').sort());
      const verified = await run(['nix-store', '--store', at(`s-${compression}`), '--verify', '--check-contents']);
      expect(verified.status).toBe(0);
      expect(verified.stderr).not.toContain('modified');
      const rows = (store: string): Promise<string[]> =>
        Promise.all(
          closure.all.map(async (path) => (await nix('path-info', '--json', '--store', at(store), path)).stdout),
        ).then((texts) => texts.map((text) => text.replace(/"registrationTime":\d+/, '')));
      expect(await rows(`s-${compression}`)).toEqual(await rows(`n-${compression}`));
    },
    120_000,
  );

  it('unsigned paths are refused by both, and let in where asked', async () => {
    const uri = `file://${at('plain')}`;
    expect((await ours('copy', '--store', at('first'), '--to', uri, closure.top)).status).toBe(0);
    for (const [i, tool] of [ours, nix].entries()) {
      const store = at(`unsigned-${String(i)}`);
      const refused = await tool('copy', '--from', uri, '--store', store, closure.leaf);
      expect(refused.status).toBe(1);
      expect(refused.stderr).toContain(`cannot add path '${closure.leaf}' because it lacks a`);
      expect((await tool('copy', '--from', uri, '--store', store, '--no-check-sigs', closure.top)).status).toBe(0);
      // Content-addressed: nobody need vouch for it.
      expect((await tool('copy', '--from', uri, '--store', `${store}-ca`, closure.text)).status).toBe(0);
    }
  }, 60_000);

  it('builds sign what they make, and stores what they have', async () => {
    writeFileSync(
      at('signed.nix'),
      'derivation { name = "signed"; system = builtins.currentSystem; builder = "/bin/sh"; args = [ "-c" "echo x > $out" ]; }',
    );
    const args = [at('signed.nix'), '--no-out-link', '--store', at('signed')];
    const built = await ours('nix-build', ...args, '--option', 'secret-key-files', at('secret'));
    const out = built.stdout.trim();
    expect(
      (await nix('store', 'verify', '--store', at('signed'), '--option', 'trusted-public-keys', publicKey, out)).status,
    ).toBe(0);
    // By another key; and signatures that a cache has.
    const made = await ours('key', 'generate-secret', '--key-name', 'other-1');
    writeFileSync(at('other'), made.stdout);
    const signed = await ours('store', 'sign', '-k', at('other'), '--store', at('signed'), out);
    expect(signed.stderr).toBe('added 1 signatures\n');
    const info = JSON.parse((await nix('path-info', '--json', '--store', at('signed'), out)).stdout) as {
      signatures: string[];
    }[];
    expect(info[0]!.signatures.map((signature) => signature.split(':')[0])).toEqual(['oracle-1', 'other-1']);
    expect(
      (
        await ours(
          'copy',
          '--store',
          at('first'),
          '--to',
          `file://${at('sigs')}?secret-key=${at('other')}`,
          closure.top,
        )
      ).status,
    ).toBe(0);
    const from = ['-s', `file://${at('sigs')}`, '--store', at('first'), '-r', closure.top];
    expect((await ours('store', 'copy-sigs', ...from)).stderr).toBe('imported 4 signatures\n');
    expect((await ours('store', 'copy-sigs', ...from)).stderr).toBe('imported 0 signatures\n');
    const key = (await run(['sh', '-c', `"$0" key convert-secret-to-public <${at('other')}`, program])).stdout;
    expect(
      (
        await nix(
          'store',
          'verify',
          '-r',
          '--no-contents',
          '--store',
          at('first'),
          '--option',
          'trusted-public-keys',
          key,
          closure.top,
        )
      ).status,
    ).toBe(0);
  }, 60_000);

  it('builds fetch what a cache has, instead of building it', async () => {
    // Its builder fails: only who fetches gets it.
    writeFileSync(
      at('x.nix'),
      'derivation { name = "x"; system = builtins.currentSystem; builder = "/bin/false"; dep = builtins.storePath "LEAF"; }',
    );
    const source = readFileSync(at('x.nix'), 'utf8').replace('LEAF', closure.leaf);
    writeFileSync(at('x.nix'), source);
    const uri = `file://${at('built')}?secret-key=${at('secret')}`;
    const file = await nix(
      'eval',
      '--store',
      at('first'),
      '--raw',
      '--impure',
      '--expr',
      `(import ${at('x.nix')}).outPath`,
    );
    const out = file.stdout as typeof closure.leaf;
    writeFileSync(first.realPath(out), `made of ${closure.leaf}`);
    first.canonicalisePath(first.realPath(out));
    const info = {
      ...first.pathInfo(closure.leaf)!,
      path: out,
      references: [closure.leaf],
      ...first.hashPath(first.realPath(out)),
    };
    first.registerValidPaths([info]);
    expect((await ours('copy', '--store', at('first'), '--to', uri, out)).status).toBe(0);
    const settings = [
      '--option',
      'substituters',
      `file://${at('built')}`,
      '--option',
      'trusted-public-keys',
      publicKey,
    ];
    const args = [at('x.nix'), '--no-out-link', ...settings];
    const [a, b] = await Promise.all([
      run(['nix-build', '--store', at('nb'), ...args, '--option', 'sandbox', 'false']),
      ours('nix-build', '--store', at('ob'), ...args),
    ]);
    expect(b.stdout).toBe(`${out}\n`);
    expect(a.stdout).toBe(b.stdout);
    const lines = (text: string): string[] => text.split('\n').filter((line) => /copying|  \/nix|fetched/.test(line));
    const size = / \([^)]*\)/;
    // 2.8 says how much in MiB only; and fetches the argument of storePath while it evaluates, like ours.
    expect(lines(b.stderr).map((line) => line.replace(size, ''))).toEqual(
      lines(a.stderr).map((line) => line.replace(size, '')),
    );
    // Nobody has it: then it is built, which fails.
    const built = await ours(
      'nix-build',
      '--store',
      at('oc'),
      at('x.nix'),
      '--no-out-link',
      '--option',
      'substituters',
      '',
    );
    expect(built.status).toBe(1);
    expect(built.stderr).toContain(`path '${closure.leaf}' is not valid`);
    expect(readdirSync(at('ob/nix/store')).filter((name) => name.startsWith('tmp-'))).toEqual([]);
  }, 60_000);
});
