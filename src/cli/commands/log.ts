// `tsnix log`: what a build printed, from the log directory of the store or from a binary cache; `tsnix store copy-log`.
import { LogFile } from '../../build/build-log.ts';
import { PathSources } from '../../fetch/cache/open.ts';
import { DaemonStore } from '../../store/daemon/daemon-store.ts';
import { buildLogOf } from '../../store/build-log-file.ts';
import { LocalStore } from '../../store/local-store.ts';
import { openStore } from '../../store/open.ts';
import { isBinaryCacheUri } from '../../store/store-uri.ts';
import { isDerivationPath } from '../../store/store-path.ts';
import type { StorePath } from '../../store/store.ts';
import { toBuffer, utf8 } from '../../util/bytes.ts';
import { NixError, StoreError, UsageError } from '../../util/errors.ts';
import type { Config } from '../config.ts';
import { COMMON_FLAGS, flag, parseFlags, type Flag, type ParsedFlags } from '../flags.ts';
import { findInstallables, INSTALLABLE_FLAGS, type Installable } from '../installables.ts';
import { print, say } from '../output.ts';
import { openConfiguredStore } from '../session.ts';
import { httpSettings } from '../http.ts';
import { substituterUris } from '../substituters.ts';

export const FLAGS: readonly Flag[] = [...INSTALLABLE_FLAGS, ...COMMON_FLAGS];

export const COPY_LOG_FLAGS: readonly Flag[] = [
  flag('to', 'the store or binary cache that logs go to (default: this store)', { args: ['URI'] }),
  flag('from', 'the store or binary cache that they come from (default: this store)', { args: ['URI'] }),
  ...INSTALLABLE_FLAGS,
  ...COMMON_FLAGS,
];

const warn = (message: string): void => say(`warning: ${message}`);

/** On this machine, perhaps behind a daemon. */
type LoggingStore = LocalStore | DaemonStore;

/** The store that derivations are looked up in; with `--store CACHE` the cache is only asked for logs. */
function openPlaces(config: Config): { readonly store: LoggingStore; readonly cache: string | undefined } {
  const uri = config.isSet('store') ? config.string('store') : '';
  const cache = isBinaryCacheUri(uri) ? uri : undefined;
  const store =
    cache === undefined
      ? openConfiguredStore(config, true)
      : openStore(process.env['NIX_REMOTE'], process.env, { readOnly: true, warn });
  if (store instanceof LocalStore || (store instanceof DaemonStore && store.logDir !== undefined)) {
    return { store, cache };
  }
  throw new StoreError(`store '${store.uri}' keeps no logs`);
}

/** The path to look for: a derivation, or an output whose deriver is known. */
const pathOf = ({ target }: Installable): StorePath => (target.kind === 'path' ? target.path : target.drvPath);

function derivationOf(store: LoggingStore, path: StorePath): StorePath | undefined {
  return isDerivationPath(path) ? path : (store.pathInfo(path)?.deriver ?? undefined);
}

/** Of derivations, outputs, or links (`./result`) to either. */
export async function log(argv: readonly string[], config: Config): Promise<number> {
  const flags = parseFlags(argv, FLAGS, config);
  const { store, cache } = openPlaces(config);
  const sources = new PathSources({ storeDir: store.storeDir, env: process.env, http: httpSettings(config, warn) });
  try {
    for (const path of (await named(store, flags, config)).map(pathOf)) {
      let text = cache === undefined ? buildLogOf(store, path) : undefined;
      const known = derivationOf(store, path);
      const uris = cache === undefined ? substituterUris(config, store.storeDir, false) : [cache];
      text ??= await logFromAny(sources, uris, path, known, cache !== undefined);
      if (text === undefined) throw new StoreError(`build log of '${path}' is not available`);
      print(text);
    }
    return 0;
  } finally {
    sources.close();
    await store.close();
  }
}

/** Without arguments there is nothing that could be meant. @throws UsageError */
async function named(store: LoggingStore, flags: ParsedFlags, config: Config): Promise<Installable[]> {
  if (
    !config.nixCommand &&
    flags.positionals.length === 0 &&
    !['expr', 'file', 'attr', 'stdin'].some((name) => flags.has(name))
  ) {
    throw new UsageError('name a derivation, an output, or a link to one');
  }
  // `DRV!out`, as older commands write it.
  const words = flags.has('stdin') ? {} : { words: flags.positionals.map((word) => word.replace(/!([^/]*)$/, '')) };
  return await findInstallables(store, { flags, config, ...words });
}

/** A substituter that can't be asked has no log; a cache that was `named` must answer. */
async function logFromAny(
  sources: PathSources,
  uris: readonly string[],
  path: StorePath,
  known: StorePath | undefined,
  named: boolean,
): Promise<string | undefined> {
  for (const uri of uris) {
    try {
      const source = await sources.open(utf8(uri));
      // Who has the output may know what made it.
      const drvPath = known ?? (await source.narInfo(path))?.deriver ?? undefined;
      const text = drvPath === undefined ? undefined : await source.buildLog(drvPath);
      if (text !== undefined) return text;
    } catch (error) {
      if (named || !(error instanceof NixError)) throw error;
      warn(error.message);
    }
  }
  return undefined;
}

export async function storeCopyLog(argv: readonly string[], config: Config): Promise<number> {
  const flags = parseFlags(argv, COPY_LOG_FLAGS, config);
  const [to, from] = [flags.get('to'), flags.get('from')];
  if (to === undefined && from === undefined) throw new UsageError("you must pass '--from' and/or '--to'");
  const { store } = openPlaces(config);
  const sources = new PathSources({ storeDir: store.storeDir, env: process.env, http: httpSettings(config, warn) });
  try {
    const write = await logWriter(sources, to, store);
    const source = from === undefined ? undefined : await sources.open(utf8(from));
    for (const path of (await named(store, flags, config)).map(pathOf)) {
      const drvPath = derivationOf(store, path);
      const text = drvPath === undefined ? undefined : await (source?.buildLog(drvPath) ?? buildLogOf(store, drvPath));
      if (drvPath === undefined || text === undefined) throw new StoreError(`build log for '${path}' is not available`);
      await write(drvPath, text);
    }
    return 0;
  } finally {
    sources.close();
    await store.close();
  }
}

type WriteLog = (drvPath: StorePath, text: string) => Promise<void>;

/** @throws StoreError */
async function logWriter(sources: PathSources, to: string | undefined, store: LoggingStore): Promise<WriteLog> {
  if (to !== undefined && isBinaryCacheUri(to)) {
    const writer = await sources.openWriter(utf8(to));
    return (drvPath, text) => writer.writeBuildLog(drvPath, text);
  }
  const destination = to === undefined ? store : openStore(utf8(to), process.env, { warn });
  if (!(destination instanceof LocalStore)) throw new StoreError(`store '${destination.uri}' takes no logs`);
  return async (drvPath, text) => {
    if (buildLogOf(destination, drvPath) !== undefined) return;
    const file = new LogFile(destination.logDir, drvPath);
    file.write(toBuffer(text));
    await file.close(true);
  };
}
