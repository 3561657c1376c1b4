// The archive that a script of streamLayeredImage would write: its parts, which lie in the store, one after the other. The
// script itself is not run.
import { readFileSync, statSync } from 'node:fs';
import { fsPath } from '../../util/bytes.ts';
import { StoreError } from '../../util/errors.ts';
import { readRegion } from '../archive.ts';
import { fileRegion } from '../write-file.ts';

const MAX_SCRIPT_BYTES = 64 * 1024;
/** The last line of the scripts that lib/docker/layered.nix writes. */
const COMMAND = /\nexec xargs -0 cat < ([0-9a-z]{32}-[^/\s]+)\/list\n$/;

/** Files (real paths) that together are the archive; undefined where `path` is no such script. */
export function streamedParts(path: string, realStoreDir: string): string[] | undefined {
  const stats = statSync(fsPath(path));
  if (!stats.isFile() || stats.size > MAX_SCRIPT_BYTES) return undefined;
  const script = readFileSync(fsPath(path), 'latin1');
  const parts = script.startsWith('#!') ? COMMAND.exec(script)?.[1] : undefined;
  if (parts === undefined) return undefined;
  const names = readFileSync(fsPath(`${realStoreDir}/${parts}/list`), 'latin1').split('\0');
  return names
    .filter((name) => name !== '')
    .map((name) => {
      if (name.startsWith('/') || name.split('/').includes('..')) {
        throw new StoreError(`'${path}' takes a part from outside the store: '${name}'`);
      }
      return `${realStoreDir}/${name}`;
    });
}

export async function* concatenated(parts: readonly string[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) yield* readRegion(fileRegion(part));
}
