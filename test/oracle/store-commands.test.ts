// `tsnix path-info`, `why-depends`, `derivation`, `store`, `nar`, `hash` against `nix` 2.8 where both say the same.
import { execFile } from 'node:child_process';
import { chmodSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { derivations, program, Workplace } from '../support/cli.ts';
import { describeWith } from '../support/requirements.ts';
import { treeListing } from '../support/tree-listing.ts';

const work = new Workplace({
  'default.nix': derivations(`
    src = builtins.path { path = ./tree; name = "src"; };
    a = mk "a-1.0" "echo \${src} > $out" {};
    b = mk "b-2.5" "echo \${a} \${src} > $out" { outputs = [ "out" "dev" ]; args = [ "-c" "echo \${a} \${src} > $out; echo > $dev" ]; };
    top = mk "top" "set -e; echo \${b} \${a} > $out; echo $out >> $out" {};
    newer = mk "top" "echo \${mk "a-1.1" "echo > $out" {}} \${b} > $out" {};
    fixed = mk "fixed" "echo > $out" { outputHash = "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="; outputHashMode = "recursive"; };
    structured = derivation { name = "s"; system = "x"; builder = "/b"; __structuredAttrs = true; n = 1.5; l = [ 1 "\${a}" ]; e = { }; };
  `),
  'tree/file': 'a file\n',
  'tree/script': '#!/bin/sh\n',
  'tree/sub/deep': 'deeper',
});
afterAll(() => {
  work.close();
});

interface Result {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}
const settings = ['sandbox = true', 'sandbox-paths = /bin /usr /lib /lib64', 'substituters =', 'build-users-group ='];
const env = {
  ...work.environment(),
  NIX_PATH: '',
  NIX_REMOTE: work.store,
  NIX_CONFIG: [...settings, 'experimental-features = nix-command'].join('\n'),
};

function run(words: readonly string[], input = ''): Promise<Result> {
  return new Promise((resolve) => {
    const options = { cwd: work.project, env, encoding: 'latin1', maxBuffer: 1 << 28 } as const;
    const child = execFile(words[0]!, words.slice(1), options, (error, stdout, stderr) => {
      resolve({ status: error === null ? 0 : Number(error.code), stdout, stderr });
    });
    child.stdin?.on('error', () => undefined); // some end without reading
    child.stdin?.end(input);
  });
}
const nix = (...words: string[]): Promise<Result> => run(['nix', ...words]);
const ours = (...words: string[]): Promise<Result> => run([program, ...words]);

describeWith(['nix', 'nix-build', 'nix-store', 'perl', 'git'], 'commands on stores and the real ones', () => {
  const paths: Record<string, string> = { none: '/nix/store/00000000000000000000000000000000-none' };
  const named = (words: string): string[] =>
    words
      .split(' ')
      .filter(Boolean)
      .map((word) => word.replace(/^%([a-z]+)/, (_, name: string) => paths[name]!));

  beforeAll(async () => {
    chmodSync(join(work.project, 'tree/script'), 0o755);
    symlinkSync('file', join(work.project, 'tree/link'));
    const built = await run(['nix-build', '-A', 'top', '-A', 'newer', '-A', 'b.dev', '-o', join(work.dir, 'link')]);
    if (built.status !== 0) throw new Error(built.stderr);
    for (const name of ['top', 'newer', 'a', 'b', 'fixed', 'structured']) {
      paths[`${name}drv`] = (await run(['nix-instantiate', '-A', name])).stdout.trim();
      const outputs = (await run(['nix-store', '-q', '--outputs', paths[`${name}drv`]!])).stdout.trim().split('\n');
      paths[name] = outputs.find((path) => !path.endsWith('-dev'))!;
    }
    paths['src'] = (await run(['nix-store', '-q', '--references', paths['a']!])).stdout.trim();
    await run(['sh', '-c', `nix-store --dump tree > tree.nar`]);
  });

  it.each([
    'path-info %top',
    'path-info %top %a',
    'path-info -r %top',
    'path-info -rsS %top',
    'path-info --all',
    'path-info -s %src',
    'path-info --sigs %src %top',
    'path-info %none',
    'path-info -r %none',
    'path-info --derivation %top',
    'path-info --foo',
    'why-depends %top %src',
    'why-depends %top %top',
    'why-depends --all %top %src',
    'why-depends --all --precise %top %src',
    'why-depends --precise %top %src',
    'why-depends %a %top',
    'why-depends %none %src',
    'store ls %src',
    'store ls -l %src',
    'store ls -lR %src',
    'store ls -R %src/sub',
    'store ls -d %src',
    'store ls %src/file',
    'store ls -ld %src/sub',
    'store ls %src/nothing',
    'store ls %none',
    'store ls /tmp',
    'store ls --json %src/script',
    'store cat %src/file',
    'store cat %src/sub/deep',
    'store cat %src/sub',
    'store cat %src/nothing',
    'store dump-path %top',
    'store dump-path %none',
    'store diff-closures %top %newer',
    'store diff-closures %newer %top',
    'store diff-closures %a %a',
    'store verify %top',
    'store verify --all',
    'store verify -r --no-trust %top',
    'store verify --no-contents -n 1 %top',
    'store add-path tree --name x',
    'store add-file tree/file',
    'store add-path nothing',
    'store make-content-addressed --json -r %a',
    'store make-content-addressed --json %top',
    'nar dump-path tree',
    'nar ls tree.nar /',
    'nar ls -lR tree.nar /',
    'nar ls tree.nar /sub/deep',
    'nar ls tree.nar /nothing',
    'nar cat tree.nar /sub/deep',
    'nar cat tree.nar /sub',
    'hash path tree',
    'hash path --type sha1 --base32 tree',
    'hash path --base16 tree/file',
    'hash file tree/file tree/script',
    'hash file --type sha512 --base64 tree/file',
    'hash file tree/nothing',
    'hash to-sri --type sha256 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
    'hash to-base32 sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=',
    'hash to-base16 xyz',
    'hash to-base64 --type md5 d41d8cd98f00b204e9800998ecf8427e',
  ])('%s', async (words) => {
    const args = named(words);
    const [theirs, mine] = [await nix(...args), await ours(...args)];
    expect([mine.status, shape(mine.stdout)]).toEqual([theirs.status, shape(theirs.stdout)]);
  });

  /** What 2.36 writes otherwise. */
  function shape(text: string): unknown {
    if (!text.startsWith('{')) return text;
    const { size, executable, type, ...more } = JSON.parse(text) as Record<string, unknown>;
    return { ...more, type, size, executable: executable ?? false };
  }

  it('path-info --json has the facts of 2.8, as 2.36 has them', async () => {
    const theirs = JSON.parse((await nix('path-info', '--json', '-S', '-r', paths['top']!)).stdout) as Record<
      string,
      unknown
    >[];
    const { stdout, stderr } = await ours('path-info', '--json', '-S', '-r', paths['top']!);
    const mine = JSON.parse(stdout) as Record<string, Record<string, unknown>>;
    expect(stderr).toContain("warning: '--json' without '--json-format' is deprecated");
    expect(Object.keys(mine)).toHaveLength(theirs.length);
    for (const { path, ...facts } of theirs) {
      const { version, storeDir, ...known } = mine[path as string]!;
      expect([version, storeDir]).toEqual([1, '/nix/store']);
      const normal = (object: Record<string, unknown>): unknown => ({
        ca: null,
        deriver: null,
        signatures: [],
        ultimate: false,
        ...object,
        references: [...(object['references'] as string[])].sort(),
      });
      expect(normal(known)).toEqual(normal(facts));
    }
    const third = JSON.parse((await ours('path-info', '--json', '--json-format', '3', paths['src']!)).stdout) as {
      info: Record<string, { ca: unknown }>;
    };
    const base = paths['src']!.slice('/nix/store/'.length);
    expect(third).toMatchObject({ version: 3, storeDir: '/nix/store' });
    expect(third.info[base]!.ca).toEqual({ method: 'nar', hash: expect.stringMatching(/^sha256-/) as string });
    const none = await ours('path-info', '--json', '--json-format', '1', paths['none']!);
    expect(JSON.parse(none.stdout)).toEqual({ [paths['none']!]: null });
  });

  it('derivation show has the facts of 2.8, as 2.36 has them', async () => {
    const all = ['topdrv', 'fixeddrv', 'structureddrv'].map((name) => paths[name]!);
    const theirs = JSON.parse((await nix('show-derivation', '-r', ...all)).stdout) as Record<string, Old>;
    const { stdout } = await ours('derivation', 'show', '-r', ...all);
    expect(stdout.trim()).not.toContain('\n');
    const mine = JSON.parse(stdout) as { version: number; derivations: Record<string, New> };
    expect(mine.version).toBe(4);
    const store = (base: string): string => `/nix/store/${base}`;
    expect(Object.keys(mine.derivations).map(store).sort()).toEqual(Object.keys(theirs).sort());
    for (const [path, old] of Object.entries(theirs)) {
      const drv = mine.derivations[path.slice('/nix/store/'.length)]!;
      expect(drv).toMatchObject({ version: 4, system: old.system, builder: old.builder, args: old.args });
      expect(drv.inputs.srcs.map(store)).toEqual([...old.inputSrcs].sort());
      const drvs = Object.entries(drv.inputs.drvs).map(([base, input]) => {
        expect(input.dynamicOutputs).toEqual({});
        return [store(base), input.outputs];
      });
      expect(Object.fromEntries(drvs)).toEqual(old.inputDrvs);
      for (const [name, output] of Object.entries(drv.outputs)) {
        if (output.path !== undefined) expect(store(output.path)).toBe(old.outputs[name]!.path);
        else expect(output.method).toBe('nar');
      }
      const { __json: json, ...env } = old.env;
      expect(drv.env).toEqual(env);
      expect(drv.structuredAttrs).toEqual(json === undefined ? undefined : JSON.parse(json));
    }
    const pretty = await ours('derivation', 'show', '--pretty', ...all);
    expect(pretty.stdout).toBe(`${JSON.stringify(JSON.parse(pretty.stdout), null, 2)}\n`);
  });

  interface Old {
    readonly system: string;
    readonly builder: string;
    readonly args: string[];
    readonly inputSrcs: string[];
    readonly inputDrvs: Record<string, string[]>;
    readonly outputs: Record<string, { path: string }>;
    readonly env: Record<string, string>;
  }
  interface New {
    readonly inputs: { srcs: string[]; drvs: Record<string, { outputs: string[]; dynamicOutputs: unknown }> };
    readonly outputs: Record<string, { path?: string; method?: string }>;
    readonly env: Record<string, string>;
    readonly structuredAttrs?: unknown;
  }

  it('derivation add writes what derivation show printed, and checks it', async () => {
    for (const name of ['topdrv', 'fixeddrv', 'structureddrv']) {
      const shown = JSON.parse((await ours('derivation', 'show', paths[name]!)).stdout) as {
        derivations: Record<string, Record<string, unknown>>;
      };
      const drv = Object.values(shown.derivations)[0]!;
      const add = (value: unknown, ...flags: string[]): Promise<Result> =>
        run([program, 'derivation', 'add', ...flags], JSON.stringify(value));
      expect(await add(drv)).toMatchObject({ status: 0, stdout: `${paths[name]!}\n` });
      expect((await add(drv, '--dry-run')).stdout).toBe(`${paths[name]!}\n`);
      if (name === 'topdrv') {
        const wrong = await add({ ...drv, outputs: { out: { path: '0'.repeat(32) + '-top' } } });
        expect(wrong.status).toBe(1);
        const open = { ...drv, outputs: { out: {} }, env: { ...(drv['env'] as object), out: '' } };
        expect((await add(open)).stdout).toBe(`${paths[name]!}\n`);
        expect((await add({ ...drv, version: 3 })).stderr).toContain(
          'Unsupported derivation JSON format version 3, only format version 4 is currently supported.',
        );
        expect((await add({ version: 4 })).status).toBe(1);
        expect((await add('x')).status).toBe(1);
      }
    }
  });

  it('content-addressed copies are the same objects', async () => {
    const [first, second] = [join(work.dir, 'ca-a'), join(work.dir, 'ca-b')];
    for (const place of [first, second]) await run(['cp', '-a', work.store, place]);
    await nix('store', 'make-content-addressed', paths['top']!, '--store', first);
    await ours('store', 'make-content-addressed', paths['top']!, '--store', second);
    const seen = (place: string): string[] =>
      treeListing(join(place, 'nix/store')).filter((line) => !line.startsWith('. ') && !line.includes('.lock '));
    expect(seen(second)).toEqual(seen(first));
    const db = (place: string): Promise<Result> => run(['nix-store', '--dump-db', '--store', place]);
    expect(await db(second)).toEqual(await db(first));
  });

  it('content-addressed paths that refer to themselves need no signature, but to be what they say', async () => {
    const place = join(work.dir, 'self');
    await run(['cp', '-a', work.store, place]);
    const made = await ours('store', 'make-content-addressed', '--json', paths['top']!, '--store', place);
    const path = (JSON.parse(made.stdout) as { rewrites: Record<string, string> }).rewrites[paths['top']!]!;
    const cache = join(work.dir, 'self-cache');
    await ours('copy', '--to', `file://${cache}?compression=none`, path, '--store', place);
    const take = (store: string): Promise<Result> => ours('copy', '--from', `file://${cache}`, path, '--store', store);
    const fresh = ['fresh', 'lied-to'].map((name) => join(work.dir, name));
    const taken = await take(fresh[0]!);
    expect(taken.status, taken.stderr).toBe(0);
    const narinfo = join(cache, `${path.slice('/nix/store/'.length).slice(0, 32)}.narinfo`);
    const text = readFileSync(narinfo, 'latin1');
    const file = join(cache, /^URL: (.*)$/m.exec(text)![1]!);
    const lie = readFileSync(file, 'latin1').replace('-b-2.5', '-b-6.6');
    writeFileSync(file, lie, 'latin1');
    const hash = (await run(['nix-hash', '--flat', '--type', 'sha256', '--base32', file])).stdout.trim();
    writeFileSync(narinfo, text.replace(/^(FileHash|NarHash): .*$/gm, `$1: sha256:${hash}`), 'latin1');
    const refused = await take(fresh[1]!);
    expect(refused.stderr).toContain(`ca hash mismatch importing path '${path}'`);
    expect(refused.status).toBe(102);
    expect(refused.stderr.match(/ca hash mismatch/g)).toHaveLength(1);
  });

  it('store verify counts the signatures of trusted keys', async () => {
    await run([
      'nix-store',
      '--generate-binary-cache-key',
      'key-1',
      join(work.dir, 'secret'),
      join(work.dir, 'public'),
    ]);
    await nix('store', 'sign', '-k', join(work.dir, 'secret'), '-r', paths['top']!);
    const key = readFileSync(join(work.dir, 'public'), 'utf8').trim();
    for (const more of [[], ['--trusted-public-keys', key]]) {
      for (const needed of ['1', '2']) {
        const words = ['store', 'verify', '-r', '-n', needed, paths['top']!, ...more];
        const [theirs, mine] = [await nix(...words), await ours(...words)];
        expect([words, mine.status]).toEqual([words, theirs.status]);
      }
    }
  });

  it('nar ls --json knows where contents lie', async () => {
    const { stdout } = await ours('nar', 'ls', '--json', '-R', 'tree.nar', '/');
    const listing = JSON.parse(stdout) as { entries: Record<string, { narOffset: number; size: number }> };
    const archive = readFileSync(join(work.project, 'tree.nar'));
    const { narOffset, size } = listing.entries['file']!;
    expect(archive.subarray(narOffset, narOffset + size).toString()).toBe('a file\n');
    expect(listing.entries['script']).toMatchObject({ executable: true });
  });

  it('adds text and Git trees as evaluation and git name them', async () => {
    const text = await run([
      program,
      'nix-instantiate',
      '--eval',
      '-E',
      'builtins.toFile "file" (builtins.readFile ./tree/file)',
    ]);
    expect(JSON.stringify((await ours('store', 'add', '--mode', 'text', 'tree/file')).stdout.trim())).toBe(
      text.stdout.trim(),
    );
    expect((await ours('store', 'add', '--mode', 'text', '--dry-run', 'tree/file')).stdout).toContain('-file\n');
    const git = (...words: string[]): Promise<Result> => run(['git', '-C', join(work.project, 'tree'), ...words]);
    await git('init', '-q');
    await git('add', '.');
    const { stdout: id } = await git('write-tree');
    await run(['rm', '-rf', join(work.project, 'tree/.git')]);
    const feature = ['--extra-experimental-features', 'git-hashing'];
    const mode = ['--mode', 'git', ...feature];
    expect((await ours('hash', 'path', '--type', 'sha1', '--base16', 'tree', ...mode)).stdout).toBe(id);
    const { stdout: added } = await ours('store', 'add', '--hash-algo', 'sha1', 'tree', ...mode);
    const dry = await ours('store', 'add', '--hash-algo', 'sha1', 'tree', '--dry-run', ...mode);
    expect(dry.stdout).toBe(added);
    const info = JSON.parse((await ours('path-info', '--json', '--json-format', '2', added.trim())).stdout) as {
      info: Record<string, { ca: unknown }>;
    };
    const hash = `sha1-${Buffer.from(id.trim(), 'hex').toString('base64')}`;
    expect(Object.values(info.info)[0]!.ca).toEqual({ method: 'git', hash });
    const off = await ours('store', 'add', '--mode', 'git', 'tree');
    expect(off.stderr).toContain("experimental Nix feature 'git-hashing' is disabled");
    expect((await ours('store', 'add', '--mode', 'zip', 'tree')).stderr).toContain('expect `flat`, `nar`, or `git`');
  });

  it('reads a file of a NAR from a pipe', async () => {
    const cat = (path: string): Promise<Result> =>
      run(['sh', '-c', `cat tree.nar | "$0" nar cat /dev/stdin ${path}`, program]);
    expect(await cat('/sub/deep')).toEqual({ status: 0, stdout: 'deeper', stderr: '' });
    for (const path of ['/sub', '/file/none']) {
      expect((await cat(path)).stderr).toBe(`error: NAR does not contain regular file '${path}'\n`);
    }
  });

  it('takes more from standard input', async () => {
    const words = [program, 'path-info', paths['top']!, '--stdin'];
    expect((await run(words, `${paths['a']!}\n`)).stdout.split('\n').sort()).toEqual(
      ['', paths['a'], paths['top']].sort(),
    );
    expect(await run([program, 'path-info', '--stdin'])).toEqual({ status: 0, stdout: '', stderr: '' });
  });

  it('copies outputs of derivations, and what files evaluate to', async () => {
    const place = join(work.dir, 'copies');
    const to = ['--to', `local?root=${place}`, '--no-check-sigs'];
    expect((await ours('copy', ...to, `${paths['bdrv']!}^*`)).status).toBe(0);
    const all = async (): Promise<string> => (await ours('path-info', '--all', '--store', place)).stdout;
    expect(await all()).toContain('-b-2.5-dev\n');
    expect(await all()).not.toContain(paths['top']);
    expect((await ours('copy', ...to, '-f', 'default.nix', '-A', 'top')).status).toBe(0);
    expect(await all()).toContain(paths['top']);
  });

  it('takes files and attributes where Nix takes installables', async () => {
    expect((await ours('path-info', './default.nix', '-A', 'top')).stdout).toBe(`${paths['top']!}\n`);
    expect((await ours('path-info', '-f', 'default.nix', '-A', 'b.dev', '--derivation')).stdout).toBe(
      `${paths['bdrv']!}\n`,
    );
    expect((await ours('path-info', `${paths['bdrv']!}^out`)).stdout).toBe(`${paths['b']!}\n`);
    expect((await ours('path-info', `${paths['bdrv']!}^*`)).stdout.split('\n')).toHaveLength(3);
    expect((await ours('why-depends', './default.nix', paths['src']!, '-A', 'top')).stdout).toContain(paths['src']!);
  });

  it('config show, path-from-hash-part, info, and help for each', async () => {
    expect((await ours('config', 'show', 'sandbox')).stdout).toBe('true\n');
    expect((await ours('config', 'show')).stdout).toContain('\nmax-silent-time = 0\n');
    expect(JSON.parse((await ours('config', 'show', '--json')).stdout)).toMatchObject({
      'experimental-features': { value: ['nix-command'] },
    });
    expect((await ours('config', 'show', 'nope')).stderr).toContain("error: could not find setting 'nope'");
    const part = paths['top']!.slice('/nix/store/'.length, '/nix/store/'.length + 32);
    expect((await ours('store', 'path-from-hash-part', part)).stdout).toBe(`${paths['top']!}\n`);
    expect((await ours('store', 'info')).stderr).toContain(`Store URL: local?root=${work.store}`);
    expect((await ours('store', 'ls', '--help')).stdout).toContain('--recursive');
    expect((await ours('store', '--help')).stdout).toContain('tsnix store diff-closures');
    expect((await ours('store', 'lss')).stderr).toContain('ls');
  });
});
