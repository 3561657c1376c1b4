// Reads what `nix-store --dump-db` (printRegistration) wrote.
import { StoreError } from '../util/errors.ts';
import { parseDigest } from './hash.ts';
import { parseStorePath } from './store-path.ts';
import type { PathInfo } from './store.ts';

/**
 * Registrations with hashes, as `--load-db` takes them.
 * @throws StoreError where the text is not one
 */
export function parseRegistration(text: string, storeDir: string): PathInfo[] {
  const lines = text.split('\n');
  if (lines.at(-1) === '') lines.pop();
  const infos: PathInfo[] = [];
  let at = 0;
  const next = (): string => {
    const line = lines[at++];
    if (line === undefined) throw new StoreError('missing input');
    return line;
  };
  const number = (): number => {
    const line = next();
    if (!/^\d{1,15}$/.test(line)) throw new StoreError(`number expected, got '${line}'`);
    return Number(line);
  };
  while (at < lines.length) {
    const path = parseStorePath(next(), storeDir);
    const narHash = parseDigest(next(), 'sha256', 'base16');
    const narSize = number();
    const deriver = next();
    const count = number();
    const references = [];
    for (let i = 0; i < count; i++) references.push(parseStorePath(next(), storeDir));
    infos.push({
      path,
      narHash,
      narSize,
      references: references.sort(),
      deriver: deriver === '' ? null : parseStorePath(deriver, storeDir),
      registrationTime: 0,
      ultimate: false,
      signatures: [],
      ca: null,
    });
  }
  return infos;
}
