// Downloads for evaluation, which is synchronous: a child process (fetch-child.ts) does what needs to wait.
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemErrorText } from '../store/nar-dump.ts';
import { fromUtf8, utf8 } from '../util/bytes.ts';
import { StoreError } from '../util/errors.ts';
import { programFile } from '../util/program-files.ts';
import type { Reply } from './fetch-child.ts';
import { filePathOfUrl } from './file-url.ts';
import type { HttpSettings } from './http-settings.ts';

/** What was fetched, below a temporary directory that the caller removes. */
export interface FetchedTree {
  /** A file, or with `unpack` a directory. */
  readonly path: string;
  readonly tempDir: string;
  /** Of what was unpacked, Unix seconds. */
  readonly lastModified?: number;
  readonly immutableUrl?: string;
}

/**
 * Downloads `url` (file:, http:, https:); with `unpack`, a tarball whose single top directory is left out.
 * @throws StoreError with the reason
 */
export function fetchSync(
  url: string,
  unpack: boolean,
  settings: HttpSettings,
  headers: Readonly<Record<string, string>> = {},
): FetchedTree {
  const tempDir = mkdtempSync(join(tmpdir(), 'tsnix-fetch-'));
  try {
    const local = filePathOfUrl(url);
    if (local !== null && !unpack) {
      const path = utf8(join(tempDir, 'file'));
      try {
        copyFileSync(Buffer.from(local, 'latin1'), join(tempDir, 'file'));
      } catch (error) {
        throw new StoreError(`unable to download '${url}': ${systemErrorText(error)}`);
      }
      return { path, tempDir };
    }
    const request = JSON.stringify({
      url: fromUtf8(url),
      local: local === null ? null : fromUtf8(local),
      tempDir,
      unpack,
      headers,
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
    const { warnings, ...made } = JSON.parse(result.stdout) as Reply;
    for (const warning of warnings) settings.warn(warning);
    return { ...made, tempDir };
  } catch (error) {
    rmSync(tempDir, { recursive: true, force: true });
    throw error;
  }
}
