// A child process of evaluation: downloads one URL and unpacks it where asked. Standard input: JSON; prints what it made
// as JSON; errors go to stderr as one message.
import { createReadStream, createWriteStream, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { toBuffer, utf8 } from '../util/bytes.ts';
import { NixError } from '../util/errors.ts';
import { download } from './download.ts';
import type { DownloadSettings } from './http-settings.ts';
import { unpackTarball } from './tarball.ts';

interface Request {
  readonly url: string;
  /** File of a `file:` URL. */
  readonly local: string | null;
  readonly tempDir: string;
  readonly unpack: boolean;
  readonly headers: Readonly<Record<string, string>>;
  readonly settings: DownloadSettings;
}

/** Texts are byte strings. */
export interface Reply {
  readonly path: string;
  /** What went wrong, and was tried again. */
  readonly warnings: readonly string[];
  readonly lastModified?: number;
  readonly immutableUrl?: string;
}

async function main(): Promise<void> {
  const { url, local, tempDir, unpack, headers, settings } = JSON.parse(readFileSync(0, 'utf8')) as Request;
  const file = join(tempDir, 'file');
  const warnings: string[] = [];
  let immutable = {};
  if (local === null) {
    const { body, immutableUrl } = await download(utf8(url), {
      settings: { ...settings, warn: (message) => void warnings.push(message) },
      secretHeaders: headers,
      decode: true,
    });
    await pipeline(body, createWriteStream(file));
    if (immutableUrl !== undefined) immutable = { immutableUrl: utf8(immutableUrl) };
  }
  if (!unpack) {
    reply({ path: utf8(file), warnings, ...immutable });
    return;
  }
  try {
    const { path, lastModified } = await unpackTarball(createReadStream(local ?? file), join(tempDir, 'tree'));
    reply({ path, lastModified, warnings, ...immutable });
  } catch (error) {
    throw new Error(`failed to extract archive '${url}': ${(error as Error).message}`, { cause: error });
  }
}

function reply(made: Reply): void {
  process.stdout.write(JSON.stringify(made));
}

try {
  await main();
} catch (error) {
  const { message } = error as Error;
  process.stderr.write(toBuffer(`${error instanceof NixError ? message : utf8(message)}\n`));
  process.exitCode = 1;
}
