// Layers compressed before their place is known. An archive is ordered by its layers' ids, which are hashes of what is in
// them, so that all must have been read before the first can be written; compressed, they are small enough to be kept
// until then, and so are read only once.
import { compressParts } from './compression.ts';
import type { Compression } from './compression.ts';
import type { CompressedPart, Part } from './gzip.ts';
import { regionChunks, writeChunks } from './write-file.ts';

export class LayerSpool {
  readonly #path: string;
  readonly #compression: Exclude<Compression, 'none'>;
  readonly #parts = new Map<string, CompressedPart>();

  /** @param path of the file that it is to be, in a directory that is removed afterwards */
  constructor(path: string, compression: Exclude<Compression, 'none'>) {
    this.#path = path;
    this.#compression = compression;
  }

  /** Compresses `parts`, whose `finished` are to add() them. Once. */
  async fill(parts: Iterable<Part>, signal?: AbortSignal): Promise<void> {
    await writeChunks(this.#path, compressParts(parts, this.#compression), signal);
  }

  /** @param sha256 of the part before compression */
  add(sha256: string, part: CompressedPart): void {
    this.#parts.set(sha256, part);
  }

  find(sha256: string): Extract<Part, { kind: 'compressed' }> | undefined {
    const part = this.#parts.get(sha256);
    if (part === undefined) return undefined;
    const { offset, ...made } = part;
    const chunks = regionChunks({ path: this.#path, offset, size: made.compressedSize });
    return { kind: 'compressed', chunks, ...made };
  }
}
