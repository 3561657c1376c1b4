// What evaluation fetches from elsewhere, into the store; or, where nothing is written to one, into temporary folders.
import { rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { DownloadCache, type KnownDownload } from '../fetch/download-cache.ts';
import { fetchSync, fetchUnless, type FetchedTree, type FetchOptions } from '../fetch/fetch-sync.ts';
import { checkOutGit } from '../fetch/git.ts';
import { DownloadError } from '../fetch/http-errors.ts';
import { certificatesFile, defaultHttpSettings, type HttpSettings } from '../fetch/http-settings.ts';
import { checkOutMercurial } from '../fetch/mercurial.ts';
import { equalDigests, printHash } from '../store/hash.ts';
import { hashFile, hashNar } from '../store/nar.ts';
import { makeFixedOutputPath } from '../store/store-path.ts';
import type { StorePath, SyncStore } from '../store/store.ts';
import { HashMismatchError, type NixError } from '../util/errors.ts';
import type { FetchedFile, GitRequest, GitTree, MercurialRequest, MercurialTree, UrlRequest } from './io.ts';

/** Downloads that are remembered between evaluations. */
export interface Downloads {
  /** SQLite; made where it is not there. */
  readonly file: string;
  /** Seconds for which a server is not asked again. */
  readonly ttl: number;
  /** In read-only mode: where what was downloaded is kept. Null: nowhere. */
  readonly store: () => SyncStore | null;
}

export interface FetcherOptions {
  readonly storeDir: string;
  /** Null: read-only mode, nothing is written to a store. */
  readonly store: SyncStore | null;
  readonly http?: (() => HttpSettings) | undefined;
  readonly downloads?: (() => Downloads) | undefined;
  /** Told where a store path lies that no store has. */
  readonly onTemporary: (storePath: string, path: string) => void;
}

type Method = 'nar' | 'flat';

export class Fetcher {
  private readonly options: FetcherOptions;
  private readonly temporary: string[] = [];
  private cache: DownloadCache | undefined;

  constructor(options: FetcherOptions) {
    this.options = options;
  }

  private httpSettings(): HttpSettings {
    return this.options.http?.() ?? { ...defaultHttpSettings, caFile: certificatesFile(process.env) };
  }

  url(request: UrlRequest): FetchedFile {
    const { url, unpack, sha256, name, headers } = request;
    const method = unpack || request.asTree === true ? 'nar' : 'flat';
    const options: FetchOptions = {
      unpack,
      settings: this.httpSettings(),
      ...(headers === undefined ? {} : { headers }),
    };
    if (sha256 === undefined) return this.downloaded(request, method, options);
    const fetched = fetchSync(url, options);
    const { hash } = method === 'nar' ? hashNar(fetched.path) : hashFile(fetched.path, 'sha256');
    if (!equalDigests(hash, sha256)) {
      rmSync(fetched.tempDir, { recursive: true, force: true });
      throw fetchMismatch(url, unpack, sha256, hash);
    }
    return fileOf(this.add(fetched, name, method), fetched);
  }

  /** What has no hash: as it was the last time, where that is young enough or the server says that it still is. */
  private downloaded(request: UrlRequest, method: Method, options: FetchOptions): FetchedFile {
    const { url, name, unpack } = request;
    const isRemote = /^https?:/i.test(url);
    const isKept = request.isKept === true;
    const downloads = isRemote || isKept ? this.options.downloads?.() : undefined;
    const store = this.options.store ?? downloads?.store() ?? null;
    if (downloads === undefined || store === null) {
      const fetched = fetchSync(url, options);
      return fileOf(this.add(fetched, name, method), fetched);
    }
    const cache = (this.cache ??= new DownloadCache(downloads.file, downloads.ttl));
    const key = JSON.stringify([url, name, method, unpack, this.options.storeDir]);
    const known = this.stillValid(cache.find(key), store);
    if (known !== undefined && isRemote && (!known.isExpired || request.isForEver === true)) {
      return fileOf(known.storePath, known);
    }
    let fetched: FetchedTree | null;
    try {
      fetched = fetchUnless(url, known === undefined || known.etag === '' ? undefined : known.etag, options);
    } catch (error) {
      if (!(error instanceof DownloadError) || known === undefined) throw error;
      options.settings.warn(`${error.message}; using cached version`);
      return fileOf(known.storePath, known);
    }
    if (fetched === null) {
      cache.remember(key, known!);
      return fileOf(known!.storePath, known!);
    }
    const { etag = '', lastModified, immutableUrl } = fetched;
    const storePath = this.add(fetched, name, method, store);
    cache.remember(key, { storePath, etag, lastModified, immutableUrl });
    if (isKept) keep(store, storePath, join(dirname(downloads.file), name));
    return fileOf(storePath, fetched);
  }

  private stillValid(known: KnownDownload | undefined, store: SyncStore): KnownDownload | undefined {
    if (known === undefined) return undefined;
    const storePath = known.storePath as StorePath;
    // Before it is looked for: a collector may be running.
    store.addTempRoot(storePath);
    if (!store.isValidPath(storePath)) return undefined;
    this.place(storePath, store);
    return known;
  }

  git(request: GitRequest): GitTree {
    const warn = (message: string): void => this.httpSettings().warn(message);
    const http = (): HttpSettings => this.httpSettings();
    const checkout = checkOutGit(request, { ttl: this.options.downloads?.().ttl ?? 0, warn, http });
    const { rev, revCount, lastModified, dirtyRev, ref } = checkout;
    return { storePath: this.add(checkout, request.name, 'nar'), rev, revCount, lastModified, dirtyRev, ref };
  }

  mercurial(request: MercurialRequest): MercurialTree {
    const checkout = checkOutMercurial(request);
    const { rev, branch, revCount } = checkout;
    return { storePath: this.add(checkout, request.name, 'nar'), rev, branch, revCount };
  }

  /**
   * Takes over what was fetched; returns its store path. Where nothing is written to a store the temporary copy is read
   * until this process ends.
   */
  private add(
    { path, tempDir }: { readonly path: string; readonly tempDir: string },
    name: string,
    method: Method,
    store = this.options.store,
  ): StorePath {
    if (store !== null) {
      try {
        const storePath = store.addPath(path, { name, method });
        this.place(storePath, store);
        return storePath;
      } finally {
        rmSync(tempDir, { recursive: true, force: true });
      }
    }
    const { hash } = method === 'nar' ? hashNar(path) : hashFile(path, 'sha256');
    const storePath = makeFixedOutputPath({ name, method, algorithm: 'sha256', hash }, this.options.storeDir);
    this.options.onTemporary(storePath, path);
    if (this.temporary.length === 0) process.once('exit', () => this.close());
    this.temporary.push(tempDir);
    return storePath;
  }

  /** What another store than the evaluation's has. */
  private place(storePath: StorePath, store: SyncStore): void {
    if (store === this.options.store) return;
    store.flush();
    this.options.onTemporary(storePath, store.realPath(storePath));
  }

  /** Removes what no store has; else that happens when the process ends. */
  close(): void {
    this.cache?.close();
    this.cache = undefined;
    for (const dir of this.temporary.splice(0)) rmSync(dir, { recursive: true, force: true });
  }
}

/** Where it can't be kept, it is downloaded again. */
function keep(store: SyncStore, storePath: StorePath, link: string): void {
  try {
    store.addIndirectRoot(link, storePath);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
  }
}

function fileOf(
  storePath: string,
  {
    lastModified,
    immutableUrl,
  }: { readonly lastModified?: number | undefined; readonly immutableUrl?: string | undefined },
): FetchedFile {
  return {
    storePath,
    ...(lastModified === undefined ? {} : { lastModified }),
    ...(immutableUrl === undefined ? {} : { immutableUrl }),
  };
}

function fetchMismatch(url: string, unpack: boolean, specified: Uint8Array, got: Uint8Array): NixError {
  const show = (digest: Uint8Array): string => printHash({ algorithm: 'sha256', digest }, unpack ? 'sri' : 'nix32');
  return new HashMismatchError(
    unpack
      ? `NAR hash mismatch in input '${url}', expected '${show(specified)}' but got '${show(got)}'`
      : `hash mismatch in file downloaded from '${url}':\n  specified: ${show(specified)}\n  got:       ${show(got)}`,
  );
}
