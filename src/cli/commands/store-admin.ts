// `tsnix store gc|delete|optimise|verify|repair|info|add…|prefetch-file|path-from-hash-part|make-content-addressed`.
import { readFileSync } from 'node:fs';
import { DaemonStore } from '../../store/daemon/daemon-store.ts';
import { ServeStore } from '../../store/daemon/serve-store.ts';
import type { QueriedStore } from '../../store/queried-store.ts';
import { collectGarbage, deletable, type GcResult } from '../../store/gc.ts';
import { parseHash, parseHashAlgorithm, printHash } from '../../store/hash.ts';
import { computeAddPath, DummyStore } from '../../store/dummy-store.ts';
import { computeClosure, requirePathInfo } from '../../store/query.ts';
import { isDerivationPath } from '../../store/store-path.ts';
import type { StorePath } from '../../store/store.ts';
import { fsPath, utf8 } from '../../util/bytes.ts';
import { NixError, StoreError, UsageError } from '../../util/errors.ts';
import { collect, collectable } from '../collect.ts';
import type { Config } from '../config.ts';
import { BUILD_FLAGS, COMMON_FLAGS, flag, parseFlags, type Flag } from '../flags.ts';
import { absolutePath } from '../hash-objects.ts';
import { openLocalStore, STORE_PATHS_FLAGS, storePathsOf } from '../installables.ts';
import { parseByteCount, printFreed } from '../legacy/nix-store/collect.ts';
import { checkPathContents, optimiseStore } from '../legacy/nix-store/maintain.ts';
import { print, say } from '../output.ts';
import { httpSettings } from '../http.ts';
import { prefetch } from '../prefetch.ts';
import { JSON_FLAGS, printJson } from '../print-json.ts';
import { openConfiguredStore } from '../session.ts';
import { trustedKeys } from '../substituters.ts';
import { parseMode } from './hash.ts';

const STORE_FLAG = flag('store', 'the store to use', { args: ['URI'] });

function noPositionals(words: readonly string[]): void {
  if (words[0] !== undefined) throw new UsageError(`unexpected argument '${utf8(words[0])}'`);
}

export const GC_FLAGS: readonly Flag[] = [
  flag('dry-run', 'only say what would be done'),
  flag('max', 'stop after so many bytes (K, M, G, T)', { args: ['N'] }),
  STORE_FLAG,
  ...COMMON_FLAGS,
];

export async function storeGc(argv: readonly string[], config: Config): Promise<number> {
  const flags = parseFlags(argv, GC_FLAGS, config);
  noPositionals(flags.positionals);
  const dryRun = flags.has('dry-run');
  const max = flags.get('max');
  if (max !== undefined && dryRun) throw new UsageError('options --max and --dry-run cannot be combined');
  const maxFreedBytes = max === undefined ? undefined : parseByteCount(utf8(max));
  const store = openConfiguredStore(config, false);
  try {
    const result = collect(collectable(store), config, {
      action: dryRun ? 'dead' : 'delete',
      ...(maxFreedBytes === undefined ? {} : { maxFreedBytes }),
    });
    if (dryRun) print(`${String(result.paths.length)} store paths would be deleted\n`);
    else printFreed(result);
    return 0;
  } finally {
    await store.close();
  }
}

export const DELETE_FLAGS: readonly Flag[] = [
  ...STORE_PATHS_FLAGS,
  flag('ignore-liveness', 'whatever the roots say'),
  flag('skip-alive', 'leave out what is still alive', { aliases: ['skip-live'] }),
  flag('also-referrers', 'delete what refers to the paths, too'),
  ...COMMON_FLAGS,
];

export async function storeDelete(argv: readonly string[], config: Config): Promise<number> {
  const flags = parseFlags(argv, DELETE_FLAGS, config);
  const store = openLocalStore(config, false);
  let result: Pick<GcResult, 'paths' | 'bytesFreed'> = { paths: [], bytesFreed: 0 };
  try {
    let paths = await storePathsOf(store, { flags, config });
    if (flags.has('also-referrers')) paths = [...computeClosure(store, paths, { flip: true })];
    const ignoreLiveness = flags.has('ignore-liveness');
    if (flags.has('skip-alive')) paths = deletable(store, paths, { ignoreLiveness });
    try {
      if (paths.length > 0) result = collectGarbage(store, { action: 'delete', paths, ignoreLiveness, log: say });
    } finally {
      printFreed(result);
    }
    return 0;
  } finally {
    await store.close();
  }
}

export const PLAIN_FLAGS: readonly Flag[] = [STORE_FLAG, ...COMMON_FLAGS];

export async function storeOptimise(argv: readonly string[], config: Config): Promise<number> {
  noPositionals(parseFlags(argv, PLAIN_FLAGS, config).positionals);
  const store = openLocalStore(config, false);
  try {
    optimiseStore(store);
    return 0;
  } finally {
    await store.close();
  }
}

export const VERIFY_FLAGS: readonly Flag[] = [
  ...STORE_PATHS_FLAGS,
  flag('no-contents', 'do not read the files'),
  flag('no-trust', 'do not look at signatures'),
  flag('sigs-needed', 'ask for N signatures', { short: 'n', args: ['N'] }),
  ...COMMON_FLAGS,
];

export async function storeVerify(argv: readonly string[], config: Config): Promise<number> {
  const flags = parseFlags(argv, VERIFY_FLAGS, config);
  const needed = Number(flags.get('sigs-needed') ?? 0);
  if (!Number.isSafeInteger(needed) || needed < 0) throw new UsageError("'--sigs-needed' wants a number");
  const { countTrustedSignatures, isContentAddressed } = await import('../../store/signatures.ts');
  const keys = await trustedKeys(config);
  const store = openConfiguredStore(config, true);
  let [corrupted, untrusted, failed] = [false, false, false];
  try {
    for (const path of await storePathsOf(store, { flags, config })) {
      try {
        const info = requirePathInfo(store, path);
        if (!flags.has('no-contents') && !checkPathContents(store, path)) corrupted = true;
        if (flags.has('no-trust')) continue;
        const trusted =
          (info.ultimate && needed === 0) ||
          isContentAddressed(info, store.storeDir) ||
          countTrustedSignatures(info, keys) >= Math.max(1, needed);
        if (trusted) continue;
        say(`path '${path}' is untrusted`);
        untrusted = true;
      } catch (error) {
        if (!(error instanceof NixError)) throw error;
        say(`error: ${error.message}`);
        failed = true;
      }
    }
    return (corrupted ? 1 : 0) | (untrusted ? 2 : 0) | (failed ? 4 : 0);
  } finally {
    await store.close();
  }
}

export const REPAIR_FLAGS: readonly Flag[] = [...STORE_PATHS_FLAGS, ...BUILD_FLAGS, ...COMMON_FLAGS];

export async function storeRepair(argv: readonly string[], config: Config): Promise<number> {
  const flags = parseFlags(argv, REPAIR_FLAGS, config);
  const { repairStorePath } = await import('../repair.ts');
  const store = openLocalStore(config, false);
  try {
    for (const path of await storePathsOf(store, { flags, config })) {
      await repairStorePath(store, path, { config, parsed: flags });
    }
    return 0;
  } finally {
    await store.close();
  }
}

/** What a store says of itself, once it was reached. @throws StoreError */
export function describeStore(store: QueriedStore): {
  readonly version: string;
  readonly trusted: boolean | undefined;
} {
  if (store instanceof DaemonStore) return { version: store.daemonVersion, trusted: store.trustsUs };
  if (!(store instanceof ServeStore)) return { version: '', trusted: true };
  store.open();
  return { version: '', trusted: undefined }; // its protocol has no notion of it
}

export const INFO_FLAGS: readonly Flag[] = [...JSON_FLAGS, STORE_FLAG, ...COMMON_FLAGS];

export async function storeInfo(argv: readonly string[], config: Config): Promise<number> {
  const flags = parseFlags(argv, INFO_FLAGS, config);
  noPositionals(flags.positionals);
  const store = openConfiguredStore(config, true);
  try {
    const { version, trusted } = describeStore(store);
    if (flags.has('json')) {
      const more = { ...(trusted === undefined ? {} : { trusted }), ...(version === '' ? {} : { version }) };
      printJson({ url: store.uri, ...more }, flags);
    } else {
      say(`Store URL: ${store.uri}`);
      if (version !== '') say(`Version: ${version}`);
      if (trusted !== undefined) say(`Trusted: ${trusted ? '1' : '0'}`);
    }
    return 0;
  } finally {
    await store.close();
  }
}

const ADD_COMMON: readonly Flag[] = [
  flag('name', 'name of the store path (default: that of the file)', { short: 'n', args: ['NAME'] }),
  flag('dry-run', 'only print the path'),
  flag('mode', 'nar (the default), flat, text or git', { args: ['MODE'] }),
  flag('hash-algo', 'blake3, md5, sha1, sha256 (the default) or sha512', { args: ['ALGORITHM'] }),
  STORE_FLAG,
  ...COMMON_FLAGS,
];
export const ADD_FLAGS = ADD_COMMON;

function adding(defaultMethod: 'nar' | 'flat') {
  return async (argv: readonly string[], config: Config): Promise<number> => {
    const flags = parseFlags(argv, ADD_FLAGS, config);
    const [word] = flags.positionals;
    if (word === undefined) throw new UsageError('name a file');
    noPositionals(flags.positionals.slice(1));
    const file = absolutePath(utf8(word));
    const mode = flags.get('mode');
    const name = utf8(flags.get('name') ?? '') || file.slice(file.lastIndexOf('/') + 1);
    const algorithm = parseHashAlgorithm(utf8(flags.get('hash-algo') ?? 'sha256'));
    const dryRun = flags.has('dry-run');
    const store = openConfiguredStore(config, dryRun);
    const add = (): StorePath => {
      if (mode === 'text') {
        const contents = readFileSync(fsPath(file));
        return (dryRun ? new DummyStore(store.storeDir) : store).addText(name, contents, []);
      }
      const options = {
        name,
        method: mode === undefined ? defaultMethod : parseMode(utf8(mode), config),
        algorithm,
      };
      return dryRun ? computeAddPath(file, options, store.storeDir) : store.addPath(file, options);
    };
    try {
      const path = add();
      if (!dryRun) store.flush();
      print(`${path}\n`);
      return 0;
    } finally {
      await store.close();
    }
  };
}

export const storeAdd = adding('nar');
export const storeAddFile = adding('flat');

export const PREFETCH_FLAGS: readonly Flag[] = [
  flag('name', 'name of the store path (default: the last part of the URL)', { args: ['NAME'] }),
  flag('expected-hash', 'fail where the file has another hash', { args: ['HASH'] }),
  flag('hash-type', 'blake3, md5, sha1, sha256 (the default) or sha512', { args: ['ALGORITHM'] }),
  flag('executable', 'make the file executable; the hash is its NAR hash'),
  flag('unpack', 'unpack the archive; the hash is the NAR hash of the tree'),
  ...JSON_FLAGS,
  STORE_FLAG,
  ...COMMON_FLAGS,
];

export async function storePrefetchFile(argv: readonly string[], config: Config): Promise<number> {
  const flags = parseFlags(argv, PREFETCH_FLAGS, config);
  const [url] = flags.positionals.map(utf8);
  if (url === undefined) throw new UsageError('name a URL');
  noPositionals(flags.positionals.slice(1));
  const algorithm = parseHashAlgorithm(utf8(flags.get('hash-type') ?? 'sha256'));
  const expected = flags.get('expected-hash');
  const store = openConfiguredStore(config, false);
  try {
    const request = {
      url,
      algorithm,
      executable: flags.has('executable'),
      unpack: flags.has('unpack'),
      ...(flags.get('name') === undefined ? {} : { name: utf8(flags.get('name')!) }),
      ...(expected === undefined ? {} : { expected: parseHash(utf8(expected), algorithm) }),
    };
    const { path, hash } = prefetch(store, request, httpSettings(config));
    const sri = printHash(hash, 'sri');
    if (flags.has('json')) printJson({ storePath: path, hash: sri }, flags);
    else say(`Downloaded '${url}' to '${path}' (hash '${sri}').`);
    return 0;
  } finally {
    await store.close();
  }
}

export async function storePathFromHashPart(argv: readonly string[], config: Config): Promise<number> {
  const flags = parseFlags(argv, PLAIN_FLAGS, config);
  const [part] = flags.positionals.map(utf8);
  if (part === undefined) throw new UsageError('name a hash part');
  const store = openConfiguredStore(config, true);
  try {
    const path = store.pathFromHashPart(part);
    if (path === undefined) throw new StoreError(`there is no store path corresponding to '${part}'`);
    print(`${path}\n`);
    return 0;
  } finally {
    await store.close();
  }
}

export const CONTENT_ADDRESS_FLAGS: readonly Flag[] = [
  ...STORE_PATHS_FLAGS,
  ...BUILD_FLAGS,
  ...JSON_FLAGS,
  ...COMMON_FLAGS,
];

export async function storeMakeContentAddressed(argv: readonly string[], config: Config): Promise<number> {
  const flags = parseFlags(argv, CONTENT_ADDRESS_FLAGS, config);
  const { makeContentAddressed } = await import('../../build/make-content-addressed.ts');
  const store = openLocalStore(config, false);
  try {
    const paths = await storePathsOf(store, { flags, config });
    const drv = paths.find(isDerivationPath);
    if (drv !== undefined) throw new StoreError(`derivation '${drv}' cannot be rewritten`);
    const rewritten = makeContentAddressed(store, paths, (from, to) => {
      say(`rewriting '${from}' to '${to}'`);
    });
    if (flags.has('json')) {
      printJson({ rewrites: new Map(paths.map((path) => [path, rewritten.get(path)!])) }, flags);
    } else for (const path of paths) say(`rewrote '${path}' to '${rewritten.get(path)!}'`);
    return 0;
  } finally {
    await store.close();
  }
}
