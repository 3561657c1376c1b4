// Commits signed with SSH keys: git checks the signature, we check that it was made with one of the keys we were given
// (git would also take a GPG key that it finds on this machine).
import type { SpawnSyncReturns } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { StoreError } from '../util/errors.ts';

export interface PublicKey {
  readonly type: string;
  /** Base64, as the second word of a .pub file. */
  readonly key: string;
}

/** Names of types here → in files of OpenSSH. */
const KEY_TYPES: ReadonlyMap<string, string> = new Map([
  ['ssh-dsa', 'ssh-dsa'],
  ['ssh-ecdsa', 'ssh-ecdsa'],
  ['ssh-ecdsa-sk', 'sk-ecdsa-sha2-nistp256@openssh.com'],
  ['ssh-ed25519', 'ssh-ed25519'],
  ['ssh-ed25519-sk', 'sk-ssh-ed25519@openssh.com'],
  ['ssh-rsa', 'ssh-rsa'],
]);

function allowedSigner({ type, key }: PublicKey): string {
  const name = KEY_TYPES.get(type);
  if (name === undefined) {
    const known = [...KEY_TYPES.keys()].map((each) => `  ${each}\n`).join('');
    throw new StoreError(`Invalid SSH key type '${type}' in publicKeys.\nPlease use one of:\n${known}`);
  }
  if (!/^[A-Za-z0-9+/]+=*$/.test(key)) throw new StoreError(`invalid public key '${key}' for git signatures`);
  return `* ${name} ${key}\n`;
}

function fingerprint({ key }: PublicKey): string {
  return createHash('sha256').update(Buffer.from(key, 'base64')).digest('base64').replace(/=+$/, '');
}

/**
 * @param git runs git in the repository
 * @throws StoreError where the commit is not signed with one of `keys`
 */
export function verifyCommit(
  git: (args: readonly string[]) => SpawnSyncReturns<Buffer>,
  rev: string,
  keys: readonly PublicKey[],
): void {
  const dir = mkdtempSync(join(tmpdir(), 'tsnix-keys-'));
  try {
    const file = join(dir, 'allowed-signers');
    writeFileSync(file, keys.map(allowedSigner).join(''), 'latin1');
    const { status, stdout, stderr } = git(['-c', `gpg.ssh.allowedSignersFile=${file}`, 'verify-commit', rev]);
    const said = Buffer.concat([stdout, stderr]).toString('latin1');
    const signer = /^Good "git" signature for \* with .* key SHA256:(\S+)$/m.exec(said)?.[1];
    if (status === 0 && signer !== undefined && keys.map(fingerprint).includes(signer)) return;
    throw new StoreError(`Commit signature verification on commit ${rev} failed: ${said}`);
  } finally {
    rmSync(dir, { recursive: true });
  }
}
