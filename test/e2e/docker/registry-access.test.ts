// Registries that are not open to all: TLS with a certificate of one's own, users and passwords.
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Workplace } from '../../support/cli.ts';
import { TestRegistry } from '../../support/registry.ts';
import { describeWith } from '../../support/requirements.ts';

/** `me` with the password `secret`. */
const HTPASSWD = 'me:$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a\n';

describeWith(['docker-registry', 'openssl'], 'a registry with TLS and passwords', () => {
  let work: Workplace;
  let registry: TestRegistry;
  const push = async (...more: string[]) => {
    const args = ['image', 'push', '-E', 'builtins.toFile "x" "x"', `${registry.host}/x:v1`, ...more];
    return await work.run(args);
  };
  beforeAll(async () => {
    work = new Workplace();
    const at = (name: string): string => join(work.dir, name);
    mkdirSync(at('certs'));
    const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1'];
    const files = ['-keyout', at('key.pem'), '-out', at('certs/ca.crt')];
    execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '30', ...subject, ...files], {
      stdio: 'ignore',
    });
    writeFileSync(at('htpasswd'), HTPASSWD);
    const tls = `  tls:\n    certificate: ${at('certs/ca.crt')}\n    key: ${at('key.pem')}\n`;
    const auth = `auth:\n  htpasswd:\n    realm: test\n    path: ${at('htpasswd')}\n`;
    registry = await TestRegistry.start(at('registry'), tls + auth);
  }, 60_000);
  afterAll(() => {
    registry.stop();
    work.close();
  });

  it('is not trusted without its certificate', async () => {
    const { status, stderr } = await push('--creds', 'me:secret');
    expect(status).toBe(1);
    expect(stderr).toContain('self-signed certificate');
  });

  it('wants to know who it is', async () => {
    const certs = ['--cert-dir', join(work.dir, 'certs')];
    expect((await push(...certs)).stderr).toContain('wants credentials (basic)');
    expect((await push(...certs, '--creds', 'me:wrong')).stderr).toContain('answered 401 Unauthorized');
    expect((await push(...certs, '--creds=me:secret')).status).toBe(0);
  });

  it('knows who has logged in', async () => {
    const auths = { [registry.host]: { auth: Buffer.from('me:secret').toString('base64') } };
    mkdirSync(join(work.dir, 'home/.docker'), { recursive: true });
    writeFileSync(join(work.dir, 'home/.docker/config.json'), JSON.stringify({ auths }));
    expect((await push('--tls-verify=false')).status).toBe(0);
    const inspected = await work.run(['image', 'inspect', '--no-tls-verify', `docker://${registry.host}/x:v1`]);
    expect(inspected.stdout).toContain('linux/');
    const copied = ['image', 'copy', '--src-tls-verify=false', `docker://${registry.host}/x:v1`, 'oci:x'];
    expect((await work.run(copied)).status).toBe(0);
  });
});
