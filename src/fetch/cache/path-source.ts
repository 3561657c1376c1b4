// Where paths come from: a binary cache, or another store.
import { Readable } from 'node:stream';
import { buildLogOf, type LogStore } from '../../store/build-log-file.ts';
import { narChunks } from '../../store/nar-dump.ts';
import type { CacheInfo, NarInfo } from '../../store/narinfo.ts';
import type { QueriedStore } from '../../store/queried-store.ts';
import type { Realisation } from '../../store/realisation.ts';
import type { StorePath, SyncStore } from '../../store/store.ts';
import { Spool } from '../../store/spool.ts';
import type { ReadOptions } from './transport.ts';

export interface PathSource {
  /** For messages. */
  readonly uri: string;
  /** No signatures are asked for. */
  readonly trusted: boolean;
  readonly info: CacheInfo;
  /** What it says of a path, undefined where it has not got it. @throws StoreError */
  narInfo(path: StorePath, options?: ReadOptions): Promise<NarInfo | undefined>;
  /** The path's NAR. @throws FileGoneError, StoreError */
  nar(info: NarInfo, options?: ReadOptions): AsyncIterable<Uint8Array>;
  /** What the build of a derivation printed; undefined where it has not got that. @throws StoreError */
  buildLog(drvPath: StorePath): Promise<string | undefined>;
  /** What its build trace says of an output of a resolved derivation. @throws StoreError */
  buildTrace(drvPath: StorePath, output: string): Promise<Realisation | undefined>;
  /** What narInfo() said of a path is not so any more. */
  forget(path: StorePath): void;
}

type SourceStore = LogStore & SyncStore & Partial<Pick<QueriedStore, 'realStoreDir' | 'buildTrace'>>;

/** Another store. */
export class StoreSource implements PathSource {
  readonly uri: string;
  readonly trusted: boolean;
  readonly info: CacheInfo;
  private readonly store: SourceStore;

  constructor(
    store: SourceStore,
    options: { readonly trusted?: boolean; readonly priority?: number | undefined } = {},
  ) {
    this.store = store;
    this.uri = store.uri;
    this.trusted = options.trusted ?? false;
    this.info = { storeDir: store.storeDir, wantMassQuery: true, priority: options.priority ?? 0 };
  }

  narInfo(path: StorePath): Promise<NarInfo | undefined> {
    const info = this.store.pathInfo(path);
    const archive = { url: '', compression: 'none', fileHash: null, fileSize: 0 };
    return Promise.resolve(
      info === undefined ? undefined : { ...info, ultimate: false, registrationTime: 0, ...archive },
    );
  }

  nar(info: NarInfo): AsyncIterable<Uint8Array> {
    if (this.store.realStoreDir === undefined) return Readable.from(this.fetched(info.path), { highWaterMark: 1 });
    return Readable.from(narChunks(this.store.realPath(info.path)), { objectMode: true, highWaterMark: 1 });
  }

  /** From elsewhere an archive comes in one go. */
  private *fetched(path: StorePath): Generator<Uint8Array, void> {
    const spool = new Spool();
    try {
      this.store.dumpPath(path, (chunk) => {
        spool.write(chunk);
      });
      yield* spool.chunks();
    } finally {
      spool.close();
    }
  }

  buildLog(drvPath: StorePath): Promise<string | undefined> {
    return Promise.resolve(buildLogOf(this.store, drvPath));
  }

  buildTrace(drvPath: StorePath, output: string): Promise<Realisation | undefined> {
    return Promise.resolve(this.store.buildTrace?.(drvPath, output));
  }

  forget(): void {
    // it is what it says
  }
}
