// Downloads for evaluation, which is synchronous: a child process (fetch-child.ts) does what needs to wait.
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemErrorText } from '../store/nar-dump.ts';
import { fromUtf8, utf8 } from '../util/bytes.ts';
import { StoreError } from '../util/errors.ts';
import { programFile } from '../util/program-files.ts';
import type { Made, Reply } from './fetch-child.ts';
import { filePathOfUrl } from './file-url.ts';
import { DownloadError } from './http-errors.ts';
import type { HttpSettings } from './http-settings.ts';

/** What was fetched, below a temporary directory that the caller removes. */
export interface FetchedTree extends Made {
  /** A file, or with `unpack` a directory; `lastModified` (Unix seconds) is of what was unpacked. */
  readonly path: string;
  readonly tempDir: string;
}

export interface FetchOptions {
  /** Take a tarball apart; a single directory at its top is left out. */
  readonly unpack: boolean;
  readonly settings: HttpSettings;
  /** Sent to the server of the URL alone. */
  readonly headers?: Readonly<Record<string, string>>;
}

/**
 * Downloads `url` (file:, http:, https:).
 * @throws DownloadError where the server can't be reached or says no, else StoreError with the reason
 */
export function fetchSync(url: string, options: FetchOptions): FetchedTree {
  return fetchUnless(url, undefined, options)!;
}

/** @returns null where the server still has what has the entity tag `tag`. @throws as fetchSync() does */
export function fetchUnless(url: string, tag: string | undefined, options: FetchOptions): FetchedTree | null {
  const { unpack, settings, headers = {} } = options;
  const tempDir = mkdtempSync(join(tmpdir(), 'tsnix-fetch-'));
  try {
    const local = filePathOfUrl(url);
    if (local !== null && !unpack) {
      const path = utf8(join(tempDir, 'file'));
      try {
        copyFileSync(Buffer.from(local, 'latin1'), join(tempDir, 'file'));
      } catch (error) {
        throw new DownloadError(`unable to download '${url}': ${systemErrorText(error)}`, 'missing');
      }
      return { path, tempDir };
    }
    const request = JSON.stringify({
      url: fromUtf8(url),
      local: local === null ? null : fromUtf8(local),
      tempDir,
      unpack,
      headers,
      unlessTag: tag,
      settings,
    });
    const result = spawnSync(process.execPath, [programFile('src/fetch/fetch-child.ts')], {
      // Not as an argument: everybody sees those, and headers hold access tokens.
      input: request,
      env: { ...process.env, NODE_NO_WARNINGS: '1', NODE_OPTIONS: '' },
      encoding: 'utf8',
    });
    if (result.status !== 0) {
      const reason =
        (result.error === undefined ? undefined : utf8(result.error.message)) ??
        (utf8(result.stderr.trim()) || `fetching ended with status ${String(result.status)}`);
      throw new StoreError(reason);
    }
    const { warnings, made, failure } = JSON.parse(result.stdout) as Reply;
    for (const warning of warnings) settings.warn(warning);
    if (failure !== undefined) throw new DownloadError(failure, 'refused');
    if (made !== null) return { ...made, tempDir };
    rmSync(tempDir, { recursive: true, force: true });
    return null;
  } catch (error) {
    rmSync(tempDir, { recursive: true, force: true });
    throw error;
  }
}
