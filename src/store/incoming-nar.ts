// An archive on its way into a local store: unpacked beside the store's objects where it is large, checked against what
// is said of it, then placed. Whoever starts one must close() it.
import { HashMismatchError, StoreError } from '../util/errors.ts';
import { checkContentAddress } from './check-content-address.ts';
import { equalDigests, printHash } from './hash.ts';
import { NarIngest, restoreChunks } from './nar-ingest.ts';
import type { PathInfo, StorePath } from './store.ts';

/** What of the store is needed. */
export interface IncomingHost {
  /** Names a place that does not exist, on the store's file system. */
  readonly makeTemp: () => string;
  readonly removeTemp: () => void;
  /** Returns what ends it. */
  readonly holdOffCollector: () => () => void;
  /** Protects a path, and says whether it is there already. */
  readonly isValid: (path: StorePath) => boolean;
  /** Has `make` make the object in its place, and registers it. */
  readonly place: (info: PathInfo, make: (real: string) => void) => void;
  readonly rename: (from: string, to: string) => void;
}

export class IncomingNar {
  private readonly host: IncomingHost;
  private readonly release: () => void;
  private readonly ingest: NarIngest;

  constructor(host: IncomingHost) {
    this.host = host;
    this.release = host.holdOffCollector();
    this.ingest = new NarIngest(host.makeTemp);
  }

  isValid(path: StorePath): boolean {
    return this.host.isValid(path);
  }

  /** @throws CorruptNarError, StoreError */
  write(chunk: Uint8Array): void {
    this.ingest.write(chunk);
  }

  /** Places an object whose hash and size are known. @throws HashMismatchError, CorruptNarError, StoreError */
  finish(info: PathInfo): void {
    this.finishWith((narHash, narSize) => {
      if (!equalDigests(narHash, info.narHash)) {
        const print = (digest: Uint8Array): string => printHash({ algorithm: 'sha256', digest }, 'sri');
        throw new HashMismatchError(
          `hash mismatch importing path '${info.path}';\n  specified: ${print(info.narHash)}\n  got:       ${print(narHash)}`,
        );
      }
      if (info.narSize !== 0 && info.narSize !== narSize) {
        throw new StoreError(
          `size mismatch importing path '${info.path}';\n  specified: ${String(info.narSize)}\n  got:       ${String(narSize)}`,
        );
      }
      return info;
    });
  }

  /** Places an object; `describe` may look at hash and size. @returns its path, also where it was there already */
  finishWith(describe: (narHash: Uint8Array, narSize: number) => Omit<PathInfo, 'narHash' | 'narSize'>): StorePath {
    const { narHash, narSize, chunks, tempPath } = this.ingest.finish();
    const info = { ...describe(narHash, narSize), narHash, narSize };
    if (!this.host.isValid(info.path)) {
      this.host.place(info, (real) => {
        if (chunks !== undefined) restoreChunks(real, chunks);
        else this.host.rename(tempPath!, real);
        checkContentAddress(real, info);
      });
    }
    return info.path;
  }

  close(): void {
    this.ingest.abort();
    this.host.removeTemp();
    this.release();
  }
}
