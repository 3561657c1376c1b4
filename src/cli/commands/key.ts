// `tsnix key`: keys that sign paths.
import { readFileSync } from 'node:fs';
import { SecretKey } from '../../store/signatures.ts';
import { fromBuffer, utf8 } from '../../util/bytes.ts';
import { UsageError } from '../../util/errors.ts';
import type { Config } from '../config.ts';
import { COMMON_FLAGS, flag, parseFlags, type Flag } from '../flags.ts';
import { print } from '../output.ts';

export const GENERATE_FLAGS: readonly Flag[] = [
  flag('key-name', 'the name that signatures bear: that of a host, with a number', { args: ['NAME'] }),
  ...COMMON_FLAGS,
];

/** `key generate-secret --key-name NAME`: prints a new secret key. */
export function generateSecret(argv: readonly string[], config: Config): Promise<number> {
  const flags = parseFlags(argv, GENERATE_FLAGS, config);
  const name = flags.get('key-name');
  if (name === undefined) throw new UsageError("required argument '--key-name' is missing");
  print(SecretKey.generate(utf8(name)).toString());
  return Promise.resolve(0);
}

export const CONVERT_FLAGS: readonly Flag[] = COMMON_FLAGS;

/** `key convert-secret-to-public`: standard input to standard output. */
export function convertSecretToPublic(argv: readonly string[], config: Config): Promise<number> {
  parseFlags(argv, CONVERT_FLAGS, config);
  print(
    SecretKey.parse(fromBuffer(readFileSync(0)).trim())
      .publicKey()
      .toString(),
  );
  return Promise.resolve(0);
}
