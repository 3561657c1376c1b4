// Git LFS against a server on loopback that speaks its batch API (git-lfs, docs/api/batch.md and docs/spec.md).
import { execFileSync, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest';
import { describeWith } from '../../test/support/requirements.ts';
import { checkOutGit } from './git.ts';
import { lfsEndpoint, parsePointer } from './git-lfs.ts';
import { defaultHttpSettings } from './http-settings.ts';

/** Objects are the files of a folder. Downloads want the header that the batch told. */
const SERVER = `
const http = require('node:http'), fs = require('node:fs'), path = require('node:path');
const dir = process.argv[1];
http.createServer(async (request, response) => {
  fs.appendFileSync(path.join(dir, 'log'), request.method + ' ' + request.url + '\\n');
  if (request.method === 'POST' && request.url === '/r.git/info/lfs/objects/batch') {
    let text = '';
    for await (const chunk of request) text += chunk;
    const { operation, objects } = JSON.parse(text);
    if (operation !== 'download' || request.headers.accept !== 'application/vnd.git-lfs+json') return response.writeHead(422).end();
    const href = 'http://' + request.headers.host + '/objects/';
    const answer = objects.map(({ oid, size }) => fs.existsSync(path.join(dir, oid))
      ? { oid, size, actions: { download: { href: href + oid, header: { Authorization: 'Basic secret' } } } }
      : { oid, size, error: { code: 404, message: 'Object does not exist' } });
    response.setHeader('content-type', 'application/vnd.git-lfs+json');
    return response.end(JSON.stringify({ transfer: 'basic', objects: answer }));
  }
  if (request.headers.authorization !== 'Basic secret') return response.writeHead(401).end();
  response.end(fs.readFileSync(path.join(dir, path.basename(request.url))));
}).listen(0, '127.0.0.1', function () { console.log(this.address().port); });
`;

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
const pointer = (text: string): string =>
  `version https://git-lfs.github.com/spec/v1\noid sha256:${sha256(text)}\nsize ${text.length}\n`;

describeWith(['git'], 'Git LFS', () => {
  let dir: string;
  let server: ChildProcess;
  const git = (...args: string[]): string =>
    execFileSync('git', ['-C', join(dir, 'repo'), '-c', 'user.name=t', '-c', 'user.email=t@t', ...args], {
      encoding: 'utf8',
    }).trim();
  const requests = (): string[] =>
    existsSync(join(dir, 'objects/log')) ? readFileSync(join(dir, 'objects/log'), 'utf8').trim().split('\n') : [];

  function commit(files: Readonly<Record<string, string>>): string {
    git('rm', '-rfq', '--ignore-unmatch', '.');
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(join(dir, 'repo', name, '..'), { recursive: true });
      writeFileSync(join(dir, 'repo', name), text, { mode: name.endsWith('.run') ? 0o755 : 0o644 });
    }
    git('add', '-A');
    git('commit', '-qm', 'x', '--allow-empty');
    return git('rev-parse', 'HEAD');
  }

  function checkOut(rev: string, lfs = true): { files: Record<string, string>; warned: string[]; isRunnable: boolean } {
    const warned: string[] = [];
    const warn = (message: string): void => void warned.push(message);
    const url = `file://${dir}/repo`;
    const none = { ref: null, submodules: false, shallow: false, allRefs: false, exportIgnore: false };
    const http = (): typeof defaultHttpSettings => ({ ...defaultHttpSettings, attempts: 1, warn });
    const made = checkOutGit({ url, rev, lfs, ...none }, { ttl: 0, warn, http });
    try {
      const names = execFileSync('find', ['.', '-type', 'f', '-printf', '%P\n'], { cwd: made.path, encoding: 'utf8' });
      const files = names.trim().split('\n').sort();
      const runnable = join(made.path, 'd/large.run');
      return {
        files: Object.fromEntries(files.map((name) => [name, readFileSync(join(made.path, name), 'utf8')])),
        warned,
        isRunnable: existsSync(runnable) && (statSync(runnable).mode & 0o111) !== 0,
      };
    } finally {
      rmSync(made.tempDir, { recursive: true });
    }
  }

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'tsnix-lfs-test-'));
    mkdirSync(join(dir, 'objects'));
    execFileSync('git', ['init', '--quiet', join(dir, 'repo')]);
    server = spawn(process.execPath, ['-e', SERVER, join(dir, 'objects')], { stdio: ['ignore', 'pipe', 'inherit'] });
    const port = await new Promise<string>((resolve) => {
      server.stdout!.once('data', (data: Buffer) => resolve(data.toString().trim()));
    });
    git('config', 'lfs.url', `http://127.0.0.1:${port}/r`);
  });
  afterEach(() => {
    vi.unstubAllEnvs();
    rmSync(join(dir, 'objects/log'), { force: true });
  });
  afterAll(() => {
    server.kill();
    spawnSync('chmod', ['-R', 'u+w', dir]);
    rmSync(dir, { recursive: true });
  });

  it.each([
    ['https://h/a/b', 'https://h/a/b.git/info/lfs'],
    ['https://h/a/b.git', 'https://h/a/b.git/info/lfs'],
    ['https://h/a/b/', 'https://h/a/b.git/info/lfs'],
  ])('objects of %s are asked for at %s', (url, endpoint) => {
    expect(lfsEndpoint(url)).toEqual({ url: endpoint });
  });

  it('a server reached by SSH says where', () => {
    const bin = join(dir, 'bin');
    mkdirSync(bin);
    const answer = `printf '%s\\n' "$*" >${dir}/asked; echo '{"href":"https://h/lfs","header":{"Authorization":"RemoteAuth x"}}'`;
    writeFileSync(join(bin, 'ssh'), `#!/bin/sh\n${answer}\n`, { mode: 0o755 });
    vi.stubEnv('PATH', `${bin}:${process.env['PATH']!}`);
    expect(lfsEndpoint('ssh://git@h:22/o/r.git')).toEqual({ url: 'https://h/lfs', authorization: 'RemoteAuth x' });
    expect(readFileSync(join(dir, 'asked'), 'utf8')).toBe('-p22 git@h -- git-lfs-authenticate /o/r.git download\n');
    expect(() => lfsEndpoint('file:///r')).toThrow("Git LFS objects of 'file:///r'");
  });

  it('knows pointers', () => {
    expect(parsePointer(pointer('abc'))).toEqual({ oid: sha256('abc'), size: 3 });
    expect(parsePointer('version https://git-lfs.github.com/spec/v1\noid sha256:12\nsize 3\n')).toBeNull();
    expect(parsePointer('version https://hawser.github.com/spec/v1\n')).toBeNull();
  });

  it('puts contents in the place of pointers, and keeps them', () => {
    vi.stubEnv('XDG_CACHE_HOME', join(dir, 'cache'));
    const large = 'large'.repeat(1000);
    writeFileSync(join(dir, 'objects', sha256(large)), large);
    writeFileSync(join(dir, 'objects', sha256('two')), 'two');
    const files = {
      '.gitattributes': '*.run filter=lfs diff=lfs merge=lfs -text\n*.bin filter=lfs\nd/not.bin -filter\n',
      'd/large.run': pointer(large),
      'd/not.bin': pointer('two'),
      'two.bin': pointer('two'),
      'same.bin': pointer('two'),
      'text.bin': 'no pointer\n',
      'long.bin': 'x'.repeat(2000),
    };
    const rev = commit(files);
    const whole = { ...files, 'd/large.run': large, 'two.bin': 'two', 'same.bin': 'two' };
    const first = checkOut(rev);
    expect(first.files).toEqual(whole);
    expect(first.isRunnable).toBe(true);
    expect(first.warned.sort()).toEqual([
      "encountered file '/long.bin' that should have been a git-lfs pointer, but is too large",
      "encountered file '/text.bin' that should have been a git-lfs pointer, but is invalid",
    ]);
    expect(requests().sort()).toEqual(
      [`GET /objects/${sha256(large)}`, `GET /objects/${sha256('two')}`, 'POST /r.git/info/lfs/objects/batch'].sort(),
    );
    expect(checkOut(rev).files).toEqual(whole);
    // What was kept and is damaged is fetched again.
    writeFileSync(join(dir, 'cache/tsnix/git-lfs', sha256('two')), 'tow');
    expect(checkOut(rev).files).toEqual(whole);
    expect(requests()).toHaveLength(5);
    expect(checkOut(rev, false).files).toEqual(files);
    expect(requests()).toHaveLength(5);
  });

  it('takes no other contents, and says what a server has not got', () => {
    vi.stubEnv('XDG_CACHE_HOME', join(dir, 'cache'));
    const attributes = { '.gitattributes': '*.bin filter=lfs\n' };
    writeFileSync(join(dir, 'objects', sha256('good')), 'evil');
    const changed = commit({ ...attributes, 'a.bin': pointer('good') });
    expect(() => checkOut(changed)).toThrow(`expected sha256:${sha256('good')} but got sha256:${sha256('evil')}`);
    writeFileSync(join(dir, 'objects', sha256('good')), 'goo');
    expect(() => checkOut(changed)).toThrow('expected 4 but got 3');
    const absent = commit({ ...attributes, 'a.bin': pointer('absent') });
    expect(() => checkOut(absent)).toThrow(`has no object '${sha256('absent')}': Object does not exist (404)`);
    expect(existsSync(join(dir, 'cache/tsnix/git-lfs', sha256('good')))).toBe(false);
  });

  it('fetchGit takes `lfs`', () => {
    writeFileSync(join(dir, 'objects', sha256('by nix')), 'by nix');
    const rev = commit({ '.gitattributes': '*.bin filter=lfs\n', 'a.bin': pointer('by nix') });
    const program = resolve(import.meta.dirname, '../../bin/tsnix');
    const read = (more: string): string => {
      const expr = `builtins.readFile (builtins.fetchGit { url = "file://${dir}/repo"; rev = "${rev}"; ${more} } + "/a.bin")`;
      const env = { ...process.env, XDG_CACHE_HOME: join(dir, 'cache') };
      const run = spawnSync(program, ['eval', '--store', join(dir, 'store'), '--raw', '-E', expr], {
        env,
        encoding: 'utf8',
      });
      return run.stdout + run.stderr;
    };
    expect(read('lfs = true;')).toBe('by nix');
    expect(read('')).toBe(pointer('by nix'));
  });
});
