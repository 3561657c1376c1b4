// `tsnix log`: what a build printed, from the log directory of the store.
import { spawnSync } from 'node:child_process';
import { readFileSync, realpathSync } from 'node:fs';
import { resolve } from 'node:path';
import { baseName, isDerivationPath, splitStorePath, tryParseStorePath } from '../../store/store-path.ts';
import { LocalStore } from '../../store/local-store.ts';
import type { StorePath } from '../../store/store.ts';
import { fromBuffer, fsPath, utf8 } from '../../util/bytes.ts';
import { NotImplementedError, StoreError, UsageError } from '../../util/errors.ts';
import type { Config } from '../config.ts';
import { COMMON_FLAGS, flag, parseFlags, type Flag } from '../flags.ts';
import { print } from '../output.ts';
import { openConfiguredStore } from '../session.ts';

export const FLAGS: readonly Flag[] = [flag('store', 'the store to use', { args: ['URI'] }), ...COMMON_FLAGS];

export async function log(argv: readonly string[], config: Config): Promise<number> {
  const flags = parseFlags(argv, FLAGS, config);
  if (flags.positionals.length === 0) throw new UsageError('name a derivation, an output, or a link to one');
  const store = openConfiguredStore(config, true);
  if (!(store instanceof LocalStore)) throw new StoreError(`store '${store.uri}' keeps no logs`);
  try {
    for (const word of flags.positionals) print(readLog(store, derivationOf(store, word)));
    return 0;
  } finally {
    await store.close();
  }
}

/** Of a derivation itself, an output, or a link (`./result`) to either. @throws StoreError */
function derivationOf(store: LocalStore, word: string): StorePath {
  const path = storePathOf(store, utf8(word.replace(/[!^][^/]*$/, '')));
  if (path === undefined) throw new StoreError(`'${utf8(word)}' is not a store path, nor a link to one`);
  if (isDerivationPath(path)) return path;
  const deriver = store.pathInfo(path)?.deriver ?? null;
  if (deriver === null) throw new StoreError(`build log of '${path}' is not available`);
  return deriver;
}

function storePathOf(store: LocalStore, word: string): StorePath | undefined {
  const direct = tryParseStorePath(word, store.storeDir);
  if (direct !== undefined) return direct;
  try {
    const place = fromBuffer(
      realpathSync(fsPath(utf8(resolve('.', Buffer.from(word, 'latin1').toString()))), 'buffer'),
    );
    const root = fromBuffer(realpathSync(fsPath(store.realStoreDir), 'buffer'));
    return place.startsWith(`${root}/`)
      ? splitStorePath(store.storeDir + place.slice(root.length), store.storeDir).storePath
      : undefined;
  } catch {
    return undefined; // not there
  }
}

/** @throws StoreError */
function readLog(store: LocalStore, drvPath: StorePath): string {
  const base = baseName(drvPath);
  const file = `${store.logDir}/drvs/${base.slice(0, 2)}/${base.slice(2)}`;
  const plain = readIfThere(file);
  if (plain !== undefined) return fromBuffer(plain);
  const packed = readIfThere(`${file}.bz2`);
  if (packed === undefined) throw new StoreError(`build log of '${drvPath}' is not available`);
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
