import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseRepository } from '../image-reference.ts';
import { findCredentials } from './credentials.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'tsnix-auth-'));
});
afterEach(() => {
  rmSync(dir, { recursive: true, force: true });
});

function write(name: string, value: unknown): string {
  const file = join(dir, name);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, typeof value === 'string' ? value : JSON.stringify(value));
  return file;
}
const auth = (text: string) => ({ auth: Buffer.from(text).toString('base64') });
const find = (name: string, environment: Record<string, string> = {}, more = {}) =>
  findCredentials(parseRepository(name), { environment: { HOME: dir, ...environment }, ...more });

describe('findCredentials()', () => {
  it('finds nobody where there is nothing', async () => {
    expect(await find('quay.io/a/b')).toBeUndefined();
  });

  it("reads docker's logins, by what registries go by", async () => {
    const hub = 'https://index.docker.io/v1/';
    write('.docker/config.json', {
      auths: { [hub]: auth('hub:1'), 'https://quay.io': auth('quay:a:b'), 'x.org:5000': {} },
    });
    expect(await find('busybox')).toEqual({ username: 'hub', password: '1' });
    expect(await find('quay.io/a/b')).toEqual({ username: 'quay', password: 'a:b' });
    expect(await find('x.org:5000/a')).toBeUndefined();
  });

  it("prefers podman's, and there the most exact name", async () => {
    write('.docker/config.json', { auths: { 'quay.io': auth('docker:1') } });
    write('run/containers/auth.json', { auths: { 'quay.io': auth('host:1'), 'quay.io/a': auth('team:1') } });
    const environment = { XDG_RUNTIME_DIR: join(dir, 'run') };
    expect(await find('quay.io/a/b', environment)).toMatchObject({ username: 'team' });
    expect(await find('quay.io/c/d', environment)).toMatchObject({ username: 'host' });
    expect(await find('quay.io/c/d')).toMatchObject({ username: 'docker' });
  });

  it('takes a file that is named, and the command line before it', async () => {
    const file = write('other.json', { auths: { 'quay.io': auth('named:1') } });
    write('.docker/config.json', { auths: { 'quay.io': auth('docker:1') } });
    expect(await find('quay.io/a', { REGISTRY_AUTH_FILE: file })).toMatchObject({ username: 'named' });
    expect(await find('quay.io/a', {}, { authFile: file })).toMatchObject({ username: 'named' });
    expect(await find('quay.io/a', {}, { authFile: file, given: 'u:p:q' })).toEqual({ username: 'u', password: 'p:q' });
    await expect(find('quay.io/a', {}, { authFile: join(dir, 'nowhere') })).rejects.toThrow('cannot read credentials');
  });

  it('asks helpers', async () => {
    const script = (text: string): string => `#!/bin/sh\nread server\n${text}\n`;
    const helper = (name: string, text: string): void => {
      chmodSync(write(`bin/docker-credential-${name}`, script(text)), 0o755);
    };
    helper('one', `echo "{\\"Username\\":\\"one\\",\\"Secret\\":\\"$1 $server\\"}"`);
    helper('none', 'echo "credentials not found in native keychain"; exit 1');
    helper('bad', 'echo "locked" >&2; exit 2');
    helper('token', `echo '{"Username":"<token>","Secret":"refresh"}'`);
    const path = process.env['PATH'];
    process.env['PATH'] = `${join(dir, 'bin')}:${path!}`;
    try {
      const helpers = {
        'one.org': 'one',
        'bad.org': 'bad',
        'token.org': 'token',
        'gone.org': 'gone',
        'evil.org': '../x',
      };
      write('.docker/config.json', { credsStore: 'none', credHelpers: helpers });
      expect(await find('one.org/a')).toEqual({ username: 'one', password: 'get one.org' });
      expect(await find('token.org/a')).toMatchObject({ identityToken: 'refresh' });
      expect(await find('other.org/a')).toBeUndefined();
      await expect(find('bad.org/a')).rejects.toThrow("'docker-credential-bad' failed: locked");
      await expect(find('gone.org/a')).rejects.toThrow("cannot run 'docker-credential-gone'");
      await expect(find('evil.org/a')).rejects.toThrow('not a legal name of a credential helper');
    } finally {
      process.env['PATH'] = path;
    }
  });

  it.each([
    ['is no JSON', '{'],
    ['is a list', '3'],
    ['has no colon', { auths: { 'x.org': auth('nobody') } }],
  ])('fails where the file %s', async (_, value) => {
    write('.docker/config.json', value);
    await expect(find('x.org/a')).rejects.toThrow(/cannot read credentials|not USER:PASSWORD/);
  });
});
