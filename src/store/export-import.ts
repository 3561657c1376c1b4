// The stream of `nix-store --export`: for each object 1, its NAR, a magic number, path, references, deriver, 0; then 0.
// Dependencies come first. The description follows the archive, so what is imported waits in a temporary place.
import { readSync } from 'node:fs';
import { StoreError } from '../util/errors.ts';
import { createHasher, equalDigests, printHash } from './hash.ts';
import type { LocalStore } from './local-store.ts';
import type { NarSink } from './nar-dump.ts';
import { NarParser } from './nar-parse.ts';
import type { NarVisitor } from './nar-parse.ts';
import { requirePathInfo, sortPaths } from './query.ts';
import { parseStorePath } from './store-path.ts';
import type { PathInfo, StorePath } from './store.ts';

const exportMagic = 0x4558494e;
/** Longer texts are no store paths. */
const maxText = 4096;
/** More references than any object has. */
const maxReferences = 1 << 20;

function number(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}

function text(value: string): Buffer {
  return Buffer.concat([number(value.length), Buffer.from(value, 'latin1'), Buffer.alloc(-value.length & 7)]);
}

/**
 * Writes valid paths (not their closure) to `sink`.
 * @throws StoreError where one is not valid, or is not what it was when it was registered
 */
export function exportPaths(store: LocalStore, paths: readonly StorePath[], sink: NarSink): void {
  for (const path of sortPaths(store, paths)) {
    const info = requirePathInfo(store, path);
    sink(number(1));
    const hasher = createHasher('sha256');
    store.dumpPath(path, (chunk) => {
      hasher.update(chunk);
      sink(chunk);
    });
    const digest = hasher.digest();
    if (!equalDigests(digest, info.narHash) && info.narHash.some((byte) => byte !== 0)) {
      const print = (hash: Uint8Array): string => printHash({ algorithm: 'sha256', digest: hash }, 'nix32');
      throw new StoreError(`hash of path '${path}' has changed from '${print(info.narHash)}' to '${print(digest)}'!`);
    }
    sink(number(exportMagic));
    sink(text(path));
    sink(number(info.references.length));
    for (const reference of info.references) sink(text(reference));
    sink(text(info.deriver ?? ''));
    sink(number(0));
  }
  sink(number(0));
}

/** Reads a descriptor in pieces of any size. */
class Input {
  private readonly fd: number;
  private readonly buffer = Buffer.allocUnsafeSlow(256 * 1024);
  private start = 0;
  private end = 0;

  constructor(fd: number) {
    this.fd = fd;
  }

  /** Bytes at hand, at least one. @throws StoreError at the end */
  private fill(): Buffer {
    if (this.start === this.end) {
      this.start = 0;
      this.end = readWaiting(this.fd, this.buffer);
      if (this.end === 0) throw new StoreError('unexpected end-of-file');
    }
    return this.buffer.subarray(this.start, this.end);
  }

  take(count: number): Buffer {
    const bytes = Buffer.alloc(count);
    for (let at = 0; at < count;) {
      const part = this.fill().subarray(0, count - at);
      bytes.set(part, at);
      at += part.length;
      this.start += part.length;
    }
    return bytes;
  }

  number(limit = Number.MAX_SAFE_INTEGER): number {
    const value = this.take(8).readBigUInt64LE();
    if (value > BigInt(limit)) throw new StoreError('input is not an export of store paths: a number is too large');
    return Number(value);
  }

  text(): string {
    const length = this.number(maxText);
    const value = this.take(length).toString('latin1');
    if (this.take(-length & 7).some((byte) => byte !== 0)) throw new StoreError('non-zero padding');
    return value;
  }

  archive(sink: NarSink): void {
    const parser = new NarParser(ignore);
    while (!parser.done) {
      const bytes = this.fill();
      const count = parser.write(bytes);
      sink(bytes.subarray(0, count));
      this.start += count;
    }
  }
}

const nothing = (): void => undefined;
const ignore: NarVisitor = {
  enterDirectory: nothing,
  leaveDirectory: nothing,
  enterFile: nothing,
  contents: nothing,
  leaveFile: nothing,
  symlink: nothing,
};

/** readSync(), also where standard input does not wait by itself. */
function readWaiting(fd: number, buffer: Buffer): number {
  for (;;) {
    try {
      return readSync(fd, buffer);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EOF') return 0;
      if (code !== 'EAGAIN') throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
    }
  }
}

/**
 * Makes valid what can be read from `fd`.
 * @returns the paths, in order
 * @throws StoreError, CorruptNarError; what came before stays
 */
export function importPaths(store: LocalStore, fd: number): StorePath[] {
  const input = new Input(fd);
  const paths: StorePath[] = [];
  for (;;) {
    const more = input.take(8).readBigUInt64LE();
    if (more === 0n) return paths;
    if (more !== 1n) throw new StoreError("input doesn't look like something created by 'nix-store --export'");
    const incoming = store.incoming();
    try {
      input.archive((chunk) => {
        incoming.write(chunk);
      });
      paths.push(incoming.finishWith(() => readDescription(input, store.storeDir)));
    } finally {
      incoming.close();
    }
  }
}

/** What follows an archive. @throws StoreError */
function readDescription(input: Input, storeDir: string): Omit<PathInfo, 'narHash' | 'narSize'> {
  if (input.number() !== exportMagic) throw new StoreError('Nix archive cannot be imported; wrong format');
  const path = parseStorePath(input.text(), storeDir);
  const references: StorePath[] = [];
  for (let left = input.number(maxReferences); left > 0; left--) {
    references.push(parseStorePath(input.text(), storeDir));
  }
  const deriver = input.text();
  // A signature of old times.
  if (input.number() === 1) input.text();
  return {
    path,
    references: [...new Set(references)].sort(),
    deriver: deriver === '' ? null : parseStorePath(deriver, storeDir),
    registrationTime: 0,
    ultimate: false,
    signatures: [],
    ca: null,
  };
}
