// Programs on other machines, by way of the system's ssh.
import { StoreError } from '../util/errors.ts';
import { Channel } from './daemon/channel.ts';

export interface SshOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly key?: string | undefined;
  readonly compress: boolean;
  /** What is said on standard error; default: the user sees it. */
  readonly onError?: ((chunk: Buffer) => void) | undefined;
}

/**
 * What starts `command` on `[USER@]HOST[:PORT]`.
 * @param uri for messages
 * @throws StoreError for what is no host
 */
export function sshConnector(
  uri: string,
  authority: string,
  command: readonly string[],
  { env, key, compress, onError }: SshOptions,
): () => Channel {
  const match = /^((?:[^@/]+@)?(?:\[[^\]/]+\]|[^:/@]+))(?::(\d+))?\/?$/.exec(authority);
  // A host that starts with a dash would be an option of ssh.
  if (match === null || match[1]!.startsWith('-')) throw new StoreError(`invalid SSH host in store URI '${uri}'`);
  const [, host = '', port] = match;
  const words = command.map((word) => (/^[\w./:=+-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`));
  const args = [
    ...(env['NIX_SSHOPTS'] ?? '').split(/\s+/).filter((word) => word !== ''),
    ...(key === undefined ? [] : ['-i', key]),
    ...(compress ? ['-C'] : []),
    ...(port === undefined ? [] : ['-p', port]),
    '-x',
    host.replace(/\[(.*)\]/, '$1'),
    '--',
    ...words,
  ];
  // Nix's rule: this very machine needs no ssh.
  return () =>
    host === 'localhost'
      ? Channel.command('sh', ['-c', words.join(' ')], onError)
      : Channel.command('ssh', args, onError);
}
