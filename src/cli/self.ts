// Where this program's own files lie, from the sources as from the bundle.
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The folder that holds package.json, lib/ and dist/. */
export function packageRoot(): string {
  let dir = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(dir, 'package.json'))) {
    const up = dirname(dir);
    if (up === dir) throw new Error('tsnix: the package folder is incomplete: no package.json');
    dir = up;
  }
  return dir;
}

/** lib/: the Nix files that ship with tsnix. */
export function embeddedLibrary(): string {
  return join(packageRoot(), 'lib');
}

/** A command line that starts this very program again under `name`, with the same Node and stack. */
export function selfCommand(name: string): string[] {
  return [process.execPath, ...process.execArgv, process.argv[1]!, name];
}
