// Binary caches behind TLS and a password: real Nix and ours write them by PUT, read each other's, and fetch files; the
// server sees the same requests, whoever asks.
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { CacheServer } from '../support/cache-server.ts';
import { makeCertificates, type Certificates } from '../support/certificates.ts';
import { program } from '../support/cli.ts';
import { describeWith } from '../support/requirements.ts';
import { makeClosure, StorePlace } from '../support/store-closure.ts';

interface Ran {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

describeWith(['nix', 'openssl'], 'caches behind TLS and a password', () => {
  const place = new StorePlace();
  const closure = makeClosure(place.open('first'));
  const at = (name: string): string => join(place.dir, name);
  let certificates: Certificates;
  let server: CacheServer;
  let url = '';
  beforeAll(async () => {
    for (const name of ['conf', 'served', 'tls']) mkdirSync(at(name));
    certificates = makeCertificates(at('tls'));
    server = new CacheServer(at('served'), certificates.tls);
    server.misbehave = ({ headers }, response): boolean => {
      if (headers.authorization === `Basic ${btoa('me:secret')}`) return false;
      response.writeHead(401, { 'www-authenticate': 'Basic realm="cache"' }).end();
      return true;
    };
    url = await server.start();
    writeFileSync(at('conf/netrc'), 'machine localhost login me password secret\n');
  });
  afterAll(async () => {
    await server.stop();
    await place.close();
  });

  const run = (words: readonly string[], more: Record<string, string> = {}): Promise<Ran> =>
    new Promise((resolve) => {
      const env = {
        PATH: process.env['PATH']!,
        HOME: at('home'),
        NIX_CONF_DIR: at('conf'),
        NIX_SSL_CERT_FILE: certificates.ca,
        NIX_CONFIG:
          'build-users-group =\nsubstituters =\nrequire-sigs = false\nexperimental-features = nix-command\ndownload-attempts = 1\n',
        ...more,
      };
      execFile(words[0]!, words.slice(1), { env, cwd: place.dir }, (error, stdout, stderr) => {
        resolve({ status: error === null ? 0 : Number(error.code), stdout, stderr });
      });
    });
  const tools = [
    ['nix', 'nix'],
    ['ours', program],
  ] as const;

  it('are written with the same requests, and read by the other', async () => {
    const requests: string[][] = [];
    for (const [name, tool] of tools) {
      server.seen.length = 0;
      const to = ['copy', '--store', at('first'), '--to', `${url}/${name}?compression=none`, closure.top];
      expect(await run([tool, ...to])).toMatchObject({ status: 0 });
      requests.push(
        server.seen
          .filter(({ method, headers }) => method === 'PUT' && headers.authorization !== undefined)
          .map(({ path, headers }) => `${path.replace(/^\w+\//, '')} ${headers['content-type'] ?? ''}`)
          .sort(),
      );
    }
    expect(requests[1]).toHaveLength(9);
    expect(requests[1]).toEqual(requests[0]);
    const files = globSync('**/*.*', { cwd: at('served/nix') });
    for (const file of files)
      expect(readFileSync(at(`served/ours/${file}`))).toEqual(readFileSync(at(`served/nix/${file}`)));
    const [byNix, byOurs] = await Promise.all([
      run(['nix', 'copy', '--from', `${url}/ours`, '--store', at('by-nix'), closure.top]),
      run([program, 'copy', '--from', `${url}/nix`, '--store', at('by-ours'), closure.top]),
    ]);
    expect([byNix.status, byOurs.status]).toEqual([0, 0]);
    for (const store of ['by-nix', 'by-ours']) {
      const verified = await run(['nix-store', '--store', at(store), '--verify', '--check-contents']);
      expect(verified.stderr).not.toMatch(/error|modified|disappeared/);
    }
  }, 60_000);

  it('are refused without the password, or the certificate', async () => {
    const copy = (tool: string, more: Record<string, string>): Promise<Ran> =>
      run([tool, 'copy', '--from', `${url}/nix`, '--store', at('refused'), closure.leaf], more);
    mkdirSync(at('no-netrc'));
    for (const [name, tool] of tools) {
      const locked = await copy(tool, { NIX_CONF_DIR: at('no-netrc'), HOME: at(`locked-${name}`) });
      // Nix takes 401 for 404, and says that there is no cache.
      const reason = name === 'nix' ? 'does not appear to be a binary cache' : 'HTTP error 401';
      expect([locked.status, locked.stderr]).toEqual([1, expect.stringContaining(reason)]);
      const unknown = await copy(tool, {
        NIX_SSL_CERT_FILE: '/etc/ssl/certs/ca-certificates.crt',
        HOME: at(`unknown-${name}`),
      });
      expect([unknown.status, unknown.stderr]).toEqual([1, expect.stringMatching(/unable to download.* \(60\)/)]);
    }
  }, 60_000);

  it('serve files to fetchers, with the same settings', async () => {
    writeFileSync(at('served/file'), 'a file\n');
    const expression = `builtins.readFile (builtins.fetchurl "${url}/file")`;
    for (const [name, tool] of tools) {
      const words = [...(tool === 'nix' ? ['nix-instantiate'] : [tool, 'nix-instantiate'])];
      const eval_ = (more: Record<string, string>): Promise<Ran> =>
        run([...words, '--eval', '--read-write-mode', '--store', at(`s-${name}`), '-E', expression], {
          HOME: at(`fetch-${name}`),
          ...more,
        });
      const locked = await eval_({ NIX_CONF_DIR: at('no-netrc') });
      expect([locked.status, locked.stderr]).toEqual([
        1,
        expect.stringContaining(`unable to download '${url}/file': HTTP error 401`),
      ]);
      expect(await eval_({})).toMatchObject({ status: 0, stdout: '"a file\\n"\n' });
    }
    // A builder of ours that downloads.
    const sha256 = (await run(['nix-hash', '--type', 'sha256', '--flat', '--base32', at('served/file')])).stdout.trim();
    const fetched = await run([
      ...[program, 'nix-build', '--no-out-link', '--store', at('built'), '-E'],
      `derivation { name = "file"; system = "builtin"; builder = "builtin:fetchurl"; url = "${url}/file"; outputHash = "${sha256}"; outputHashAlgo = "sha256"; outputHashMode = "flat"; }`,
    ]);
    expect([fetched.status, fetched.stderr]).toEqual([0, expect.stringContaining('building')]);
    expect(readFileSync(at(`built${fetched.stdout.trim()}`), 'utf8')).toBe('a file\n');
  }, 60_000);

  it('serve files by their hash to builders that would fetch them elsewhere', async () => {
    const text = 'mirrored\n';
    const digest = createHash('sha256').update(text).digest('hex');
    mkdirSync(at('served/sha256'), { recursive: true });
    writeFileSync(at(`served/sha256/${digest}`), text);
    const drv = (mode: string): string =>
      `derivation { name = "file"; system = "builtin"; builder = "builtin:fetchurl"; url = "${url}/gone"; outputHash = "${digest}"; outputHashAlgo = "sha256"; outputHashMode = "${mode}"; }`;
    const more = ['--option', 'hashed-mirrors', `${url}/nowhere ${url}`, '--option', 'netrc-file', at('conf/netrc')];
    for (const [name, tool] of tools) {
      const words = tool === 'nix' ? ['nix-build'] : [tool, 'nix-build'];
      const build = (mode: string): Promise<Ran> =>
        run([...words, '--no-out-link', '--store', at(`mirror-${name}`), ...more, '-E', drv(mode)]);
      const { status, stdout } = await build('flat');
      expect([name, status]).toEqual([name, 0]);
      expect(readFileSync(at(`mirror-${name}${stdout.trim()}`), 'utf8')).toBe(text);
      // Mirrors have files, no trees.
      expect((await build('recursive')).status).not.toBe(0);
    }
  }, 60_000);
});
