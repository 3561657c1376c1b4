// Sockets in deep folders: the kernel takes names of 107 bytes and no more (sun_path).
import { constants, openSync } from 'node:fs';
import { basename, dirname } from 'node:path';

const most = 107;

/**
 * A name for the socket that is short enough. One that is not goes through a descriptor of its folder, which stays open
 * as long as this process runs.
 */
export function shortSocketPath(path: string): string {
  if (Buffer.byteLength(path) <= most) return path;
  const folder = openSync(dirname(path), constants.O_DIRECTORY | constants.O_RDONLY);
  return `/proc/self/fd/${String(folder)}/${basename(path)}`;
}
