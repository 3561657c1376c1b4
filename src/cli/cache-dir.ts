// Where caches lie; all of it is safe to delete.
import { join } from 'node:path';
import { xdgHome } from '../util/user-dirs.ts';

/** `$XDG_CACHE_HOME/tsnix`, normally ~/.cache/tsnix. */
export function cacheDir(): string {
  return join(xdgHome(process.env, 'CACHE'), 'tsnix');
}
