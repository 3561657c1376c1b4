// Reads what `nix-store --dump-db` (printRegistration) wrote.
import { StoreError } from '../util/errors.ts';
import { parseDigest } from './hash.ts';
import { parseStorePath } from './store-path.ts';
import type { PathInfo } from './store.ts';

/**
 * Registrations as `--load-db` and `--register-validity` take them.
 * @param hashGiven without, hashes and sizes are zero: the caller finds them out
 * @throws StoreError where the text is not one
 */
export function parseRegistration(text: string, storeDir: string, hashGiven = true): PathInfo[] {
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
    const narHash = hashGiven ? parseDigest(next(), 'sha256', 'base16') : new Uint8Array(32);
    const narSize = hashGiven ? number() : 0;
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
