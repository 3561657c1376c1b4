// A child process of evaluation: downloads one URL and unpacks it where asked. Standard input: JSON; prints what it made
// as JSON; errors go to stderr as one message.
import { createReadStream, createWriteStream, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { toBuffer, utf8 } from '../util/bytes.ts';
import { NixError } from '../util/errors.ts';
import { download } from './download.ts';
import { DownloadError } from './http-errors.ts';
import type { DownloadSettings } from './http-settings.ts';
import { unpackTarball } from './tarball.ts';

interface Request {
  readonly url: string;
  /** File of a `file:` URL. */
  readonly local: string | null;
  readonly tempDir: string;
  readonly unpack: boolean;
  readonly headers: Readonly<Record<string, string>>;
  /** Entity tag of what is had already. */
  readonly unlessTag?: string;
  readonly settings: DownloadSettings;
}

/** What was downloaded. Texts are byte strings. */
export interface Made {
  readonly path: string;
  /** Entity tag. */
  readonly etag?: string;
  readonly lastModified?: number;
  readonly immutableUrl?: string;
}

export interface Reply {
  /** What went wrong, and was tried again. */
  readonly warnings: readonly string[];
  /** Null: the server still has what is had already, or the download failed. */
  readonly made: Made | null;
  /** Why the download failed. */
  readonly failure?: string;
}

async function main(): Promise<void> {
  const { url, local, tempDir, unpack, headers, unlessTag, settings } = JSON.parse(readFileSync(0, 'utf8')) as Request;
  const file = join(tempDir, 'file');
  const warnings: string[] = [];
  let said = {};
  if (local === null) {
    try {
      const { body, immutableUrl, etag, isUnchanged } = await download(utf8(url), {
        settings: { ...settings, warn: (message) => void warnings.push(message) },
        secretHeaders: headers,
        decode: true,
        ...(unlessTag === undefined ? {} : { unlessTag }),
      });
      await pipeline(body, createWriteStream(file));
      if (isUnchanged) {
        reply({ warnings, made: null });
        return;
      }
      said = { etag, ...(immutableUrl === undefined ? {} : { immutableUrl: utf8(immutableUrl) }) };
    } catch (error) {
      if (!(error instanceof DownloadError)) throw error;
      reply({ warnings, made: null, failure: error.message });
      return;
    }
  }
  if (!unpack) {
    reply({ warnings, made: { path: utf8(file), ...said } });
    return;
  }
  try {
    const { path, lastModified } = await unpackTarball(createReadStream(local ?? file), join(tempDir, 'tree'));
    reply({ warnings, made: { path, lastModified, ...said } });
  } catch (error) {
    throw new Error(`failed to extract archive '${url}': ${(error as Error).message}`, { cause: error });
  }
}

function reply(answer: Reply): void {
  process.stdout.write(JSON.stringify(answer));
}

try {
  await main();
} catch (error) {
  const { message } = error as Error;
  process.stderr.write(toBuffer(`${error instanceof NixError ? message : utf8(message)}\n`));
  process.exitCode = 1;
}
