// Compression of what goes into a cache. What zlib has it does itself; xz and bzip2 are the host's programs
// (docs/decisions/0009-compression.md).
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { Readable, type Duplex } from 'node:stream';
import { constants, createBrotliCompress, createGzip, createZstdCompress } from 'node:zlib';
import { StoreError } from '../util/errors.ts';
import type { Compression } from './decompress.ts';

export interface CompressOptions {
  /** -1: the method's own default. */
  readonly level: number;
  /** Use several threads where the method can. */
  readonly parallel: boolean;
}

/** Endings of archives' names, as Nix has them: gzip has none. */
export const archiveSuffixes: Readonly<Record<Compression, string>> = {
  none: '',
  gzip: '',
  xz: '.xz',
  bzip2: '.bz2',
  zstd: '.zst',
  br: '.br',
};

/** @throws StoreError where the host lacks the program */
export async function* compress(
  source: AsyncIterable<Uint8Array>,
  compression: Compression,
  options: CompressOptions,
): AsyncGenerator<Uint8Array, void> {
  const { level } = options;
  switch (compression) {
    case 'none':
      yield* source;
      return;
    case 'xz':
    case 'bzip2':
      yield* throughProgram(source, compression, options);
      return;
    case 'gzip':
      yield* through(source, createGzip(level < 0 ? {} : { level: Math.min(level, 9) }));
      return;
    case 'zstd': {
      const params = {
        ...(level < 0 ? {} : { [constants.ZSTD_c_compressionLevel]: level }),
        ...(options.parallel ? { [constants.ZSTD_c_nbWorkers]: availableParallelism() } : {}),
      };
      yield* through(source, createZstdCompress({ params }));
      return;
    }
    case 'br': {
      // The library's own default, 11, takes minutes for what 9 does in seconds.
      const quality = level < 0 ? 9 : Math.min(level, 11);
      yield* through(source, createBrotliCompress({ params: { [constants.BROTLI_PARAM_QUALITY]: quality } }));
      return;
    }
  }
}

async function* through(source: AsyncIterable<Uint8Array>, stage: Duplex): AsyncGenerator<Uint8Array, void> {
  const input = Readable.from(source, { objectMode: true, highWaterMark: 1 });
  input.on('error', (error) => stage.destroy(error));
  input.pipe(stage);
  try {
    yield* stage as AsyncIterable<Uint8Array>;
  } finally {
    input.destroy();
    stage.destroy();
  }
}

async function* throughProgram(
  source: AsyncIterable<Uint8Array>,
  program: 'xz' | 'bzip2',
  { level, parallel }: CompressOptions,
): AsyncGenerator<Uint8Array, void> {
  const args = ['-c', ...(level < 0 ? [] : [`-${String(Math.min(Math.max(level, program === 'xz' ? 0 : 1), 9))}`])];
  // One thread makes the same bytes everywhere.
  if (program === 'xz') args.push(parallel ? '-T0' : '-T1');
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'ignore'] });
  const ended = once(child, 'close');
  ended.catch(() => undefined); // looked at below
  child.stdin.on('error', () => undefined); // it ended early: its status says why
  const input = Readable.from(source, { objectMode: true, highWaterMark: 1 });
  let failure: Error | undefined;
  input.on('error', (error) => {
    failure = error;
    child.kill();
  });
  input.pipe(child.stdin);
  try {
    for await (const chunk of child.stdout as AsyncIterable<Uint8Array>) yield chunk;
    const [status] = (await ended) as [number | null];
    if (failure !== undefined) throw failure;
    if (status !== 0) throw new StoreError(`program '${program}' failed with exit code ${String(status)}`);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
      throw new StoreError(
        `compressing with ${program} needs the program '${program}' (Debian package ${program === 'xz' ? 'xz-utils' : 'bzip2'}); or choose another method with the store's parameter 'compression'`,
      );
    }
    throw error;
  } finally {
    input.destroy();
    child.kill();
  }
}
