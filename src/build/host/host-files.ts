// Reading the host with a record of what was looked at. An answer computed from the host stays true as long as every
// path of its record still looks the same (device, inode, size, times), so answers can be kept in a cache that costs
// one stat per path to check. Paths are byte strings.
import { createHash } from 'node:crypto';
import { lstatSync, readdirSync, readFileSync, readlinkSync, realpathSync, statSync, type BigIntStats } from 'node:fs';
import { fsPath, toBuffer } from '../../util/bytes.ts';

/** Of one path: `F` what stat says, `L` what lstat says. */
export type Look = readonly [path: string, how: 'F' | 'L', signature: string];

export function signature(stats: BigIntStats | undefined): string {
  if (stats === undefined) return '-';
  // Access and link counts change without the contents changing.
  return [stats.dev, stats.ino, stats.mode, stats.size, stats.mtimeNs, stats.ctimeNs].join('.');
}

function tryStat(path: string, how: 'F' | 'L'): BigIntStats | undefined {
  try {
    const stat = how === 'F' ? statSync : lstatSync;
    return stat(fsPath(path), { bigint: true, throwIfNoEntry: false });
  } catch {
    // no permission, not a directory on the way: as good as absent
    return undefined;
  }
}

export function stillHolds(look: Look): boolean {
  return signature(tryStat(look[0], look[1])) === look[2];
}

export class HostFiles {
  readonly #looks = new Map<string, Look>();
  readonly #hashes = new Map<string, string>();

  get looks(): Look[] {
    return [...this.#looks.values()];
  }

  #look(path: string, how: 'F' | 'L'): BigIntStats | undefined {
    const stats = tryStat(path, how);
    // lstat of what is no link says it all.
    if (how === 'F' && this.#looks.get(`L${path}`)?.[2] === signature(stats)) return stats;
    this.#looks.set(how + path, [path, how, signature(stats)]);
    return stats;
  }

  stat(path: string): BigIntStats | undefined {
    return this.#look(path, 'F');
  }

  lstat(path: string): BigIntStats | undefined {
    return this.#look(path, 'L');
  }

  isFile(path: string): boolean {
    return this.stat(path)?.isFile() ?? false;
  }

  isDirectory(path: string): boolean {
    return this.stat(path)?.isDirectory() ?? false;
  }

  /** Follows all links. @throws the file system's error */
  realPath(path: string): string {
    this.stat(path);
    return realpathSync(fsPath(path), 'latin1');
  }

  readLink(path: string): string {
    this.lstat(path);
    return readlinkSync(fsPath(path), 'latin1');
  }

  read(path: string): Buffer {
    this.stat(path);
    return readFileSync(fsPath(path));
  }

  /** Names in byte order. */
  readDir(path: string): string[] {
    this.stat(path);
    return readdirSync(fsPath(path), 'latin1').sort((a, b) => (a < b ? -1 : 1));
  }

  /** sha256 of a file's contents, hexadecimal. */
  hash(path: string): string {
    let hash = this.#hashes.get(path);
    if (hash === undefined) {
      hash = sha256Hex(this.read(path));
      this.#hashes.set(path, hash);
    }
    return hash;
  }
}

export function sha256Hex(bytes: Uint8Array | string): string {
  return createHash('sha256')
    .update(typeof bytes === 'string' ? toBuffer(bytes) : bytes)
    .digest('hex');
}
