// nix-hash, nix-prefetch-url and nix-collect-garbage against the real ones.
import { execFile, spawnSync } from 'node:child_process';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { chmodSync, cpSync, lutimesSync, mkdirSync, readdirSync, readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { program, Workplace } from '../support/cli.ts';
import { describeWith } from '../support/requirements.ts';

const work = new Workplace({
  'tree/a': 'contents of a',
  'tree/sub/b': '',
  file: 'a file\n',
  script: '#!/bin/sh\n',
  'source.nix': `{ src = { urls = [ "file://\${toString ./file}" ]; outputHashMode = "flat"; name = "named"; }; }`,
});
afterAll(() => {
  work.close();
});

interface Result {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}
const env = { ...work.environment(), NIX_PATH: '', NIX_CONFIG: 'substituters =\nbuild-users-group =' };

function run(words: readonly string[], more: Readonly<Record<string, string>> = {}): Promise<Result> {
  return new Promise((resolve) => {
    execFile(words[0]!, words.slice(1), { cwd: work.project, env: { ...env, ...more } }, (error, stdout, stderr) => {
      resolve({ status: error === null ? 0 : Number(error.code), stdout, stderr });
    });
  });
}
const both = async (words: readonly string[], more?: Readonly<Record<string, string>>): Promise<[Result, Result]> => {
  const theirs = await run(words, more);
  return [await run([program, ...words], more), theirs];
};

describeWith(['nix-hash'], 'nix-hash', () => {
  beforeAll(() => {
    chmodSync(join(work.project, 'script'), 0o755);
    symlinkSync('file', join(work.project, 'link'));
  });
  const digest = {
    md5: '0'.repeat(32),
    sha1: 'da39a3ee5e6b4b0d3255bfef95601890afd80709',
    sha256: 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
  };
  it.each([
    'tree',
    'tree file script',
    '--type sha256 tree',
    '--type sha512 --base32 tree',
    '--flat file script',
    '--flat --type sha256 --base32 file',
    '--type sha256 --truncate tree',
    '--type sha256 --base32 --truncate --flat file',
    '--type md5 --truncate file',
    'link',
    `--type sha256 --to-base32 ${digest.sha256}`,
    `--type sha1 --to-base32 ${digest.sha1}`,
    `--type sha1 --to-base16 ${digest.sha256}`,
    '--to-base16 xyz',
    'nothing',
    '--flat nothing',
    '--flat tree',
    '--foo',
    '',
  ])('%s', async (words) => {
    const [ours, theirs] = await both(['nix-hash', ...words.split(' ').filter(Boolean)]);
    expect([ours.status, ours.stdout]).toEqual([theirs.status, theirs.stdout]);
  });

  it('has the forms that came after 2.8', async () => {
    const out = async (words: string): Promise<string> =>
      (await run([program, 'nix-hash', ...words.split(' ')])).stdout.trim();
    const nix = ['nix', '--extra-experimental-features', 'nix-command', 'hash'];
    const sri = (await run([...nix, 'path', 'tree'])).stdout.trim();
    expect(await out('--type sha256 --sri tree')).toBe(sri);
    expect(await out('--type sha256 --base64 tree')).toBe(sri.replace('sha256-', ''));
    expect(await out(`--to-base16 ${sri}`)).toBe(await out('--type sha256 tree'));
    expect(await out(`--type sha256 --to-sri ${digest.sha256}`)).toBe(
      'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=',
    );
    expect(await out(`--to-base32 md5:${digest.md5} sha1:${digest.sha1}`)).toBe(
      '00000000000000000000000000\n143xibwh31h9bvxzalr0sjvbbvpa6ffs',
    );
  });
});

describeWith(['nix-prefetch-url', 'tar'], 'nix-prefetch-url', () => {
  let server: Server;
  let base = '';
  beforeAll(async () => {
    spawnSync('tar', ['-czf', 'tree.tar.gz', 'tree'], { cwd: work.project });
    spawnSync('tar', ['-czf', 'two.tar.gz', 'tree', 'file'], { cwd: work.project });
    server = createServer((request, response) => {
      try {
        response.end(readFileSync(join(work.project, request.url!.replace(/\?.*/, ''))));
      } catch {
        response.writeHead(404).end();
      }
    });
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    base = `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`;
  });
  afterAll(() => {
    server.close();
  });

  it.each([
    'BASE/file',
    'BASE/file --print-path',
    'FILE/file --print-path',
    'FILE/file --name other --print-path',
    'FILE/file --type sha1 --print-path',
    'FILE/file --type md5',
    'BASE/tree.tar.gz --unpack --print-path',
    'BASE/two.tar.gz --unpack --print-path',
    'BASE/file?query --name q --print-path',
    'BASE/file 1f2cwk3nmmpbgvqk6n9wpzjmbw1wsvmcnwdhh0mxhsnlcv8jdvi2',
    'FILE/file --print-path sha256:0000000000000000000000000000000000000000000000000000',
    'FILE/nothing',
    '-A src source.nix --print-path',
    '',
    'a b c',
  ])('%s', async (words) => {
    const args = words
      .split(' ')
      .filter(Boolean)
      .map((word) => word.replace('BASE', base).replace('FILE', `file://${work.project}`));
    const theirs = await run(['nix-prefetch-url', ...args, '--store', join(work.dir, 'theirs')]);
    const ours = await run([program, 'nix-prefetch-url', ...args, '--store', join(work.dir, 'ours')]);
    // Nix has 1 for a hash that is not the expected one: 2.36 has 102.
    expect([ours.status === 102 ? 1 : ours.status, ours.stdout]).toEqual([theirs.status, theirs.stdout]);
  });

  it('says of files that are not there what the system says', async () => {
    const { status, stderr } = await run([program, 'nix-prefetch-url', 'file:///nope']);
    expect([status, stderr]).toEqual([1, "error: unable to download 'file:///nope': No such file or directory\n"]);
  });

  it('--executable keeps the bit', async () => {
    const words = ['nix-prefetch-url', '--executable', '--print-path', `file://${work.project}/script`];
    const { stdout } = await run([program, ...words, '--store', join(work.dir, 'ours')]);
    const [hash, path] = stdout.trim().split('\n');
    const theirs = await run(['nix-hash', '--type', 'sha256', '--base32', join(work.dir, 'ours') + path!]);
    expect(theirs.stdout.trim()).toBe(hash);
  });
});

describeWith(['nix-collect-garbage', 'nix-store'], 'nix-collect-garbage', () => {
  const places = ['theirs', 'ours'].map((name) => join(work.dir, 'gc', name)) as [string, string];
  /** A store of its own name, not below a root. */
  const at = (place: string): Record<string, string> => ({
    NIX_STORE_DIR: join(work.dir, 'gc', 'store'),
    NIX_STATE_DIR: join(place, 'state'),
    NIX_LOG_DIR: join(place, 'log'),
    NIX_REMOTE: `local?store=${join(work.dir, 'gc', 'store')}&real=${join(place, 'store')}`,
    HOME: place,
  });

  async function prepare(): Promise<void> {
    const [first, second] = places;
    spawnSync('sh', ['-c', `chmod -R u+w "$0"; rm -rf "$0"`, join(work.dir, 'gc')]);
    mkdirSync(join(first, 'store'), { recursive: true });
    const env1 = at(first);
    const paths: string[] = [];
    for (const name of ['tree', 'file', 'script', 'source.nix']) {
      paths.push((await run(['nix-store', '--add', name], env1)).stdout.trim());
    }
    const profiles = join(first, 'state/profiles');
    const now = Date.now() / 1000;
    for (const [i, age] of [40, 20, 3].entries()) {
      const link = join(profiles, `p-${String(i + 1)}-link`);
      symlinkSync(paths[i]!, link);
      lutimesSync(link, now - age * 86400, now - age * 86400);
    }
    symlinkSync('p-3-link', join(profiles, 'p'));
    cpSync(first, second, { recursive: true, verbatimSymlinks: true, preserveTimestamps: true });
    for (const [i, age] of [40, 20, 3].entries()) {
      lutimesSync(join(second, `state/profiles/p-${String(i + 1)}-link`), now - age * 86400, now - age * 86400);
    }
    spawnSync('sh', [
      '-c',
      'cd "$0" && rm gcroots/profiles && ln -s "$0/profiles" gcroots/profiles',
      join(second, 'state'),
    ]);
  }

  it.each([
    '',
    '--dry-run',
    '-d',
    '--delete-older-than 10d',
    '--delete-older-than 30d',
    '--delete-older-than 3',
    '-d --dry-run',
  ])('%s', async (words) => {
    await prepare();
    const args = words.split(' ').filter(Boolean);
    const theirs = await run(['nix-collect-garbage', ...args], at(places[0]));
    const ours = await run([program, 'nix-collect-garbage', ...args], at(places[1]));
    const shown = ({ status, stdout }: Result): unknown => [
      status,
      // 2.8 says nothing of a dry run.
      stdout.replace(/[\d.]+ [KM]iB/g, 'SIZE').replace(/^\d+ store paths would be deleted\n/, ''),
    ];
    const state = (place: string): unknown => [
      readdirSync(join(place, 'state/profiles')).sort(),
      readdirSync(join(place, 'store')).sort(),
    ];
    expect([shown(ours), state(places[1])]).toEqual([shown(theirs), state(places[0])]);
  });
});
