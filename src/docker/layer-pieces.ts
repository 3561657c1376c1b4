// Compressing an archive whose layers were compressed before. Each layer is a part of its own (gzip.ts), so its compressed
// bytes are the same in every image, and are copied from one that lies in the store instead of being made again. Where
// they lie is noted; they are used only if they are still what they were. Without notes the same bytes are made anew.
import { closeSync, constants, fstatSync, openSync } from 'node:fs';
import { fsPath } from '../util/bytes.ts';
import { baseName } from '../store/store-path.ts';
import type { StorePath, SyncStore } from '../store/store.ts';
import { compressParts, compressionMethod } from './compression.ts';
import type { Compression } from './compression.ts';
import type { CompressedPart, Part } from './gzip.ts';
import type { LayerSpool } from './layer-spool.ts';
import type { Notes } from './notes.ts';
import { leftOutChunks, packTarWithout } from './tar-packer.ts';
import type { LeftOut, TarMember } from './tar-packer.ts';
import { hashChunks, openRegionChunks } from './write-file.ts';

/** Smaller ones are compressed with what stands around them: that is quicker than to look for them. */
export const LEAST_PIECE_BYTES = 128 * 1024;

/** Where compressed layers are looked for. */
export interface PieceSources {
  readonly notes: Notes;
  readonly store: SyncStore;
  /** What the archive will be in the store. */
  readonly output: StorePath;
}

function sha256Of({ contents }: LeftOut): string | undefined {
  return contents.kind === 'archive' || contents.kind === 'file' ? contents.sha256 : undefined;
}

function isNumber(value: unknown, limit = Number.MAX_SAFE_INTEGER): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 && value <= limit;
}

class Pieces {
  readonly #sources: PieceSources;
  readonly #method: string;
  /** Open archives: a collector may take their names away meanwhile. */
  readonly #files = new Map<string, number | undefined>();
  readonly #made: { readonly key: string; readonly part: CompressedPart }[] = [];

  constructor(sources: PieceSources, method: string) {
    this.#sources = sources;
    this.#method = method;
  }

  #key(sha256: string, size: number): string {
    return `compressed layer 1\n${this.#method}\n${sha256} ${size}`;
  }

  #open(name: string): number | undefined {
    if (this.#files.has(name)) return this.#files.get(name);
    const { store } = this.#sources;
    let fd: number | undefined;
    try {
      const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
      fd = openSync(fsPath(store.realPath(`${store.storeDir}/${name}`)), flags);
    } catch {
      // collected
    }
    this.#files.set(name, fd);
    return fd;
  }

  /** The layer as a part that is compressed already, if there is one whose bytes are right. */
  async find(sha256: string, size: number): Promise<Part | undefined> {
    const key = this.#key(sha256, size);
    const note = this.#sources.notes.get(key);
    if (note === undefined) return undefined;
    const { archive, offset, compressedSize, sha256: expected, crc32 } = note;
    if (typeof archive !== 'string' || !/^[0-9a-z]{32}-[^/\0]+$/.test(archive) || typeof expected !== 'string') {
      return undefined;
    }
    if (!isNumber(offset) || !isNumber(compressedSize) || !isNumber(crc32, 2 ** 32 - 1)) return undefined;
    const fd = this.#open(archive);
    if (fd === undefined) return undefined;
    const stats = fstatSync(fd);
    if (!stats.isFile() || stats.size < offset + compressedSize) return undefined;
    const region = { path: archive, offset, size: compressedSize };
    if ((await hashChunks(openRegionChunks(fd, region))) !== expected) return undefined;
    const chunks = openRegionChunks(fd, region);
    return { kind: 'compressed', chunks, compressedSize, sha256: expected, size, crc32 };
  }

  #noting(key: string): (part: CompressedPart) => void {
    return (part) => this.#made.push({ key, part });
  }

  /** The same, to be noted where it comes to lie. */
  noted(part: Part, sha256: string, size: number): Part {
    return { ...part, finished: this.#noting(this.#key(sha256, size)) };
  }

  /** Notes where the layers lie in the archive that is whole now. */
  note(): void {
    const { notes, output } = this.#sources;
    for (const { key, part } of this.#made) {
      const { offset, compressedSize, sha256, crc32 } = part;
      notes.put(key, { archive: baseName(output), offset, compressedSize, sha256, crc32 });
    }
  }

  close(): void {
    for (const fd of this.#files.values()) if (fd !== undefined) closeSync(fd);
  }
}

async function* partsOf(
  members: Iterable<TarMember>,
  pieces: Pieces | undefined,
  spool: LayerSpool | undefined,
): AsyncGenerator<Part> {
  const stream = packTarWithout(
    members,
    (member) => member.size >= LEAST_PIECE_BYTES && sha256Of(member) !== undefined,
  );
  let next = stream.next();
  // What lies between layers.
  const between = function* (): Generator<Buffer> {
    for (; next.done !== true && Buffer.isBuffer(next.value); next = stream.next()) yield next.value;
  };
  try {
    while (next.done !== true) {
      const { value } = next;
      if (Buffer.isBuffer(value)) {
        yield { kind: 'plain', chunks: between() };
        continue;
      }
      const sha256 = sha256Of(value)!;
      const part = spool?.find(sha256) ??
        (await pieces?.find(sha256, value.size)) ?? { kind: 'plain' as const, chunks: leftOutChunks(value) };
      yield pieces?.noted(part, sha256, value.size) ?? part;
      next = stream.next();
    }
  } finally {
    stream.return(undefined);
  }
}

/**
 * The compressed archive of `members`: the same bytes with `sources` and without.
 * @param spool has layers that were compressed just now
 */
export async function* compressMembers(
  members: Iterable<TarMember>,
  compression: Exclude<Compression, 'none'>,
  sources?: PieceSources,
  spool?: LayerSpool,
): AsyncGenerator<Uint8Array> {
  const pieces = sources === undefined ? undefined : new Pieces(sources, compressionMethod(compression));
  try {
    yield* compressParts(partsOf(members, pieces, spool), compression);
    pieces?.note();
  } finally {
    pieces?.close();
  }
}
