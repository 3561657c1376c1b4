// How HTTP is spoken: settings of Nix, as data that a child process can be told.
import { existsSync } from 'node:fs';

export interface DownloadSettings {
  /** How often a request is tried in all. */
  readonly attempts: number;
  /** First wait between attempts, doubled each time. */
  readonly retryDelayMs: number;
  readonly connectTimeoutMs: number;
  /** Longest time without a byte. */
  readonly stalledTimeoutMs: number;
  /** 0: as many as there are requests. */
  readonly maxConnections: number;
  /** Empty: none. */
  readonly netrcFile: string;
  /** Certificates to trust in place of Node's own; empty: none. */
  readonly caFile: string;
  readonly userAgentSuffix: string;
}

export interface HttpSettings extends DownloadSettings {
  warn(message: string): void;
}

export const defaultHttpSettings: HttpSettings = {
  attempts: 5,
  retryDelayMs: 250,
  connectTimeoutMs: 15_000,
  stalledTimeoutMs: 300_000,
  maxConnections: 25,
  netrcFile: '',
  caFile: '',
  userAgentSuffix: '',
  warn: () => undefined,
};

const systemCertificates = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/nix/var/nix/profiles/default/etc/ssl/certs/ca-bundle.crt',
];

/** The default of `ssl-cert-file`; empty where there is no such file. */
export function certificatesFile(env: Readonly<Record<string, string | undefined>>): string {
  return (
    env['NIX_SSL_CERT_FILE'] || env['SSL_CERT_FILE'] || (systemCertificates.find((file) => existsSync(file)) ?? '')
  );
}
