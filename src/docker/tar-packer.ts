// Packs members into a stream of chunks. Contents are read straight into the chunk being filled, whatever their size,
// so memory stays at one chunk. Observers (tarsum) see every header and every piece of contents on the way. An archive
// can hold archives that are packed as they are needed, and never lie anywhere.
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import { fsPath } from '../util/bytes.ts';
import { StoreError } from '../util/errors.ts';
import { BLOCK_BYTES, RECORD_BYTES, encodeTarHeader, paddingAfter } from './gnu-tar.ts';
import type { TarHeader } from './gnu-tar.ts';

/** Where the contents of a member come from. */
export type TarContents =
  | { readonly kind: 'none' }
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  /** A file of this machine, or the `header.size` bytes of it that begin at `offset`; its SHA-256 where it is known. */
  | { readonly kind: 'file'; readonly path: string; readonly offset?: number; readonly sha256?: string }
  | ({ readonly kind: 'archive' } & InnerArchive);

/** An archive in an archive: `header.size` bytes as packTar() gives them, the same each time it is asked. */
export interface InnerArchive {
  readonly members: () => Iterable<TarMember>;
  /** Of its bytes, hexadecimal. */
  readonly sha256: string;
  /** Checked as it is packed; undefined where nobody knows. */
  readonly crc32: number | undefined;
}

export interface TarMember {
  readonly header: TarHeader;
  readonly contents: TarContents;
}

/** Sees what goes into an archive. `contents` buffers are only valid during the call. */
export interface TarObserver {
  member(header: TarHeader): void;
  contents(bytes: Uint8Array): void;
}

const CHUNK_BYTES = 256 * 1024;
const NOTHING: TarContents = { kind: 'none' };

export function memberWithout(header: TarHeader): TarMember {
  return { header, contents: NOTHING };
}

/** Contents that are left to who reads the archive, instead of being read here. */
export interface LeftOut {
  readonly contents: TarContents;
  readonly size: number;
  /** Of the member. */
  readonly name: string;
}

type LeavesOut = (member: LeftOut) => boolean;

class Packer {
  #chunk = Buffer.allocUnsafe(CHUNK_BYTES);
  #used = 0;
  #total = 0;
  readonly #observer: TarObserver | undefined;
  readonly #leavesOut: LeavesOut | undefined;
  /** Whether the consumer is done with a chunk when it asks for the next. */
  readonly #fleeting: boolean;

  constructor(observer: TarObserver | undefined, leavesOut?: LeavesOut, fleeting = false) {
    this.#observer = observer;
    this.#leavesOut = leavesOut;
    this.#fleeting = fleeting;
  }

  /** Bytes of files that were left out. */
  leftOut = 0;

  /** Bytes so far. */
  get total(): number {
    return this.#total;
  }

  *#flush(): Generator<Buffer> {
    if (this.#used === 0) return;
    const full = this.#chunk.subarray(0, this.#used);
    this.#used = 0;
    if (!this.#fleeting) this.#chunk = Buffer.allocUnsafe(CHUNK_BYTES);
    yield full;
  }

  *#bytes(bytes: Uint8Array): Generator<Buffer> {
    let at = 0;
    while (at < bytes.length) {
      const count = Math.min(bytes.length - at, CHUNK_BYTES - this.#used);
      this.#chunk.set(bytes.subarray(at, at + count), this.#used);
      this.#used += count;
      this.#total += count;
      at += count;
      if (this.#used === CHUNK_BYTES) yield* this.#flush();
    }
  }

  *#zeros(count: number): Generator<Buffer> {
    let left = count;
    while (left > 0) {
      const now = Math.min(left, CHUNK_BYTES - this.#used);
      this.#chunk.fill(0, this.#used, this.#used + now);
      this.#used += now;
      this.#total += now;
      left -= now;
      if (this.#used === CHUNK_BYTES) yield* this.#flush();
    }
  }

  *#file(path: string, offset: number, size: number, whole: boolean): Generator<Buffer> {
    const fd = openSync(fsPath(path), 'r');
    try {
      if (whole && fstatSync(fd).size !== size) {
        throw new StoreError(`file '${path}' has changed while it was being packed`);
      }
      let at = offset;
      let left = size;
      while (left > 0) {
        const want = Math.min(left, CHUNK_BYTES - this.#used);
        const got = readSync(fd, this.#chunk, this.#used, want, at);
        if (got === 0) throw new StoreError(`file '${path}' has changed while it was being packed`);
        this.#observer?.contents(this.#chunk.subarray(this.#used, this.#used + got));
        this.#used += got;
        this.#total += got;
        at += got;
        left -= got;
        if (this.#used === CHUNK_BYTES) yield* this.#flush();
      }
    } finally {
      closeSync(fd);
    }
  }

  *#archive(archive: InnerArchive, size: number, name: string): Generator<Buffer | LeftOut> {
    // Copied at once, but for what is left out.
    const inner = new Packer(undefined, this.#leavesOut, true);
    let checksum = 0;
    for (const piece of pieces(inner, archive.members())) {
      if (Buffer.isBuffer(piece)) {
        if (archive.crc32 !== undefined) checksum = crc32(piece, checksum);
        this.#observer?.contents(piece);
        yield* this.#bytes(piece);
        continue;
      }
      yield* this.#flush();
      yield piece;
    }
    // What was left out counts for the archive around it, too.
    this.#total += inner.leftOut;
    this.leftOut += inner.leftOut;
    const other = archive.crc32 !== undefined && inner.leftOut === 0 && checksum !== archive.crc32;
    if (inner.total !== size || other) {
      throw new StoreError(`what is in '${name}' has changed while it was being packed`);
    }
  }

  *#contents({ contents, size, name }: LeftOut): Generator<Buffer | LeftOut> {
    switch (contents.kind) {
      case 'none':
        throw new RangeError(`member '${name}' has a size but no contents`);
      case 'bytes':
        if (contents.bytes.length !== size) throw new RangeError(`wrong size of member '${name}'`);
        this.#observer?.contents(contents.bytes);
        yield* this.#bytes(contents.bytes);
        break;
      case 'file':
        yield* this.#file(contents.path, contents.offset ?? 0, size, contents.offset === undefined);
        break;
      case 'archive':
        yield* this.#archive(contents, size, name);
        break;
    }
  }

  /** Contents alone. */
  *alone(contents: LeftOut): Generator<Buffer | LeftOut> {
    yield* this.#contents(contents);
    yield* this.#flush();
  }

  *member({ header, contents }: TarMember): Generator<Buffer | LeftOut> {
    this.#observer?.member(header);
    const encoded = encodeTarHeader(header);
    if (encoded.length === BLOCK_BYTES && CHUNK_BYTES - this.#used > BLOCK_BYTES) {
      // By far the usual case, without a generator of its own.
      this.#chunk.set(encoded, this.#used);
      this.#used += BLOCK_BYTES;
      this.#total += BLOCK_BYTES;
    } else {
      yield* this.#bytes(encoded);
    }
    if (header.size === 0) return;
    const member = { contents, size: header.size, name: header.name };
    if (this.#leavesOut?.(member) === true) {
      yield* this.#flush();
      yield member;
      this.#total += header.size;
      this.leftOut += header.size;
    } else {
      yield* this.#contents(member);
    }
    yield* this.#zeros(paddingAfter(header.size));
  }

  /** The beginning of a file, as it is. */
  *raw(path: string, size: number): Generator<Buffer> {
    yield* this.#file(path, 0, size, false);
  }

  /** Two blocks of zeros, and more up to a whole record. */
  *end(): Generator<Buffer> {
    const size = this.#total + 2 * BLOCK_BYTES;
    yield* this.#zeros(Math.ceil(size / RECORD_BYTES) * RECORD_BYTES - this.#total);
    yield* this.#flush();
  }
}

function* pieces(packer: Packer, members: Iterable<TarMember>): Generator<Buffer | LeftOut> {
  for (const member of members) yield* packer.member(member);
  yield* packer.end();
}

/**
 * An archive with more members: the first `size` bytes of the file that hold the present ones (without the zeros at
 * the end), then the new ones.
 */
export function* appendTar(present: { path: string; size: number }, members: Iterable<TarMember>): Generator<Buffer> {
  const packer = new Packer(undefined);
  yield* packer.raw(present.path, present.size);
  yield* pieces(packer, members) as Generator<Buffer>;
}

/**
 * The archive of `members`, in chunks that the consumer may keep.
 * @throws StoreError where a file is not as long as its header says
 */
export function packTar(members: Iterable<TarMember>, observer?: TarObserver): Generator<Buffer> {
  // Nothing is left out, so all pieces are bytes.
  return pieces(new Packer(observer), members) as Generator<Buffer>;
}

/** The same in chunks that are valid until the next is asked for. */
export function packTarFleeting(members: Iterable<TarMember>, observer?: TarObserver): Generator<Buffer> {
  return pieces(new Packer(observer, undefined, true), members) as Generator<Buffer>;
}

/** As packTar(), but of members that `leavesOut` takes their contents are told, not given. */
export function packTarWithout(members: Iterable<TarMember>, leavesOut: LeavesOut): Generator<Buffer | LeftOut> {
  return pieces(new Packer(undefined, leavesOut), members);
}

/** The contents that packTarWithout() left out, in chunks that are valid until the next is asked for. @throws StoreError */
export function leftOutChunks(member: LeftOut): Generator<Buffer> {
  return new Packer(undefined, undefined, true).alone(member) as Generator<Buffer>;
}
