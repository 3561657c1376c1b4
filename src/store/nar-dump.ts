// Writing NARs: a file system object, from disk to archive bytes. One buffer is filled and handed out again and
// again, so memory is bounded whatever the size of files and trees; tokens and contents are written into it in place.
// See the Nix manual, "Nix Archive (NAR) format".
import { closeSync, constants, fstatSync, lstatSync, openSync, readSync, readdirSync, readlinkSync } from 'node:fs';
import type { Dirent } from 'node:fs';
import { StoreError } from '../util/errors.ts';
import { fsPath } from '../util/bytes.ts';
import { createHasher } from './hash.ts';
import type { HashAlgorithm } from './hash.ts';

/** Deepest nesting of directories that Nix reads or writes. */
export const narMaxDepth = 64;
export const narMaxName = 255;
export const narMaxTarget = 4095;
export const narMagic = 'nix-archive-1';

export type FileType = 'regular' | 'directory' | 'symlink' | 'unknown';

/** Gets the absolute path (byte string) and type of every entry below the root; false leaves it and all below out. */
export type PathFilter = (path: string, type: FileType) => boolean;

/** Takes archive bytes; the chunk is valid only during the call. */
export type NarSink = (chunk: Uint8Array) => void;

const bufferSize = 256 * 1024;
/** Room for the tokens of one step (two long names at most). */
const slack = 16 * 1024;

/** What a NarDumper wants of a buffer that it is given. */
export const dumpBufferSize = bufferSize + slack;

interface Level {
  readonly path: string;
  readonly names: readonly string[];
  readonly types: readonly FileType[];
  next: number;
}

function direntType(entry: Dirent): FileType {
  return entry.isFile()
    ? 'regular'
    : entry.isDirectory()
      ? 'directory'
      : entry.isSymbolicLink()
        ? 'symlink'
        : 'unknown';
}

function lstatType(path: string): FileType {
  const stat = lstatSync(fsPath(path));
  return stat.isFile() ? 'regular' : stat.isDirectory() ? 'directory' : stat.isSymbolicLink() ? 'symlink' : 'unknown';
}

/** Entries of a directory, names (byte strings) in bytewise order. */
function readLevel(path: string): Level {
  const names: string[] = [];
  const types: FileType[] = [];
  let entries: Dirent[] | undefined;
  try {
    entries = readdirSync(fsPath(path), { encoding: 'latin1', withFileTypes: true });
  } catch (error) {
    // A file system that doesn't tell types makes Node join our byte string with a Buffer, a TypeError.
    if (!(error instanceof TypeError)) throw error;
  }
  if (entries === undefined) {
    for (const name of readdirSync(fsPath(path), { encoding: 'latin1' }).sort()) {
      names.push(name);
      types.push(lstatType(`${path}/${name}`));
    }
  } else {
    let sorted = true;
    for (let i = 1; i < entries.length; i++) {
      if (entries[i - 1]!.name > entries[i]!.name) {
        sorted = false;
        break;
      }
    }
    if (!sorted) entries.sort((a, b) => (a.name < b.name ? -1 : 1));
    for (const entry of entries) {
      names.push(entry.name);
      types.push(direntType(entry));
    }
  }
  return { path, names, types, next: 0 };
}

/** Turns errors of node:fs into ours, with the path they are about. */
export function ioError(doing: string, path: string, error: unknown): Error {
  if (!(error instanceof Error) || !('code' in error) || !('syscall' in error)) return error as Error;
  return new StoreError(`${doing} '${path}': ${systemErrorText(error)}`, { cause: error });
}

/** `No such file or directory`, as strerror() has it, from an error of node:fs. */
export function systemErrorText(error: unknown): string {
  const code = (error as NodeJS.ErrnoException).code ?? '';
  return systemErrors[code] ?? (error as Error).message;
}

const systemErrors: Readonly<Record<string, string>> = {
  ENOENT: 'No such file or directory',
  EACCES: 'Permission denied',
  EPERM: 'Operation not permitted',
  ENOSPC: 'No space left on device',
  EDQUOT: 'Disk quota exceeded',
  EROFS: 'Read-only file system',
  ENOTDIR: 'Not a directory',
  EISDIR: 'Is a directory',
  EEXIST: 'File exists',
  ENOTEMPTY: 'Directory not empty',
  ELOOP: 'Too many levels of symbolic links',
  ENAMETOOLONG: 'File name too long',
  EIO: 'Input/output error',
  EMFILE: 'Too many open files',
  EXDEV: 'Invalid cross-device link',
  EMLINK: 'Too many links',
  EBUSY: 'Device or resource busy',
  EINVAL: 'Invalid argument',
  EFBIG: 'File too large',
};

/**
 * A dump in progress, pulled chunk by chunk.
 * @throws StoreError for unreadable files, unsupported types, depth, files that shrink while they are read
 */
export class NarDumper {
  private readonly buffer: Buffer;
  private at = 0;
  private readonly levels: Level[] = [];
  private readonly root: string;
  private readonly filter: PathFilter | undefined;
  private started = false;
  private fd = -1;
  private filePath = '';
  private remaining = 0;
  private padding = 0;
  private readonly open: number;

  constructor(root: string, filter?: PathFilter, buffer: Buffer = Buffer.allocUnsafeSlow(dumpBufferSize)) {
    this.root = root;
    this.filter = filter;
    this.buffer = buffer;
    this.open = buffer.length - slack;
  }

  /** The next bytes, valid until the next call; undefined at the end. */
  read(): Buffer | undefined {
    this.at = 0;
    try {
      while (this.at < this.open && this.step()) {
        // step() fills the buffer
      }
    } catch (error) {
      this.close();
      throw error;
    }
    return this.at === 0 ? undefined : this.buffer.subarray(0, this.at);
  }

  /** Gives up a dump that was not read to its end. */
  close(): void {
    if (this.fd >= 0) closeSync(this.fd);
    this.fd = -1;
    this.levels.length = 0;
    this.started = true;
  }

  private step(): boolean {
    if (this.fd >= 0) {
      this.readContents();
      return true;
    }
    if (!this.started) {
      this.started = true;
      this.token(narMagic);
      let type: FileType;
      try {
        type = lstatType(this.root);
      } catch (error) {
        throw ioError('getting status of', this.root, error);
      }
      this.node(this.root, type);
      return true;
    }
    const level = this.levels.at(-1);
    if (level === undefined) return false;
    if (level.next === level.names.length) {
      this.levels.pop();
      this.endNode();
      return true;
    }
    const name = level.names[level.next]!;
    const type = level.types[level.next]!;
    level.next++;
    const path = level.path === '/' ? `/${name}` : `${level.path}/${name}`;
    if (this.filter !== undefined && !this.filter(path, type)) return true;
    if (name.length > narMaxName) throw new StoreError(`file name '${name}' is too long for a NAR`);
    this.token('entry');
    this.token('(');
    this.token('name');
    this.token(name);
    this.token('node');
    this.node(path, type);
    return true;
  }

  private node(path: string, type: FileType): void {
    if (this.levels.length >= narMaxDepth) {
      throw new StoreError(`path '${path}' exceeds maximum NAR directory depth of ${String(narMaxDepth)}`);
    }
    this.token('(');
    this.token('type');
    switch (type) {
      case 'regular':
        this.token('regular');
        this.openFile(path);
        return;
      case 'directory':
        this.token('directory');
        try {
          this.levels.push(readLevel(path));
        } catch (error) {
          throw ioError('reading directory', path, error);
        }
        return;
      case 'symlink': {
        this.token('symlink');
        this.token('target');
        let target: string;
        try {
          target = readlinkSync(fsPath(path), { encoding: 'latin1' });
        } catch (error) {
          throw ioError('reading symbolic link', path, error);
        }
        if (target.length > narMaxTarget) throw new StoreError(`target of '${path}' is too long for a NAR`);
        this.token(target);
        this.endNode();
        return;
      }
      case 'unknown':
        throw new StoreError(`file '${path}' has an unsupported type`);
    }
  }

  private openFile(path: string): void {
    let fd: number;
    try {
      // NONBLOCK: never hang on a FIFO that was swapped in since the directory was read.
      fd = openSync(fsPath(path), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    } catch (error) {
      throw ioError('opening file', path, error);
    }
    this.fd = fd;
    const stat = fstatSync(fd);
    if (!stat.isFile()) throw new StoreError(`file '${path}' has an unsupported type`);
    if ((stat.mode & 0o100) !== 0) {
      this.token('executable');
      this.token('');
    }
    this.token('contents');
    this.number(stat.size);
    this.filePath = path;
    this.remaining = stat.size;
    this.padding = -stat.size & 7;
    if (stat.size <= this.open - this.at) this.readContents();
  }

  private readContents(): void {
    while (this.remaining > 0) {
      const space = this.open - this.at;
      if (space <= 0) return;
      let count: number;
      try {
        count = readSync(this.fd, this.buffer, this.at, Math.min(space, this.remaining), null);
      } catch (error) {
        throw ioError('reading from file', this.filePath, error);
      }
      if (count === 0) throw new StoreError(`unexpected end-of-file reading '${this.filePath}': it changed meanwhile`);
      this.at += count;
      this.remaining -= count;
    }
    closeSync(this.fd);
    this.fd = -1;
    this.buffer.fill(0, this.at, this.at + this.padding);
    this.at += this.padding;
    this.endNode();
  }

  /** Closes a node, and the entry that holds it. */
  private endNode(): void {
    this.token(')');
    if (this.levels.length > 0) this.token(')');
  }

  private number(value: number): void {
    this.buffer.writeUInt32LE(value % 0x1_0000_0000, this.at);
    this.buffer.writeUInt32LE(Math.floor(value / 0x1_0000_0000), this.at + 4);
    this.at += 8;
  }

  private token(text: string): void {
    this.number(text.length);
    if (text.length > 0) this.at += this.buffer.write(text, this.at, 'latin1');
    for (let pad = -text.length & 7; pad > 0; pad--) this.buffer[this.at++] = 0;
  }
}

/**
 * Writes the NAR of `path` (byte string) to `sink`.
 * @throws StoreError as NarDumper
 */
export function dumpNar(path: string, sink: NarSink, filter?: PathFilter): void {
  const dumper = new NarDumper(path, filter);
  try {
    for (let chunk = dumper.read(); chunk !== undefined; chunk = dumper.read()) sink(chunk);
  } finally {
    dumper.close();
  }
}

/** Chunks of the NAR of `path`, each a buffer of its own: for `Readable.from()`. */
export function* narChunks(path: string, filter?: PathFilter): Generator<Buffer, void> {
  const dumper = new NarDumper(path, filter);
  try {
    for (let chunk = dumper.read(); chunk !== undefined; chunk = dumper.read()) yield Buffer.from(chunk);
  } finally {
    dumper.close();
  }
}

export interface NarHash {
  readonly hash: Uint8Array;
  /** Bytes of the NAR. */
  readonly size: number;
}

/** Hash and size of the NAR of `path`. */
export function hashNar(path: string, algorithm: HashAlgorithm = 'sha256', filter?: PathFilter): NarHash {
  const hasher = createHasher(algorithm);
  let size = 0;
  dumpNar(
    path,
    (chunk) => {
      hasher.update(chunk);
      size += chunk.length;
    },
    filter,
  );
  return { hash: hasher.digest(), size };
}

/** The NAR of a regular file that isn't on disk. */
export function narOfContents(contents: Uint8Array, executable = false): Buffer {
  const strings = ['(', 'type', 'regular', ...(executable ? ['executable', ''] : []), 'contents'];
  const parts: Uint8Array[] = [];
  const add = (bytes: Uint8Array): void => {
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(bytes.length));
    parts.push(length, bytes, Buffer.alloc(-bytes.length & 7));
  };
  for (const text of [narMagic, ...strings]) add(Buffer.from(text));
  add(contents);
  add(Buffer.from(')'));
  return Buffer.concat(parts);
}

/** Bytes before the length of a file's contents. */
const headerLength = narOfContents(new Uint8Array(0)).length - 24;
const narStart = narOfContents(new Uint8Array(0)).subarray(0, headerLength);
const narEnd = narOfContents(new Uint8Array(0)).subarray(headerLength + 8);

/** narOfContents() of a file that is not executable, and its contents as a part of it. */
export function narOfText(text: Uint8Array | string): { readonly nar: Buffer; readonly bytes: Buffer } {
  const { length } = text;
  const start = headerLength + 8;
  const end = start + length;
  const padded = end + (-length & 7);
  const nar = Buffer.allocUnsafe(padded + narEnd.length);
  nar.set(narStart);
  nar.writeUInt32LE(length >>> 0, headerLength);
  nar.writeUInt32LE(Math.floor(length / 2 ** 32), headerLength + 4);
  if (typeof text === 'string') nar.write(text, start, 'latin1');
  else nar.set(text, start);
  for (let i = end; i < padded; i++) nar[i] = 0;
  nar.set(narEnd, padded);
  return { nar, bytes: nar.subarray(start, end) };
}

/**
 * Writes the NAR of a regular file as the flat method sees it (not executable, unless `keepExecutable`) to `sink`, its
 * bare contents to `contents`.
 */
export function dumpFlat(path: string, sink: NarSink, contents: NarSink, keepExecutable = false): void {
  const fd = openRegular(path);
  try {
    const { size, mode } = fstatSync(fd);
    const archive = narOfContents(new Uint8Array(0), keepExecutable && (mode & 0o100) !== 0);
    // The header less the length of contents and the closing token; then length, contents, padding, closing.
    const header = Buffer.from(archive.subarray(0, archive.length - 16));
    header.writeBigUInt64LE(BigInt(size), header.length - 8);
    sink(header);
    const buffer = Buffer.allocUnsafeSlow(bufferSize);
    for (let left = size; left > 0;) {
      const count = readSync(fd, buffer, 0, Math.min(buffer.length, left), null);
      if (count === 0) throw new StoreError(`unexpected end-of-file reading '${path}': it changed meanwhile`);
      const chunk = count === buffer.length ? buffer : buffer.subarray(0, count);
      contents(chunk);
      sink(chunk);
      left -= count;
    }
    sink(Buffer.concat([Buffer.alloc(-size & 7), archive.subarray(archive.length - 16)]));
  } catch (error) {
    throw ioError('reading file', path, error);
  } finally {
    closeSync(fd);
  }
}

function openRegular(path: string): number {
  let fd: number;
  try {
    fd = openSync(fsPath(path), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ELOOP') {
      throw new StoreError(`path '${path}' is not a regular file`, { cause: error });
    }
    throw ioError('opening file', path, error);
  }
  if (!fstatSync(fd).isFile()) {
    closeSync(fd);
    throw new StoreError(`path '${path}' is not a regular file`);
  }
  return fd;
}

/** Digest of a regular file's contents (after `prefix`), read in chunks. Symlinks are not followed. */
export function hashFile(path: string, algorithm: HashAlgorithm, prefix?: Uint8Array): NarHash {
  const hasher = createHasher(algorithm);
  if (prefix !== undefined) hasher.update(prefix);
  const buffer = Buffer.allocUnsafeSlow(bufferSize);
  let size = 0;
  const fd = openRegular(path);
  try {
    for (let n = readSync(fd, buffer); n > 0; n = readSync(fd, buffer)) {
      hasher.update(n === buffer.length ? buffer : buffer.subarray(0, n));
      size += n;
    }
  } finally {
    closeSync(fd);
  }
  return { hash: hasher.digest(), size };
}
