// A tar archive being written: members whose size and name are known only when they are there, a place of its own until it
// is whole. Names are ours (digests), owners root, times 0, so the same members give the same bytes.
import { createHash, randomBytes } from 'node:crypto';
import { closeSync, lstatSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { StoreError } from '../../util/errors.ts';
import { utf8 } from '../../util/bytes.ts';
import { ustarHeader } from '../docker-archive.ts';
import { BLOCK_BYTES, paddingAfter } from '../gnu-tar.ts';
import type { Stored } from './destination.ts';
import type { Chunks } from './source.ts';

export class ArchiveFile {
  readonly #path: string;
  readonly #temporary: string;
  readonly #fd: number;
  #position = 0;
  #open = true;

  /**
   * @param path text
   * @throws StoreError where no file can be put there
   */
  constructor(path: string) {
    this.#path = path;
    const there = lstatSync(path, { throwIfNoEntry: false });
    if (there !== undefined && !there.isFile())
      throw new StoreError(`'${utf8(path)}' is there and is not a regular file`);
    this.#temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`;
    try {
      this.#fd = openSync(this.#temporary, 'wx', 0o644);
    } catch (error) {
      throw new StoreError(`cannot write '${utf8(path)}': ${utf8((error as Error).message)}`, { cause: error });
    }
  }

  #write(bytes: Uint8Array, position?: number): void {
    const start = position ?? this.#position;
    for (let at = 0; at < bytes.length;) at += writeSync(this.#fd, bytes, at, bytes.length - at, start + at);
    if (position === undefined) this.#position += bytes.length;
  }

  /** @param nameOf the member's name once its digest (`sha256:…`) is known */
  async blob(chunks: Chunks, nameOf: (digest: string) => string): Promise<Stored> {
    const headerAt = this.#position;
    this.#write(Buffer.alloc(BLOCK_BYTES));
    const hash = createHash('sha256');
    const start = this.#position;
    for await (const chunk of chunks) {
      hash.update(chunk);
      this.#write(chunk);
    }
    const size = this.#position - start;
    const digest = `sha256:${hash.digest('hex')}`;
    this.#write(Buffer.alloc(paddingAfter(size)));
    this.#write(ustarHeader(nameOf(digest), size), headerAt);
    return { digest, size };
  }

  bytes(name: string, bytes: Uint8Array): void {
    this.#write(ustarHeader(name, bytes.length));
    this.#write(bytes);
    this.#write(Buffer.alloc(paddingAfter(bytes.length)));
  }

  /** Blocks of members as they are. */
  raw(blocks: Iterable<Uint8Array>): void {
    for (const block of blocks) this.#write(block);
  }

  /** Ends the archive and gives it its name. */
  commit(): void {
    this.#write(Buffer.alloc(2 * BLOCK_BYTES));
    closeSync(this.#fd);
    this.#open = false;
    renameSync(this.#temporary, this.#path);
  }

  abort(): void {
    if (this.#open) closeSync(this.#fd);
    this.#open = false;
    rmSync(this.#temporary, { force: true });
  }
}
