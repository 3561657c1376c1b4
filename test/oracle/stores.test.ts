// Stores of every kind as `--store` of commands that look, against real Nix on the same store: binary caches in a folder
// and on a web server, and `nix-store --serve` by way of ssh, which is Nix's or ours.
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { describeWith, findProgram } from '../support/requirements.ts';
import { program } from '../support/cli.ts';
import { makeClosure, StorePlace } from '../support/store-closure.ts';

interface Ran {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

describeWith(['nix', 'nix-store', 'python3', 'xz', 'perl'], 'stores of other kinds', () => {
  const place = new StorePlace();
  const closure = makeClosure(place.open('first'));
  const { top, leaf, big, text } = closure;
  const dropIns = join(dirname(program), '../libexec');
  const at = (name: string): string => join(place.dir, name);
  const run = (words: readonly string[]): Promise<Ran> =>
    new Promise((resolve) => {
      const env = {
        PATH: process.env['PATH']!,
        HOME: at('home'),
        NIX_CONF_DIR: at('conf'),
        NIX_CONFIG: 'build-users-group =\nsubstituters =\nexperimental-features = nix-command\n',
      };
      const options = { env, cwd: place.dir, encoding: 'latin1' as const, maxBuffer: 1 << 26 };
      execFile(words[0]!, words.slice(1), options, (error, stdout, stderr) => {
        resolve({ status: error === null ? 0 : Number(error.code), stdout, stderr });
      });
    });
  const ours = (name: string, ...words: string[]): Promise<Ran> => run([join(dropIns, name), ...words]);
  const nix = (name: string, ...words: string[]): Promise<Ran> => run([name, ...words]);
  const good = async (ran: Promise<Ran>): Promise<Ran> => {
    const result = await ran;
    expect(result).toMatchObject({ status: 0 });
    return result;
  };
  let server: ChildProcess;
  const uris = new Map<string, string>();

  beforeAll(async () => {
    for (const dir of ['conf', 'home', 'cache', 'remote']) mkdirSync(at(dir));
    server = spawn('python3', ['-u', '-m', 'http.server', '0', '--bind', '127.0.0.1', '--directory', at('cache')], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const line = await new Promise<string>((resolve) =>
      server.stdout!.once('data', (data: Buffer) => resolve(data.toString())),
    );
    uris.set('http', `http://127.0.0.1:${/port (\d+)/.exec(line)![1]!}`);
    uris.set('file', `file://${at('cache')}?compression=none`);
    for (const [name, remote] of [
      ['ssh', findProgram('nix-store')!],
      ['ssh, ours there', join(dropIns, 'nix-store')],
    ]) {
      uris.set(name!, `ssh://localhost?remote-program=${remote!}&remote-store=${at('remote')}`);
    }
    const from = ['--from', at('first'), '--no-check-sigs', top];
    await good(ours('nix', 'copy', '--to', uris.get('file')!, ...from));
    await good(ours('nix', 'copy', '--to', uris.get('ssh')!, ...from));
  });
  afterAll(async () => {
    server.kill();
    await place.close();
  });

  /** Nix 2.36 says of every file in an archive whether it is executable, and sizes that grow have no sign. */
  const asNew = (output: string): string => output.replace(/\+(?=[0-9.]+ [KM]iB)/g, '');
  /** Nix can't look at files by `ssh://`: there its answer is that of the store itself. */
  const nixUri = (kind: string, words: readonly string[]): string =>
    kind.startsWith('ssh') && (words.includes('ls') || words.includes('cat') || words.includes('why-depends'))
      ? at('remote')
      : uris.get(kind)!;

  describe.each(['file', 'http', 'ssh', 'ssh, ours there'])('%s', (kind) => {
    const questions: readonly (readonly string[])[] = [
      ['nix', 'path-info', '-rsS', top],
      ['nix', 'path-info', '-r', '--sigs', top],
      ['nix', 'store', 'ls', '-lR', top],
      ['nix', 'store', 'cat', text],
      ['nix', 'store', 'cat', top],
      ['nix', 'store', 'cat', `${leaf}/missing`],
      ['nix', 'store', 'dump-path', big],
      ['nix', 'store', 'verify', '--no-trust', '-r', top],
      ['nix', 'store', 'verify', '-r', top],
      ['nix', 'store', 'diff-closures', leaf, top],
      ['nix', 'why-depends', top, leaf],
      ['nix-store', '-q', '--references', top],
      ['nix-store', '-q', '--requisites', top],
      ['nix-store', '-q', '--hash', big],
      ['nix-store', '-q', '--size', big],
      ['nix-store', '-q', '--deriver', big],
      ['nix-store', '-q', '--tree', top],
      ['nix-store', '-q', '--graph', top],
      ['nix-store', '-q', '--referrers', leaf],
      ['nix-store', '--check-validity', top],
      ['nix-store', '--check-validity', '--print-invalid', top, `/nix/store/${'0'.repeat(32)}-x`],
      ['nix-store', '--export', leaf, text],
    ];
    it.each(questions)('%s %s %s %s', { timeout: 60_000 }, async (name, ...words) => {
      const [a, b] = await Promise.all([
        ours(name, ...words, '--store', uris.get(kind)!),
        nix(name, ...words, '--store', nixUri(kind, words)),
      ]);
      expect(a.stdout).toBe(asNew(b.stdout));
      expect(a.status).toBe(b.status);
      if (a.status !== 0) expect(a.stderr).toMatch(/^error: |is untrusted/m);
    });

    it('lists archives as JSON', async () => {
      const words = ['store', 'ls', '--json', '-R', top, '--store'];
      const [a, b] = await Promise.all([
        good(ours('nix', ...words, uris.get(kind)!)),
        good(nix('nix', ...words, nixUri(kind, words))),
      ]);
      const plain = (json: string): unknown =>
        JSON.parse(json, (name, value: unknown) =>
          (name === 'executable' && value === false) || (name === 'narOffset' && kind.startsWith('ssh'))
            ? undefined
            : value,
        );
      expect(plain(a.stdout)).toEqual(plain(b.stdout));
    });

    it('is what other stores are filled from, by Nix and by ours', async () => {
      const words = (to: string): string[] => ['copy', '--from', uris.get(kind)!, '--to', to, '--no-check-sigs', top];
      const [ourStore, nixStore] = [at(`ours-${kind.replace(/\W/g, '')}`), at(`nix-${kind.replace(/\W/g, '')}`)];
      await Promise.all([good(ours('nix', ...words(ourStore))), good(nix('nix', ...words(nixStore)))]);
      const dump = async (store: string): Promise<string> =>
        (await good(nix('nix-store', '--store', store, '--dump-db'))).stdout;
      expect(await dump(ourStore)).toBe(await dump(nixStore));
      await good(nix('nix-store', '--store', ourStore, '--verify', '--check-contents'));
    });
  });

  it('names what a cache on a server cannot answer', async () => {
    const uri = uris.get('http')!;
    for (const [operation, ...words] of [
      ['queryAllValidPaths', 'nix', 'path-info', '--all'],
      ['queryReferrers', 'nix-store', '-q', '--referrers', leaf],
    ]) {
      const [name, ...rest] = words;
      const { status, stderr } = await ours(name!, ...rest, '--store', uri);
      expect({ status, stderr }).toEqual({
        status: 1,
        stderr: `error: operation '${operation!}' is not supported by store '${uri}'\n`,
      });
    }
    const { status, stderr } = await ours('nix', 'store', 'info', '--store', `${uri}/nothing`);
    expect(status).toBe(1);
    expect(stderr).toContain('does not appear to be a binary cache');
  });

  it('says of itself what it can', async () => {
    const info = async (kind: string): Promise<unknown> =>
      JSON.parse((await good(ours('nix', 'store', 'info', '--json', '--store', uris.get(kind)!))).stdout);
    expect(await info('file')).toEqual({ url: uris.get('file'), trusted: true });
    expect(await info('http')).toEqual({ url: uris.get('http') });
    expect(await info('ssh')).toEqual({ url: uris.get('ssh') });
  });

  it('all paths of a cache in a folder', async () => {
    const words = ['path-info', '--all', '-s', '--store', uris.get('file')!];
    const lines = (await good(ours('nix', ...words))).stdout.trimEnd().split('\n');
    expect(lines.map((line) => line.split('\t')[0]!.trim()).sort()).toEqual([...closure.all].sort());
  });

  it('adds to a cache what Nix adds, and signs', async () => {
    mkdirSync(at('tree'));
    writeFileSync(at('tree/file'), 'contents\n');
    const caches = ['by-ours', 'by-nix'].map((name) => `file://${at(name)}?compression=none`);
    const add = async (side: typeof ours, cache: string): Promise<string[]> => {
      const [dir, file] = [
        await good(side('nix', 'store', 'add-path', at('tree'), '--store', cache)),
        await good(side('nix', 'store', 'add-file', at('tree/file'), '--store', cache)),
      ];
      const fixed = await good(side('nix-store', '--add-fixed', 'sha256', at('tree/file'), '--store', cache));
      const expr = 'derivation { name = "d"; system = "s"; builder = ./tree/file; }';
      const drv = await good(side('nix-instantiate', '-E', expr.replace('./tree', at('tree')), '--store', cache));
      return [dir, file, fixed, drv].map(({ stdout }) => stdout);
    };
    expect(await add(ours, caches[0]!)).toEqual(await add(nix, caches[1]!));
    const narInfos = (name: string): Map<string, string> =>
      new Map(
        readdirSync(at(name))
          .filter((file) => file.endsWith('.narinfo'))
          .sort()
          .map((file) => [file, readFileSync(join(at(name), file), 'utf8')]),
      );
    expect(narInfos('by-ours')).toEqual(narInfos('by-nix'));

    const key = await good(nix('nix', 'key', 'generate-secret', '--key-name', 'k-1'));
    writeFileSync(at('secret'), key.stdout);
    const paths = [...narInfos('by-ours').values()]
      .map((narInfo) => /^StorePath: (.*)$/m.exec(narInfo)![1]!)
      .filter((path) => !path.endsWith('.drv')); // which Nix 2.8 would build
    const sign = ['store', 'sign', '-k', at('secret'), ...paths, '--store'];
    await Promise.all([good(ours('nix', ...sign, caches[0]!)), good(nix('nix', ...sign, caches[1]!))]);
    expect(narInfos('by-ours')).toEqual(narInfos('by-nix'));
    expect([...narInfos('by-ours').values()].filter((narInfo) => narInfo.includes('\nSig: k-1:'))).toHaveLength(3);
  });

  it('keeps archives that it looked into, where it is told to', async () => {
    const store = `file://${at('cache')}?local-nar-cache=${at('nars')}`;
    const cat = ['store', 'cat', text, '--store', store];
    expect((await good(ours('nix', ...cat))).stdout).toBe('some text');
    const files = readdirSync(at('nars')).sort();
    expect(files.map((name) => name.replace(/^[0-9a-z]{52}/, 'HASH'))).toEqual(['HASH.ls', 'HASH.nar']);
    const hash = (await good(nix('nix-store', '-q', '--hash', text, '--store', at('first')))).stdout.trim();
    expect(files[1]).toBe(`${hash.replace('sha256:', '')}.nar`);
    // From there, also where the cache has lost it.
    const gone = `file://${at('lost')}?local-nar-cache=${at('nars')}`;
    cpSync(at('cache'), at('lost'), { recursive: true });
    rmSync(at('lost/nar'), { recursive: true });
    expect((await good(ours('nix', 'store', 'cat', text, '--store', gone))).stdout).toBe('some text');
    const { status } = await ours('nix', 'store', 'cat', text, '--store', `file://${at('lost')}`);
    expect(status).toBe(1);
  });
});
