// A child process of evaluation: downloads one URL and unpacks it where asked. Standard input: JSON; prints what it made
// as JSON; errors go to stderr as one message.
import { createReadStream, createWriteStream, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { download } from './download.ts';
import { utf8 } from '../util/bytes.ts';
import { unpackTarball } from './tarball.ts';

interface Request {
  readonly url: string;
  /** File of a `file:` URL. */
  readonly local: string | null;
  readonly tempDir: string;
  readonly unpack: boolean;
  readonly headers: Readonly<Record<string, string>>;
}

export interface Reply {
  /** Byte string. */
  readonly path: string;
  readonly lastModified?: number;
  readonly immutableUrl?: string;
}

async function main(): Promise<void> {
  const { url, local, tempDir, unpack, headers } = JSON.parse(readFileSync(0, 'utf8')) as Request;
  const file = join(tempDir, 'file');
  let immutable = {};
  if (local === null) {
    const { body, immutableUrl } = await download(url, headers);
    await pipeline(Readable.fromWeb(body), createWriteStream(file));
    if (immutableUrl !== undefined) immutable = { immutableUrl: utf8(immutableUrl) };
  }
  if (!unpack) {
    reply({ path: utf8(file), ...immutable });
    return;
  }
  try {
    const { path, lastModified } = await unpackTarball(createReadStream(local ?? file), join(tempDir, 'tree'));
    reply({ path, lastModified, ...immutable });
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
  process.stderr.write(`${(error as Error).message}\n`);
  process.exitCode = 1;
}
