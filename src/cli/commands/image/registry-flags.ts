// Flags of commands that talk to registries, and what they mean for a client.
import { UsageError } from '../../../util/errors.ts';
import { utf8 } from '../../../util/bytes.ts';
import { findCredentials } from '../../../docker/registry/credentials.ts';
import type { RegistryOptions } from '../../../docker/registry/client.ts';
import type { RegistryReference } from '../../../docker/image/reference.ts';
import { flag } from '../../flags.ts';
import type { Flag, ParsedFlags } from '../../flags.ts';

const flagsWith = (prefix: string, whose: string): readonly Flag[] => [
  flag(`${prefix}creds`, `credentials for ${whose} (otherwise those of docker's and podman's logins)`, {
    args: ['USER:PASSWORD'],
  }),
  flag(`${prefix}authfile`, 'read credentials from this file only', { args: ['FILE'] }),
  flag(`${prefix}tls-verify`, `check the certificate of ${whose} (the default but for plain HTTP on loopback)`, {
    negatable: true,
  }),
  flag(`${prefix}cert-dir`, 'certificates: *.crt of authorities, *.cert and *.key of our own', { args: ['DIR'] }),
];

export const REGISTRY_FLAGS: readonly Flag[] = flagsWith('', 'the registry');
export const SOURCE_FLAGS: readonly Flag[] = flagsWith('src-', 'the registry that is read');
export const DESTINATION_FLAGS: readonly Flag[] = flagsWith('dest-', 'the registry that is written to');

export type RegistrySettings = (reference: RegistryReference) => RegistryOptions;

/** @param prefix of the flags that count before those without one */
export function registrySettings(
  flags: ParsedFlags,
  signal: AbortSignal,
  prefix: '' | 'src-' | 'dest-' = '',
): RegistrySettings {
  const get = (name: string): string | undefined => flags.get(`${prefix}${name}`) ?? flags.get(name);
  const given = get('creds');
  if (given !== undefined && !/^[^:]+:/.test(given)) throw new UsageError("'--creds' is not USER:PASSWORD");
  const off = flags.isOff(`${prefix}tls-verify`) || flags.isOff('tls-verify');
  const certDir = get('cert-dir');
  return ({ repository }) => ({
    signal,
    tls: { verify: !off, ...(certDir === undefined ? {} : { certDir }) },
    credentials: () => findCredentials(repository, { given, authFile: get('authfile'), environment: process.env }),
  });
}

/** `KEY=VALUE`s of a flag. @throws UsageError */
export function keyValues(flags: ParsedFlags, name: string): Record<string, string> {
  const pairs = flags.list(name).map((text): [string, string] => {
    const equals = text.indexOf('=');
    if (equals <= 0) throw new UsageError(`'${utf8(text)}' of '--${name}' is not KEY=VALUE`);
    return [text.slice(0, equals), text.slice(equals + 1)];
  });
  return Object.fromEntries(pairs);
}
