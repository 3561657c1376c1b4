// `tsnix copy`: paths with their closures between this store, other stores and binary caches.
import { followLinksToStorePath } from '../../store/follow-links.ts';
import { DaemonStore } from '../../store/daemon/daemon-store.ts';
import { LocalStore } from '../../store/local-store.ts';
import type { NarInfo } from '../../store/narinfo.ts';
import type { Realisation } from '../../store/realisation.ts';
import { sortPaths } from '../../store/query.ts';
import { isTrusted } from '../../store/signatures.ts';
import { isDerivationPath } from '../../store/store-path.ts';
import { isBinaryCacheUri } from '../../store/store-uri.ts';
import type { StorePath } from '../../store/store.ts';
import type { QueriedStore } from '../../store/queried-store.ts';
import { ServeStore } from '../../store/daemon/serve-store.ts';
import { CacheStore } from '../../fetch/cache/cache-store.ts';
import type { CacheWriter } from '../../fetch/cache/cache-writer.ts';
import { CacheList } from '../../fetch/cache/cache-list.ts';
import { closureOf, copyToCache } from '../../fetch/cache/copy.ts';
import { PathSources } from '../../fetch/cache/open.ts';
import { StoreSource, type PathSource } from '../../fetch/cache/path-source.ts';
import { CacheSubstituter } from '../../fetch/cache/substituter.ts';
import { utf8 } from '../../util/bytes.ts';
import { StoreError, UsageError } from '../../util/errors.ts';
import type { Config } from '../config.ts';
import { COMMON_FLAGS, flag, parseFlags, type Flag, type ParsedFlags } from '../flags.ts';
import { findInstallables, INSTALLABLE_FLAGS, pathsOf } from '../installables.ts';
import { CopyActivities, type CopyPlaces } from '../log/copy-activities.ts';
import { showActivities } from '../log/formats.ts';
import { say } from '../output.ts';
import { realisePathsOf } from '../realise-installables.ts';
import { openConfiguredStore, openStoreAt } from '../session.ts';
import { httpSettings } from '../http.ts';
import { makeSubstituter, trustedKeys } from '../substituters.ts';
import { requireTrust, TracedStore } from '../traced-store.ts';

export const FLAGS: readonly Flag[] = [
  flag('to', 'the store or binary cache that paths go to (default: this store)', { args: ['URI'] }),
  flag('from', 'the store or binary cache that they come from (default: this store)', { args: ['URI'] }),
  flag('all', 'every path of the store'),
  flag('recursive', 'with all that they refer to (the default)', { short: 'r', negatable: true }),
  flag('substitute-on-destination', "fetch what the destination's caches have", { short: 's' }),
  flag('no-check-sigs', 'take paths in that no trusted key has signed'),
  ...INSTALLABLE_FLAGS,
  ...COMMON_FLAGS,
];

const warn = (message: string): void => say(`warning: ${message}`);

export async function copy(argv: readonly string[], config: Config): Promise<number> {
  const flags = parseFlags(argv, FLAGS, config);
  const to = flags.get('to');
  const from = flags.get('from');
  if (to === undefined && from === undefined) {
    throw new UsageError("you must pass '--from' and/or '--to'");
  }
  const store = openConfiguredStore(config, to !== undefined);
  const sources = new PathSources({ storeDir: store.storeDir, env: process.env, http: httpSettings(config, warn) });
  try {
    const source = await openSource(sources, store, from);
    const { paths, realisations } = await namedPaths(flags, config, store, from);
    const infos = await closureOf(source, paths, !flags.isOff('recursive'));
    const copyToCacheAt = async (uri: string): Promise<void> => {
      const writer = await sources.openWriter(uri);
      await copyTo(writer, source, infos, config);
      for (const realisation of realisations) await writer.writeRealisation(realisation);
    };
    if (to !== undefined && isBinaryCacheUri(to)) {
      await copyToCacheAt(utf8(to));
      return 0;
    }
    const destination = to === undefined ? store : openStoreAt(to, config, false);
    try {
      if (destination instanceof CacheStore) await copyToCacheAt(destination.uri);
      else await copyToStore(source, infos, destination, flags, config);
      if (destination instanceof LocalStore && realisations.length > 0) {
        if (checksSignatures(source, flags, config)) requireTrust(realisations, await trustedKeys(config));
        destination.registerRealisations(realisations);
      }
    } finally {
      if (destination !== store) await destination.close();
    }
    return 0;
  } finally {
    sources.close();
    await store.close();
  }
}

/** @param from undefined: this store */
async function openSource(sources: PathSources, store: QueriedStore, from: string | undefined): Promise<PathSource> {
  if (from !== undefined) return await sources.open(utf8(from));
  return store instanceof CacheStore ? await sources.open(store.uri) : new StoreSource(store, { trusted: false });
}

async function copyTo(
  writer: CacheWriter,
  source: PathSource,
  infos: readonly NarInfo[],
  config: Config,
): Promise<void> {
  const places = { source: source.uri, destination: writer.uri, named: 'to' } as const;
  await reporting(config, places, (report) => copyToCache(source, infos, writer, report));
}

/** Shows what is copied while `work` goes on. */
async function reporting(
  config: Config,
  places: CopyPlaces,
  work: (report: CopyActivities) => Promise<void>,
): Promise<void> {
  const shown = showActivities({ config, logs: false, plain: false, quiet: false, hidden: false });
  const report = new CopyActivities(shown.log, places);
  try {
    await work(report);
  } finally {
    report.end();
    shown.end();
  }
}

function checksSignatures(source: PathSource, flags: ParsedFlags, config: Config): boolean {
  return !flags.has('no-check-sigs') && config.bool('require-sigs') && !source.trusted;
}

interface Named {
  readonly paths: readonly StorePath[];
  /** What said which paths they are, of outputs that are content-addressed. */
  readonly realisations: readonly Realisation[];
}

/** @param from where they come from; undefined: this store */
async function namedPaths(
  flags: ParsedFlags,
  config: Config,
  store: QueriedStore,
  from: string | undefined,
): Promise<Named> {
  const other = from === undefined ? store : openStoreAt(from, config, true);
  try {
    return await namedIn(other, flags, config, store, from);
  } finally {
    if (other !== store) await other.close();
  }
}

async function namedIn(
  source: QueriedStore,
  flags: ParsedFlags,
  config: Config,
  store: QueriedStore,
  from: string | undefined,
): Promise<Named> {
  const plain = (paths: readonly StorePath[]): Named => ({ paths, realisations: [] });
  if (flags.has('all')) {
    if (flags.positionals.length > 0) throw new UsageError("'--all' does not expect arguments");
    return plain(sortPaths(source, source.validPaths()));
  }
  const byName = (): StorePath[] =>
    flags.positionals.map((word) => followLinksToStorePath(store, utf8(word), utf8(process.cwd())));
  if (!(store instanceof LocalStore)) {
    if (flags.positionals.length === 0) throw new UsageError('name the store paths to copy, or links to them');
    return plain(byName());
  }
  if (flags.has('derivation') && from !== undefined && byName().some((path) => !isDerivationPath(path))) {
    throw new UsageError("'--derivation' wants a store on this machine to copy from");
  }
  const installables = await findInstallables(store, { flags, config });
  if (from === undefined) await realisePathsOf(installables, { flags, config });
  const traced = new TracedStore(store, source);
  const paths = installables.flatMap((installable) => pathsOf(traced, installable, flags.has('derivation')));
  return { paths, realisations: config.experimentalFeatures.has('ca-derivations') ? traced.asked : [] };
}

async function copyToStore(
  source: PathSource,
  infos: readonly NarInfo[],
  destination: QueriedStore,
  flags: ParsedFlags,
  config: Config,
): Promise<void> {
  if (destination instanceof DaemonStore || destination instanceof ServeStore) {
    await copyToRemote(source, infos, destination, { flags, config });
    return;
  }
  if (!(destination instanceof LocalStore)) throw new StoreError(`cannot copy paths to the store '${destination.uri}'`);
  const said = { warn, error: (message: string): void => say(`error: ${message}`) };
  if (flags.has('substitute-on-destination')) {
    const substituter = makeSubstituter({ config, store: destination, observer: said });
    try {
      for (const { path } of infos) await substituter?.substitute(path);
    } finally {
      await substituter?.close();
    }
  }
  const missing = infos.filter(({ path }) => !destination.isValidPath(path));
  if (checksSignatures(source, flags, config)) {
    const keys = await trustedKeys(config);
    for (const info of missing) {
      if (isTrusted(info, keys, destination.storeDir)) continue;
      throw new StoreError(`cannot add path '${info.path}' because it lacks a signature by a trusted key`);
    }
  }
  // What ends the command is told by that; the rest here.
  const told: string[] = [];
  const entry = { uri: source.uri, byDefault: false, open: () => Promise.resolve(source) };
  const places = { source: source.uri, destination: destination.uri, named: 'from' } as const;
  await reporting(config, places, async (report) => {
    report.missing(missing);
    const substituter = new CacheSubstituter({
      store: destination,
      caches: new CacheList([entry], { warn }),
      // Looked at above, where a missing one is an error.
      requireSignatures: false,
      trustedKeys: new Map(),
      jobs: config.int('max-substitution-jobs'),
      fallback: false,
      observer: {
        warn,
        error: (message) => told.push(message),
        copying: (path, uri, size) => report.copying(path, uri, size),
      },
    });
    try {
      const done = await Promise.all(missing.map(({ path }) => substituter.substitute(path)));
      const lost = missing.find((_, i) => !done[i]);
      if (lost !== undefined) throw new StoreError(`path '${lost.path}' could not be copied`);
    } catch (error) {
      for (const message of told) if (!(error instanceof Error && error.message === message)) said.error(message);
      throw error;
    } finally {
      await substituter.close();
    }
  });
}

async function copyToRemote(
  source: PathSource,
  infos: readonly NarInfo[],
  destination: DaemonStore | ServeStore,
  { flags, config }: { readonly flags: ParsedFlags; readonly config: Config },
): Promise<void> {
  const valid = destination.queryValidPaths(
    infos.map(({ path }) => path),
    flags.has('substitute-on-destination'),
  );
  const missing = infos.filter(({ path }) => !valid.has(path));
  const places = { source: source.uri, destination: destination.uri, named: 'to' } as const;
  await reporting(config, places, async (report) => {
    report.missing(missing);
    for (const info of missing) {
      await destination.addNar(info, report.sending(info, source.nar(info)), !flags.has('no-check-sigs'));
      report.sent(info.path);
    }
  });
}
