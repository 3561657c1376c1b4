// Keeps a folder of cache files within bounds.
import { lstatSync, readdirSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';

/** Drops what was not used, or written, for longest where all together are too many. @throws where it cannot */
export function limitFolder(
  dir: string,
  { maxBytes, maxFiles, keep }: { readonly maxBytes: number; readonly maxFiles: number; readonly keep?: string },
): void {
  const files = readdirSync(dir)
    .map((name) => join(dir, name))
    .map((file) => ({ file, stat: lstatSync(file, { throwIfNoEntry: false }) }))
    .sort((a, b) => (b.stat?.mtimeMs ?? 0) - (a.stat?.mtimeMs ?? 0));
  let room = maxBytes;
  files.forEach(({ file, stat }, i) => {
    room -= stat?.size ?? 0;
    if ((room < 0 || i >= maxFiles) && file !== keep) unlinkSync(file);
  });
}
