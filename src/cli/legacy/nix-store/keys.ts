// `nix-store --generate-binary-cache-key`.
import { writeFileSync } from 'node:fs';
import { ioError } from '../../../store/nar-dump.ts';
import { SecretKey } from '../../../store/signatures.ts';
import { fsPath } from '../../../util/bytes.ts';
import { UsageError } from '../../../util/errors.ts';
import { allowFlags, type Operation } from './operation.ts';

export function generateBinaryCacheKey(operation: Operation): number {
  allowFlags(operation);
  const [name, secretFile, publicFile, ...more] = operation.args;
  if (name === undefined || secretFile === undefined || publicFile === undefined || more.length > 0) {
    throw new UsageError('three arguments expected');
  }
  const key = SecretKey.generate(name);
  const write = (file: string, text: string, mode: number): void => {
    try {
      writeFileSync(fsPath(file), text, { mode });
    } catch (error) {
      throw ioError('opening file', file, error);
    }
  };
  write(publicFile, key.publicKey().toString(), 0o666);
  write(secretFile, key.toString(), 0o600);
  return 0;
}
