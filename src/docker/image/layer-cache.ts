// What layers turned out to be when they were last made: digest of the plain archive by what it is made of, digest and
// size of the compressed one by that.
import { compressionMethod } from '../compression.ts';
import type { Compression } from '../compression.ts';
import { Notes } from '../notes.ts';
import type { Stored } from './destination.ts';

export class LayerCache {
  readonly #notes: Notes;

  /** @param dir absolute byte string */
  constructor(dir: string) {
    this.#notes = new Notes(dir);
  }

  #get(key: string): Stored | undefined {
    const { digest, size } = this.#notes.get(key) ?? {};
    if (typeof digest !== 'string' || typeof size !== 'number') return undefined;
    return /^sha256:[0-9a-f]{64}$/.test(digest) && Number.isSafeInteger(size) ? { digest, size } : undefined;
  }

  #put(key: string, { digest, size }: Stored): void {
    this.#notes.put(key, { digest, size });
  }

  /** The plain archive made from the things that `key` names. */
  plain(key: string): Stored | undefined {
    return this.#get(`plain ${key}`);
  }

  setPlain(key: string, stored: Stored): void {
    this.#put(`plain ${key}`, stored);
  }

  compressed(diffId: string, compression: Compression): Stored | undefined {
    return this.#get(`${compressionMethod(compression)} ${diffId}`);
  }

  setCompressed(diffId: string, compression: Compression, stored: Stored): void {
    this.#put(`${compressionMethod(compression)} ${diffId}`, stored);
  }
}
