import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { defaultHttpSettings } from '../../fetch/http-settings.ts';
import type { Derivation } from '../../store/derivation.ts';
import { MemoryStore } from '../../store/memory-store.ts';
import type { StorePath } from '../../store/store.ts';
import { sha256Hex } from '../host/host-files.ts';
import { builtinBuilders } from './index.ts';

let dir: string;
let store: MemoryStore;
let log: string[];
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'tsnix-builders-'));
  store = new MemoryStore();
  log = [];
});
afterEach(async () => {
  await store.close();
  rmSync(dir, { recursive: true, force: true });
});

const outPath = '/nix/store/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-out' as StorePath;
let runs = 0;

/** Runs a builder; where its output is. */
async function build(name: string, env: Record<string, string>, fixed = false, hostFiles = false): Promise<string> {
  const out = join(dir, `out-${runs++}`);
  const tmp = join(dir, `tmp-${runs}`);
  mkdirSync(tmp);
  const output = fixed
    ? ({ kind: 'fixed', path: outPath, method: 'flat', algorithm: 'sha256', hash: new Uint8Array(32) } as const)
    : ({ kind: 'inputAddressed', path: outPath } as const);
  await builtinBuilders.get(name)!({
    drvPath: '/nix/store/bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb-x.drv' as StorePath,
    drv: { outputs: new Map([['out', output]]) } as unknown as Derivation,
    env: new Map(Object.entries({ out: outPath, ...env })),
    outputs: new Map([['out', out]]),
    outputPaths: new Map([['out', outPath]]),
    store,
    tmpDir: tmp,
    notesDir: undefined,
    http: defaultHttpSettings,
    hashedMirrors: [],
    hostFiles,
    log: (line) => log.push(line),
    signal: new AbortController().signal,
  });
  return out;
}

/** A store path with these files. */
function addTree(name: string, files: Record<string, string>): string {
  const root = join(dir, name);
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(join(root, path, '..'), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return store.addPath(root, { name, method: 'nar' });
}

describe('tsnix-write-text', () => {
  it('writes the output itself or a file inside, executable or not', async () => {
    expect(readFileSync(await build('tsnix-write-text', { text: 'a\xff' }))).toEqual(Buffer.from([0x61, 0xff]));
    const out = await build('tsnix-write-text', { text: 'b', destination: '/bin/x', executable: '1' });
    expect(statSync(join(out, 'bin/x')).mode & 0o777).toBe(0o755);
  });

  it('refuses to leave the output', async () => {
    await expect(build('tsnix-write-text', { text: '', destination: '/../x' })).rejects.toThrow('is not a path inside');
  });
});

describe('tsnix-substitute', () => {
  it('knows the options of substitute', async () => {
    const src = store.addText('template', Buffer.from('one @two@ three'), []);
    const list = ['--replace-fail', 'one', '1$&', '--subst-var-by', 'two', '2', '--replace', 'absent', 'x'];
    const out = await build('tsnix-substitute', { src, substitutions: JSON.stringify(list) });
    expect(readFileSync(out, 'utf8')).toBe('1$& 2 three');
    expect(log).toEqual(["substitute: pattern 'absent' doesn't match anything in file"]);
    const failing = JSON.stringify(['--replace-fail', 'absent', 'x']);
    await expect(build('tsnix-substitute', { src, substitutions: failing })).rejects.toThrow("doesn't match anything");
  });

  it('reads nothing but its inputs', async () => {
    await expect(build('tsnix-substitute', { src: '/etc/passwd' })).rejects.toThrow();
  });
});

describe('tsnix-link-farm', () => {
  it('makes links, none of them through another', async () => {
    const out = await build('tsnix-link-farm', { entries: JSON.stringify({ a: '/x', 'b/c': '/y' }) });
    expect(readlinkSync(join(out, 'b/c'))).toBe('/y');
    const nested = JSON.stringify({ a: dir, 'a/b': '/y' });
    await expect(build('tsnix-link-farm', { entries: nested })).rejects.toThrow();
    expect(existsSync(join(dir, 'b'))).toBe(false);
  });
});

describe('buildenv', () => {
  const env = (...packages: readonly (readonly [path: string, priority: number])[]): Record<string, string> => ({
    derivations: packages.map(([path, priority]) => `true ${priority} 1 ${path}`).join(' '),
    manifest: '/nix/store/manifest',
  });

  it('links directories whole until two packages have them', async () => {
    const a = addTree('a', { 'bin/a': '', 'share/a/x': '', 'nix-support/propagated-build-inputs': '' });
    const b = addTree('b', { 'bin/b': '' });
    const out = await build('buildenv', env([a, 5], [b, 5]));
    expect(readdirSync(out).sort()).toEqual(['bin', 'manifest.nix', 'share']);
    expect(readlinkSync(join(out, 'share'))).toBe(`${a}/share`);
    expect(readdirSync(join(out, 'bin')).sort()).toEqual(['a', 'b']);
    expect(readlinkSync(join(out, 'bin/b'))).toBe(`${b}/bin/b`);
  });

  it('lets the smaller priority win, and refuses equal ones', async () => {
    const a = addTree('a', { 'bin/x': 'a' });
    const b = addTree('b', { 'bin/x': 'b' });
    const out = await build('buildenv', env([a, 6], [b, 5]));
    expect(readlinkSync(join(out, 'bin/x'))).toBe(`${b}/bin/x`);
    await expect(build('buildenv', env([a, 5], [b, 5]))).rejects.toThrow(
      `There is a conflict for the following files:\n\n  "${a}/bin/x"\n  "${b}/bin/x"`,
    );
  });

  it('adds what packages propagate, last', async () => {
    const b = addTree('b', { 'bin/b': '' });
    const root = join(dir, 'a');
    mkdirSync(join(root, 'nix-support'), { recursive: true });
    writeFileSync(join(root, 'nix-support/propagated-user-env-packages'), `${b}\n`);
    const a = store.addPath(root, { name: 'a', method: 'nar', references: [b as StorePath] });
    const out = await build('buildenv', env([a, 5]));
    expect(log).toEqual([]);
    expect(readlinkSync(join(out, 'bin'))).toBe(`${b}/bin`);
  });
});

describe('downloads', () => {
  it('fetchurl reads file: and http: URLs, for fixed outputs only', async () => {
    const file = join(dir, 'file');
    writeFileSync(file, 'contents');
    const out = await build('fetchurl', { url: `file://${file}`, executable: '1' }, true, true);
    expect(readFileSync(out, 'utf8')).toBe('contents');
    expect(statSync(out).mode & 0o777).toBe(0o755);
    // In a sandbox there is the store, and nothing else; links lead nowhere else either.
    const outside = 'it is not in the sandbox';
    for (const url of [
      `file://${file}`,
      'file:///etc/passwd',
      'file:///nix/store/../../etc/passwd',
      'file:///nix/store',
    ])
      await expect(build('fetchurl', { url }, true), url).rejects.toThrow(outside);
    const link = join(dir, 'link');
    symlinkSync('/etc/passwd', link);
    for (const [name, place, expected] of [
      ['inside', file, 'contents'],
      ['leads-out', link, undefined],
    ] as const) {
      const url = `file://${store.addPath(place, { name, method: 'nar' })}`;
      if (expected === undefined) await expect(build('fetchurl', { url }, true)).rejects.toThrow(outside);
      else expect(readFileSync(await build('fetchurl', { url }, true), 'utf8')).toBe(expected);
    }
    await expect(build('fetchurl', { url: `file://${file}` })).rejects.toThrow(
      "'builtin:fetchurl' must be a fixed-output or impure derivation",
    );
    const server = createServer((request, response) => {
      response.statusCode = request.url === '/there' ? 200 : 404;
      response.end('served');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    try {
      const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
      expect(readFileSync(await build('fetchurl', { url: `${base}/there` }, true), 'utf8')).toBe('served');
      expect(readFileSync(await build('fetchurl', { urls: `${base}/none ${base}/there` }, true), 'utf8')).toBe(
        'served',
      );
      await expect(build('fetchurl', { url: `${base}/none` }, true)).rejects.toThrow('HTTP error 404');
    } finally {
      server.close();
    }
  });

  it('unpack-channel takes tarballs with one directory', async () => {
    mkdirSync(join(dir, 'channel/x'), { recursive: true });
    writeFileSync(join(dir, 'channel/x/default.nix'), '1');
    execFileSync('tar', ['-czf', 'one.tar.gz', 'channel'], { cwd: dir });
    const src = store.addPath(join(dir, 'one.tar.gz'), { name: 'one.tar.gz', method: 'flat' });
    const out = await build('unpack-channel', { src, channelName: 'nixpkgs' });
    expect(readFileSync(join(out, 'nixpkgs/x/default.nix'), 'utf8')).toBe('1');
    await expect(build('unpack-channel', { src, channelName: 'a/b' })).rejects.toThrow('filesystem separators');
  });
});

describe('tsnix-host-tool', () => {
  const manifest = (more: object): Record<string, string> => ({
    manifest: JSON.stringify({ files: [], trees: [], texts: [], links: {}, ...more }),
  });

  it('copies what has the hash it was evaluated with, and nothing else', async () => {
    const from = join(dir, 'tool');
    writeFileSync(from, '#!/usr/bin/perl -w\nprint 1\n');
    const file = {
      to: 'bin/tool',
      from,
      sha256: sha256Hex(readFileSync(from)),
      executable: true,
      interpreter: '/s/perl',
    };
    const out = await build('tsnix-host-tool', manifest({ files: [file], links: { 'bin/other': 'tool' } }));
    expect(readFileSync(join(out, 'bin/other'), 'utf8')).toBe('#!/s/perl -w\nprint 1\n');
    writeFileSync(from, 'changed');
    await expect(build('tsnix-host-tool', manifest({ files: [file] }))).rejects.toThrow(
      'has changed since the evaluation',
    );
    const tree = { to: 'lib', from: dir, sha256: '0'.repeat(64), exclude: ['out-*', 'tmp-*'], changes: {} };
    await expect(build('tsnix-host-tool', manifest({ trees: [tree] }))).rejects.toThrow('has changed since');
  });

  it('writes nothing outside its output', async () => {
    const text = (to: string): object => ({ texts: [{ to, text: 'x', executable: false }] });
    await expect(build('tsnix-host-tool', manifest(text('../x')))).rejects.toThrow('is not a path inside the output');
    await expect(build('tsnix-host-tool', manifest(text('/etc/x')))).rejects.toThrow('is not a path inside the output');
    const through = { trees: [{ to: 'a', from: join(dir, 'tree'), sha256: '', exclude: [], changes: {} }] };
    mkdirSync(join(dir, 'tree'));
    symlinkSync(dir, join(dir, 'tree/up'));
    await expect(build('tsnix-host-tool', manifest(through))).rejects.toThrow();
  });
});
