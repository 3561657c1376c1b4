// How the files of a binary cache are reached: a directory, or a web server. Names are relative; who passes them has
// checked that they lead nowhere else.
import {
  createReadStream,
  openSync,
  closeSync,
  fstatSync,
  readdirSync,
  readSync,
  renameSync,
  statSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { randomBytes } from 'node:crypto';
import { dirname } from 'node:path';
import { StoreError } from '../../util/errors.ts';
import { fsPath } from '../../util/bytes.ts';
import { makeDirs } from '../../util/make-dirs.ts';
import { ioError } from '../../store/nar-dump.ts';
import type { HttpClient } from '../http-client.ts';
import { DownloadError } from '../http-errors.ts';

/** The cache has not got a file that it said it has. */
export class FileGoneError extends StoreError {
  override readonly code = 'FILE_GONE';
}

export interface ReadOptions {
  readonly signal?: AbortSignal | undefined;
  /** A server that can't be reached is not tried again. */
  readonly impatient?: boolean;
  /** Told of a large file that comes through a network. */
  readonly told?: TransferTold | undefined;
}

export interface TransferTold {
  downloading(url: string): void;
  /** @param bytes of the file, so far */
  downloaded(bytes: number): void;
}

export interface CacheTransport {
  /** As messages name it. */
  readonly uri: string;
  /** Whether asking costs so much that answers are remembered. */
  readonly remote: boolean;
  /** A small file; undefined where it isn't there. @throws StoreError */
  readFile(name: string, maxBytes: number, options?: ReadOptions): Promise<Buffer | undefined>;
  /** A large one. @throws FileGoneError, StoreError */
  stream(name: string, options?: ReadOptions): AsyncIterable<Uint8Array>;
  /** With `size`: and has so many bytes, where that can be known. @throws StoreError */
  exists(name: string, size?: number): Promise<boolean>;
  /** Hash parts of all paths that it has narinfos of, where that can be known. @throws StoreError */
  hashParts?(): Promise<string[]>;
  /** Whole or not at all. `contents` may be called again; `size` in bytes. @throws StoreError */
  write(name: string, contents: () => Iterable<Uint8Array>, size: number, mimeType: string): Promise<void>;
}

function readWhole(fd: number): Buffer {
  const buffer = Buffer.allocUnsafe(fstatSync(fd).size);
  let at = 0;
  for (let n = 1; at < buffer.length && n > 0; at += n) n = readSync(fd, buffer, at, buffer.length - at, at);
  return buffer.subarray(0, at);
}

/** A cache in a directory. */
export class FileTransport implements CacheTransport {
  readonly uri: string;
  readonly remote = false;
  private readonly dir: string;

  constructor(dir: string) {
    this.dir = dir;
    this.uri = `file://${dir}`;
  }

  private file(name: string): string {
    return `${this.dir}/${name}`;
  }

  /** undefined where it isn't there. */
  private open(name: string): number | undefined {
    try {
      const fd = openSync(fsPath(this.file(name)), 'r');
      if (fstatSync(fd).isFile()) return fd;
      closeSync(fd);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== 'ENOENT' && code !== 'ENOTDIR') throw ioError('opening file', this.file(name), error);
      return undefined;
    }
    throw new StoreError(`'${this.file(name)}' is not a regular file`);
  }

  readFile(name: string, maxBytes: number): Promise<Buffer | undefined> {
    const fd = this.open(name);
    if (fd === undefined) return Promise.resolve(undefined);
    try {
      const { size } = fstatSync(fd);
      if (size > maxBytes) throw new StoreError(`'${this.file(name)}' is larger than ${String(maxBytes)} bytes`);
      return Promise.resolve(readWhole(fd));
    } finally {
      closeSync(fd);
    }
  }

  async *stream(name: string): AsyncGenerator<Uint8Array, void> {
    const fd = this.open(name);
    if (fd === undefined) throw new FileGoneError(`file '${name}' does not exist in binary cache '${this.uri}'`);
    if (fstatSync(fd).size > 1 << 20) {
      yield* createReadStream('', { fd, highWaterMark: 1 << 18 }) as AsyncIterable<Buffer>;
      return;
    }
    // Most are small: no stream for them.
    try {
      yield await Promise.resolve(readWhole(fd));
    } finally {
      closeSync(fd);
    }
  }

  exists(name: string, size?: number): Promise<boolean> {
    const found = statSync(fsPath(this.file(name)), { throwIfNoEntry: false });
    return Promise.resolve(found !== undefined && (size === undefined || found.size === size));
  }

  hashParts(): Promise<string[]> {
    try {
      const names = readdirSync(fsPath(this.dir), { encoding: 'latin1' });
      return Promise.resolve(names.flatMap((name) => /^([0-9a-z]{32})\.narinfo$/.exec(name)?.[1] ?? []));
    } catch (error) {
      throw ioError('opening directory', this.dir, error);
    }
  }

  write(name: string, contents: () => Iterable<Uint8Array>): Promise<void> {
    const file = this.file(name);
    const temporary = `${file}.tmp.${String(process.pid)}.${randomBytes(6).toString('hex')}`;
    makeDirs(dirname(file), 0o755);
    let fd: number | undefined;
    try {
      fd = openSync(fsPath(temporary), 'wx', 0o644);
      for (const chunk of contents()) for (let at = 0; at < chunk.length;) at += writeSync(fd, chunk, at);
      closeSync(fd);
      fd = undefined;
      renameSync(fsPath(temporary), fsPath(file));
    } catch (error) {
      if (fd !== undefined) closeSync(fd);
      try {
        unlinkSync(fsPath(temporary));
      } catch {
        // it may never have been made
      }
      throw ioError('writing to file', file, error);
    }
    return Promise.resolve();
  }
}

/** A cache on a web server. Writing is by PUT, for servers that take it. */
export class HttpTransport implements CacheTransport {
  readonly uri: string;
  readonly remote = true;
  private readonly client: HttpClient;

  /** @param uri without slash at its end */
  constructor(uri: string, client: HttpClient) {
    this.uri = uri;
    this.client = client;
  }

  private url(name: string): string {
    return /^https?:\/\//.test(name) ? name : `${this.uri}/${name}`;
  }

  readFile(name: string, maxBytes: number, options: ReadOptions = {}): Promise<Buffer | undefined> {
    return this.client.getFile(this.url(name), maxBytes, options);
  }

  async *stream(name: string, options: ReadOptions = {}): AsyncGenerator<Uint8Array, void> {
    const url = this.url(name);
    options.told?.downloading(url);
    let bytes = 0;
    try {
      for await (const chunk of this.client.stream(url, options)) {
        bytes += chunk.length;
        options.told?.downloaded(bytes);
        yield chunk;
      }
    } catch (error) {
      if (!(error instanceof DownloadError) || error.failure !== 'missing') throw error;
      throw new FileGoneError(`file '${name}' does not exist in binary cache '${this.uri}'`, { cause: error });
    }
  }

  async exists(name: string, size?: number): Promise<boolean> {
    try {
      const response = await this.client.request(this.url(name), { method: 'HEAD' });
      response.resume();
      const length =
        response.headers['content-encoding'] === undefined ? response.headers['content-length'] : undefined;
      return size === undefined || length === undefined || Number(length) === size;
    } catch (error) {
      if (error instanceof DownloadError && error.failure === 'missing') return false;
      throw error;
    }
  }

  async write(name: string, contents: () => Iterable<Uint8Array>, size: number, mimeType: string): Promise<void> {
    const response = await this.client.request(this.url(name), {
      method: 'PUT',
      headers: { 'content-type': mimeType, 'content-length': String(size) },
      body: contents,
    });
    response.resume();
  }
}
