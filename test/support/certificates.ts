// A certificate authority of a test's own, and a server's certificate by it, made by openssl.
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Certificates {
  /** File of the authority's certificate. */
  readonly ca: string;
  /** What a server of the name `localhost` needs. */
  readonly tls: { readonly key: Buffer; readonly cert: Buffer };
}

export function makeCertificates(dir: string): Certificates {
  const at = (name: string): string => join(dir, name);
  const openssl = (...args: string[]): void => void execFileSync('openssl', args, { stdio: 'ignore' });
  const newKey = (name: string): string[] => ['-newkey', 'rsa:2048', '-nodes', '-keyout', at(name)];
  const ca = at('ca.pem');
  openssl('req', '-x509', ...newKey('ca.key'), '-subj', '/CN=Our CA', '-days', '3650', '-out', ca);
  openssl('req', ...newKey('key.pem'), '-subj', '/CN=localhost', '-out', at('csr'));
  writeFileSync(at('ext'), 'subjectAltName=DNS:localhost\n');
  openssl(
    ...['x509', '-req', '-in', at('csr'), '-CA', ca, '-CAkey', at('ca.key'), '-CAcreateserial'],
    ...['-days', '3650', '-extfile', at('ext'), '-out', at('cert.pem')],
  );
  return { ca, tls: { key: readFileSync(at('key.pem')), cert: readFileSync(at('cert.pem')) } };
}
