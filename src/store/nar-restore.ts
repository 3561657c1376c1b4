// Unpacking NARs. Every entry is made exclusively (O_EXCL, mkdir) in directories that this restorer made itself, and
// the parser lets no name through that isn't a plain file name: so nothing is followed and nothing is overwritten. On
// file systems that fold case a collision is an error.
import {
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
  futimesSync,
  lutimesSync,
  mkdirSync,
  openSync,
  readSync,
  symlinkSync,
  utimesSync,
  writeSync,
} from 'node:fs';
import { StoreError } from '../util/errors.ts';
import { fsPath } from '../util/bytes.ts';
import { ioError, systemErrorText } from './nar-dump.ts';
import { NarParser, parseNar } from './nar-parse.ts';
import type { NarVisitor } from './nar-parse.ts';

export interface RestoreOptions {
  /** Give files their modes and times as in a store (0444, 0555, 1 January 1970 00:00:01) while they are written. */
  readonly canonical?: boolean;
  /** Refuse more bytes of contents than this in all. */
  readonly maxBytes?: number;
}

/** As ioError(), the path quoted as Nix does where it makes files. */
function quotedError(doing: string, path: string, error: unknown): StoreError {
  return new StoreError(`${doing} "${path}": ${systemErrorText(error)}`, { cause: error });
}

/** Writes what a NarParser tells it below `root`, which must not exist; its parent must. */
export class NarRestorer implements NarVisitor {
  /** Open directories, outermost first. */
  private readonly directories: string[] = [];
  private readonly root: string;
  private readonly canonical: boolean;
  private readonly maxBytes: number;
  private fd = -1;
  private file = '';
  private executable = false;
  private total = 0;

  constructor(root: string, options: RestoreOptions = {}) {
    this.root = root;
    this.canonical = options.canonical ?? false;
    this.maxBytes = options.maxBytes ?? Infinity;
  }

  private pathOf(name: string): string {
    const parent = this.directories.at(-1);
    return parent === undefined ? this.root : `${parent}/${name}`;
  }

  enterDirectory(name: string): void {
    const path = this.pathOf(name);
    try {
      mkdirSync(fsPath(path), this.canonical ? 0o755 : 0o777);
    } catch (error) {
      throw quotedError('creating directory', path, error);
    }
    this.directories.push(path);
  }

  leaveDirectory(): void {
    const path = this.directories.pop()!;
    if (!this.canonical) return;
    const file = fsPath(path);
    chmodSync(file, 0o555);
    utimesSync(file, 1, 1);
  }

  enterFile(name: string, executable: boolean, size: number): void {
    const path = this.pathOf(name);
    this.total += size;
    if (this.total > this.maxBytes) {
      throw new StoreError(`archive holds more than ${String(this.maxBytes)} bytes`);
    }
    try {
      this.fd = openSync(
        fsPath(path),
        constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW,
        this.canonical ? 0o600 : executable ? 0o777 : 0o666,
      );
    } catch (error) {
      throw quotedError('creating file', path, error);
    }
    this.file = path;
    this.executable = executable;
  }

  contents(chunk: Uint8Array): void {
    try {
      for (let at = 0; at < chunk.length;) at += writeSync(this.fd, chunk, at);
    } catch (error) {
      throw ioError('writing to file', this.file, error);
    }
  }

  leaveFile(): void {
    const fd = this.fd;
    if (this.canonical) {
      fchmodSync(fd, this.executable ? 0o555 : 0o444);
      futimesSync(fd, 1, 1);
    }
    this.fd = -1;
    try {
      closeSync(fd);
    } catch (error) {
      throw ioError('writing to file', this.file, error);
    }
  }

  symlink(name: string, target: string): void {
    const path = this.pathOf(name);
    try {
      symlinkSync(fsPath(target), fsPath(path));
    } catch (error) {
      throw quotedError('creating symlink', path, error);
    }
    if (this.canonical) lutimesSync(fsPath(path), 1, 1);
  }

  /** Releases what an unfinished restore holds open. What it wrote stays: the caller made the place. */
  close(): void {
    if (this.fd >= 0) closeSync(this.fd);
    this.fd = -1;
  }
}

/**
 * Unpacks an archive held in memory.
 * @throws CorruptNarError, StoreError
 */
export function restoreNar(root: string, archive: Uint8Array, options: RestoreOptions = {}): void {
  const restorer = new NarRestorer(root, options);
  try {
    parseNar(archive, restorer);
  } finally {
    restorer.close();
  }
}

/** Unpacks an archive from a stream; bytes after its end are an error. */
export async function restoreNarStream(
  root: string,
  source: AsyncIterable<Uint8Array>,
  options: RestoreOptions = {},
): Promise<void> {
  const restorer = new NarRestorer(root, options);
  try {
    const parser = new NarParser(restorer);
    for await (const chunk of source) parser.writeAll(chunk);
    parser.end();
  } finally {
    restorer.close();
  }
}

/**
 * Unpacks the archive that can be read from `fd` (at its position), leaving what follows it unread where possible.
 * @throws StoreError for a root that nothing can be made at
 */
export function restoreNarFromFd(root: string, fd: number, options: RestoreOptions = {}): void {
  if (root === '') throw new StoreError('restore destination path is empty');
  const name = root.slice(root.lastIndexOf('/') + 1);
  if (name === '.' || name === '..') {
    throw new StoreError(`restore destination '${root}' ends in '${name}', which is not a valid filename`);
  }
  const restorer = new NarRestorer(root, options);
  try {
    const parser = new NarParser(restorer);
    const buffer = Buffer.allocUnsafe(256 * 1024);
    while (!parser.done) {
      const count = readSync(fd, buffer);
      if (count === 0) break;
      parser.write(count === buffer.length ? buffer : buffer.subarray(0, count));
    }
    parser.end();
  } finally {
    restorer.close();
  }
}
