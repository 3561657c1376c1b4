// A process that has a binary cache open for a command (cache-store.ts): told which in JSON, it then speaks the worker
// protocol on standard input and output. Errors that end it go to standard error.
import { writeSync } from 'node:fs';
import { DaemonServer } from '../../store/daemon/server.ts';
import { splitStoreUri } from '../../store/store-uri.ts';
import { WireInput } from '../../store/wire-input.ts';
import { fromUtf8, toBuffer, utf8 } from '../../util/bytes.ts';
import { NixError } from '../../util/errors.ts';
import type { BinaryCache } from './binary-cache.ts';
import type { CacheChildRequest } from './cache-store.ts';
import { PathSources } from './open.ts';
import { ServedCache } from './served-cache.ts';

const maxRequest = 1 << 20;

function write(chunk: Uint8Array): void {
  for (let at = 0; at < chunk.length;) {
    try {
      at += writeSync(1, chunk, at);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EPIPE') process.exit(0);
      if (code !== 'EAGAIN') throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
    }
  }
}

async function main(): Promise<void> {
  const input = new WireInput(0);
  const request = JSON.parse(fromUtf8(input.text(maxRequest))) as CacheChildRequest;
  const uri = utf8(request.uri);
  const { base, params } = splitStoreUri(uri);
  const warn = (message: string): void => void process.stderr.write(toBuffer(`warning: ${message}\n`));
  const sources = new PathSources({
    storeDir: utf8(request.storeDir),
    env: process.env,
    http: { ...request.settings, warn },
    diskCache: request.diskCache,
  });
  const isFolder = base.startsWith('file://');
  const open = async (): Promise<BinaryCache | undefined> => {
    // A folder becomes a cache when something is written to it; until then nothing is in it.
    if (isFolder && !(await sources.transport(base).exists('nix-cache-info'))) return undefined;
    return await sources.openCache(uri);
  };
  const store = new ServedCache({
    uri: base,
    storeDir: params.get('store') ?? utf8(request.storeDir),
    open,
    openWriter: () => sources.openWriter(uri),
  });
  try {
    await new DaemonServer({ store, input, output: write, version: '', trusted: true }).run();
  } finally {
    sources.close();
  }
}

// The command that started this one ends it by closing standard input; what is to be remembered is still written.
process.on('SIGTERM', () => undefined);
process.on('SIGINT', () => process.exit(130));
try {
  await main();
} catch (error) {
  const { message } = error as Error;
  process.stderr.write(toBuffer(`error: ${error instanceof NixError ? message : utf8(message)}\n`));
  process.exitCode = 1;
}
