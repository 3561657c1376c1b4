// What layers turned out to be when they were last made: digest of the plain archive by what it is made of, digest and
// size of the compressed one by that. Small files in a directory that may be deleted at any time; whatever is odd about one
// counts as not there.
import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Compression } from '../compression.ts';
import type { Stored } from './destination.ts';

/** The bytes depend on the library. */
function method(compression: Compression): string {
  const version = { gzip: process.versions['zlib'], zstd: process.versions['zstd'], none: '' }[compression];
  return `${compression} 1 ${version ?? ''}`;
}

export class LayerCache {
  readonly #dir: string;

  /** @param dir text */
  constructor(dir: string) {
    this.#dir = dir;
  }

  #file(key: string): string {
    const name = createHash('sha256').update(key).digest('hex');
    return join(this.#dir, name.slice(0, 2), name.slice(2));
  }

  #get(key: string): Stored | undefined {
    try {
      const value = JSON.parse(readFileSync(this.#file(key), 'utf8')) as Partial<Stored> & { key?: unknown };
      const { digest, size } = value;
      if (value.key !== key || typeof digest !== 'string' || typeof size !== 'number') return undefined;
      return /^sha256:[0-9a-f]{64}$/.test(digest) && Number.isSafeInteger(size) ? { digest, size } : undefined;
    } catch {
      // not there, or not whole
      return undefined;
    }
  }

  #put(key: string, { digest, size }: Stored): void {
    const file = this.#file(key);
    const temporary = `${file}.${randomBytes(6).toString('hex')}`;
    try {
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(temporary, JSON.stringify({ key, digest, size }));
      renameSync(temporary, file);
    } catch {
      // A cache that can't be written is none.
    }
  }

  /** The plain archive made from the things that `key` names. */
  plain(key: string): Stored | undefined {
    return this.#get(`plain ${key}`);
  }

  setPlain(key: string, stored: Stored): void {
    this.#put(`plain ${key}`, stored);
  }

  compressed(diffId: string, compression: Compression): Stored | undefined {
    return this.#get(`${method(compression)} ${diffId}`);
  }

  setCompressed(diffId: string, compression: Compression, stored: Stored): void {
    this.#put(`${method(compression)} ${diffId}`, stored);
  }
}
