// Symlinks of store objects, followed by their logical names: a store need not lie where its paths say.
import { lstatSync, readlinkSync } from 'node:fs';
import type { Stats } from 'node:fs';
import { fsPath } from '../util/bytes.ts';
import type { SyncStore } from './store.ts';

/** As the kernel has it. */
const MAX_SYMLINKS = 40;

/** Undefined where nothing is, or nothing can be: a target may be longer than any name. */
function lstatIfThere(path: Buffer | string): Stats | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENAMETOOLONG') return undefined;
    throw error;
  }
}

/**
 * The logical path, free of symlinks, that a path in the store leads to; undefined where it leads nowhere, round, or
 * out of the store.
 * @param isVisible asked for every logical path on the way; false is as if nothing were there
 */
export function resolveInStore(
  store: Pick<SyncStore, 'storeDir' | 'realPath'>,
  path: string,
  isVisible: (path: string) => boolean = () => true,
): string | undefined {
  const depth = store.storeDir.split('/').length;
  const rest = path.split('/').reverse();
  let budget = MAX_SYMLINKS;
  let at = [''];
  while (rest.length > 0) {
    const name = rest.pop()!;
    if (name === '' || name === '.') continue;
    if (name === '..') {
      if (at.length > 1) at.pop();
      continue;
    }
    at.push(name);
    if (at.length <= depth) continue;
    const here = at.join('/');
    if (!here.startsWith(`${store.storeDir}/`) || !isVisible(here)) return undefined;
    const real = fsPath(store.realPath(here));
    const stats = lstatIfThere(real);
    if (stats === undefined) return undefined;
    if (stats.isSymbolicLink()) {
      if (budget-- === 0) return undefined;
      const target = readlinkSync(real, { encoding: 'latin1' });
      at = target.startsWith('/') ? [''] : at.slice(0, -1);
      rest.push(...target.split('/').reverse());
    } else if (rest.some((part) => part !== '' && part !== '.') && !stats.isDirectory()) {
      return undefined;
    }
  }
  return at.length > depth ? at.join('/') : undefined;
}
