// pullImage from a real registry on loopback.
import { execFileSync, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { containerTools, decompressed, runImage, unpackImage } from '../../support/container.ts';
import { describeWith } from '../../support/requirements.ts';
import { TestInstallation } from '../../support/tsnix.ts';

const FILE = `${import.meta.dirname}/pull.nix`;
const NOTHING = 'sha256:0000000000000000000000000000000000000000000000000000000000000000';

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

describeWith(['docker-registry', ...containerTools], 'pullImage', () => {
  let tsnix: TestInstallation;
  let registry: ChildProcess;
  let address: string;
  let digest: string;
  let archive: string;

  const args = (attribute: string, more: Readonly<Record<string, string>> = {}): string[] => {
    const values = { imageName: `${address}/library/pushed`, imageDigest: digest, ...more };
    return [FILE, '-A', attribute, ...Object.entries(values).flatMap(([name, value]) => ['--argstr', name, value])];
  };
  const skopeo = (...words: string[]): string =>
    execFileSync('skopeo', ['--insecure-policy', ...words], { stdio: ['ignore', 'pipe', 'pipe'] }).toString();

  beforeAll(async () => {
    tsnix = new TestInstallation();
    const port = await freePort();
    address = `127.0.0.1:${port}`;
    digest = NOTHING;
    mkdirSync(`${tsnix.dir}/registry`);
    const settings = {
      version: '0.1',
      storage: { filesystem: { rootdirectory: `${tsnix.dir}/registry` } },
      http: { addr: address },
    };
    writeFileSync(`${tsnix.dir}/registry.yml`, JSON.stringify(settings));
    registry = spawn('docker-registry', ['serve', `${tsnix.dir}/registry.yml`], { stdio: 'ignore' });
    for (let tries = 0; ; tries++) {
      try {
        if ((await fetch(`http://${address}/v2/`)).ok) break;
      } catch (error) {
        if (tries === 100) throw error;
      }
      await delay(100);
    }
    const [image] = tsnix.build(args('pushed'));
    const source = `docker-archive:${decompressed(image!, tsnix.dir)}`;
    const name = `docker://${address}/library/pushed`;
    skopeo('copy', '-q', '--dest-tls-verify=false', source, `${name}:v1`);
    digest = skopeo('inspect', '--tls-verify=false', '--format', '{{.Digest}}', `${name}:v1`).trim();
    archive = `${tsnix.dir}/skopeo.tar`;
    skopeo('copy', '-q', '--src-tls-verify=false', `${name}@${digest}`, `docker-archive:${archive}:some/pulled:pinned`);
  }, 120_000);
  afterAll(() => {
    registry.kill();
    tsnix.close();
  }, 60_000);

  const hash = (): string => createHash('sha256').update(readFileSync(archive)).digest('hex');

  it('gives the archive that skopeo gives, which runs and can be built upon', () => {
    const [pulled] = tsnix.build(args('pulled', { sha256: hash() }));
    expect(readFileSync(pulled!).equals(readFileSync(archive))).toBe(true);
    const [upon] = tsnix.build(args('upon', { sha256: hash() }));
    const image = unpackImage(upon!, `${tsnix.dir}/unpacked`);
    expect(runImage(image)).toEqual({ status: 0, output: 'more\n' });
  });

  it('fails on a wrong sha256 with both hashes, and leaves no image of that name', () => {
    const wrong = hash().replaceAll(/[0-9]/g, '5');
    const { status, stderr } = tsnix.run([
      'build',
      '--no-out-link',
      ...args('pulled', { sha256: wrong, finalImageTag: 'wrong' }),
    ]);
    expect(status).toBe(102);
    const sri = (hex: string) => `sha256-${Buffer.from(hex, 'hex').toString('base64')}`;
    expect(stderr).toContain(`specified: ${sri(wrong)}`);
    expect(stderr).toContain('got:    sha256-');
    // Nothing is valid under the name that was asked for: it fails again, and again in the same way.
    expect(
      tsnix.run(['build', '--no-out-link', ...args('pulled', { sha256: wrong, finalImageTag: 'wrong' })]).status,
    ).toBe(102);
  });

  it.each([
    ['a digest that is not there', { imageDigest: NOTHING }, /answered 404 Not Found: .*MANIFEST_UNKNOWN/],
    ['something that is no digest', { imageDigest: 'latest' }, /'latest' is not a digest/],
    ['a name that is not legal', { imageName: 'Up/Case//x' }, /'Up\/Case\/\/x' is not a legal name/],
    ['a registry that is not there', { imageName: '127.0.0.1:1/x/y' }, /cannot reach 'http:\/\/127.0.0.1:1/],
  ])('tells of %s', (_, more, message) => {
    const { status, stderr } = tsnix.run(['build', '--no-out-link', ...args('pulled', more)]);
    // A failed download may succeed another time: not the status of a builder that fails for good.
    expect(status).toBe(1);
    expect(stderr).toMatch(message);
  });
});
