// A child process of evaluation: downloads one URL and unpacks it where asked. Argument: JSON; prints the path of
// what it made; errors go to stderr as one message.
import { createReadStream, createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { downloadResponse } from './download.ts';
import { unpackTarball } from './tarball.ts';

interface Request {
  readonly url: string;
  /** File of a `file:` URL. */
  readonly local: string | null;
  readonly tempDir: string;
  readonly unpack: boolean;
}

async function main(): Promise<void> {
  const { url, local, tempDir, unpack } = JSON.parse(process.argv[2] ?? '') as Request;
  const file = join(tempDir, 'file');
  if (local === null) {
    await pipeline(Readable.fromWeb(await downloadResponse(url)), createWriteStream(file));
  }
  if (!unpack) {
    process.stdout.write(`${file}\n`);
    return;
  }
  try {
    const tree = await unpackTarball(createReadStream(local ?? file), join(tempDir, 'tree'));
    process.stdout.write(Buffer.from(`${tree}\n`, 'latin1'));
  } catch (error) {
    throw new Error(`failed to extract archive '${url}': ${(error as Error).message}`, { cause: error });
  }
}

try {
  await main();
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`);
  process.exitCode = 1;
}
