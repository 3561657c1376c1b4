// Where this program's own files lie: from the sources, from a bundle, and from a start-up snapshot, which remembers
// nothing of its place and is told.
import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

let root: string | undefined;

/** For the command line's snapshot: the folder that holds package.json. */
export function setPackageRoot(dir: string): void {
  root = resolve(dir);
}

/** The folder that holds package.json, lib/ and dist/. */
export function packageRoot(): string {
  if (root !== undefined) return root;
  let dir = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(dir, 'package.json'))) {
    const up = dirname(dir);
    if (up === dir) throw new Error('tsnix: the package folder is incomplete: no package.json');
    dir = up;
  }
  return (root = dir);
}

/**
 * A file that is run as it is (a helper program), by its path in the sources; bundles have it in dist/.
 * @throws Error where the package is incomplete
 */
export function programFile(source: string): string {
  const fromSources = import.meta.url.endsWith('/src/util/program-files.ts');
  const name = source.slice(source.lastIndexOf('/') + 1).replace(/\.ts$/, '.js');
  const file = join(packageRoot(), fromSources ? source : `dist/${name}`);
  if (!existsSync(file)) throw new Error(`tsnix: the package folder is incomplete: no ${file}`);
  return file;
}
