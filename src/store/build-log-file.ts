// Where builds' logs lie in a store on this machine, plain or compressed.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { baseName, isDerivationPath } from './store-path.ts';
import type { StorePath, SyncStore } from './store.ts';
import { fromBuffer, fsPath, utf8 } from '../util/bytes.ts';
import { NotImplementedError, StoreError } from '../util/errors.ts';

/** A store whose logs lie on this machine, also where a daemon has the rest of it. */
export type LogStore = Pick<SyncStore, 'pathInfo'> & { readonly logDir?: string | undefined };

/** The log of a derivation, or of an output's deriver; undefined where there is none. @throws StoreError */
export function buildLogOf(store: LogStore, path: StorePath): string | undefined {
  if (store.logDir === undefined) return undefined;
  const drvPath = isDerivationPath(path) ? path : store.pathInfo(path)?.deriver;
  if (drvPath === undefined || drvPath === null) return undefined;
  const base = baseName(drvPath);
  const file = `${store.logDir}/drvs/${base.slice(0, 2)}/${base.slice(2)}`;
  const plain = readIfThere(file);
  if (plain !== undefined) return fromBuffer(plain);
  const packed = readIfThere(`${file}.bz2`);
  if (packed === undefined) return undefined;
  const run = spawnSync('bzip2', ['-dc'], { input: packed, maxBuffer: 1 << 30 });
  if (run.error !== undefined) {
    throw new NotImplementedError(`reading '${file}.bz2' takes the program bzip2: ${utf8(run.error.message)}`);
  }
  if (run.status !== 0) throw new StoreError(`the log '${file}.bz2' is damaged`);
  return fromBuffer(run.stdout);
}

function readIfThere(path: string): Buffer | undefined {
  try {
    return readFileSync(fsPath(path));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
