// Where caches lie; all of it is safe to delete.
import { homedir } from 'node:os';

/** `$XDG_CACHE_HOME/tsnix`, normally ~/.cache/tsnix. */
export function cacheDir(): string {
  const base = process.env['XDG_CACHE_HOME'];
  return `${base !== undefined && base.startsWith('/') ? base : `${process.env['HOME'] ?? homedir()}/.cache`}/tsnix`;
}
