// Which backends this machine may have, best first. Whether one works is found by using it: a sandbox that can't be
// made costs nothing but the try, and what worked once is used first from then on.
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { BackendName, SandboxBackend } from './backend.ts';
import { bubblewrapBackend, bubblewrapInputs } from './bubblewrap.ts';
import { plainBackend } from './none.ts';
import { perlBackend } from './perl.ts';
import { unshareBackend } from './unshare.ts';

let proven: BackendName | undefined;

/** Remembers for this process that a backend made a sandbox. */
export function backendWorked(name: BackendName): void {
  proven ??= name;
}

/**
 * Backends that can isolate, in the order to try.
 * @param inputs how many store paths are shown
 * @param only restricts to one
 */
export function isolatingBackends(inputs: number, only?: BackendName): SandboxBackend[] {
  const perl = findExecutable('perl');
  const bwrap = findExecutable('bwrap');
  const unshare = findExecutable('unshare');
  const setpriv = findExecutable('setpriv');
  const found: SandboxBackend[] = [];
  if (perl !== undefined) found.push(perlBackend(perl));
  const bubblewrap = bwrap === undefined ? undefined : bubblewrapBackend({ bwrap, setpriv });
  if (bubblewrap !== undefined && inputs <= bubblewrapInputs) found.push(bubblewrap);
  if (unshare !== undefined && setpriv !== undefined) found.push(unshareBackend({ unshare, setpriv }));
  if (bubblewrap !== undefined && inputs > bubblewrapInputs) found.push(bubblewrap);
  if (only !== undefined) return found.filter((backend) => backend.name === only);
  return found.sort((a, b) => Number(b.name === proven) - Number(a.name === proven));
}

/** For builds outside of any sandbox. */
export function openBackend(): SandboxBackend {
  const perl = findExecutable('perl');
  return perl === undefined ? plainBackend : perlBackend(perl, 'none');
}

const executables = new Map<string, string>();

/** On PATH or where systems keep their programs, whatever PATH says; what was found is remembered. */
export function findExecutable(name: string): string | undefined {
  const known = executables.get(name);
  if (known !== undefined) return known;
  const directories = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/bin', '/bin', '/usr/sbin', '/sbin'];
  for (const directory of directories) {
    if (!directory.startsWith('/')) continue;
    const file = join(directory, name);
    try {
      accessSync(file, constants.X_OK);
      executables.set(name, file);
      return file;
    } catch {
      // not here: look on
    }
  }
  return undefined;
}
