// `nix-copy-closure`: the drop-in. Paths with all that they refer to, to or from a machine that has Nix and ssh.
import { ServeConnection } from '../../store/daemon/serve-connection.ts';
import { followLinksToStorePath } from '../../store/follow-links.ts';
import { computeClosure, requirePathInfo, sortPaths } from '../../store/query.ts';
import { topologicalSort } from '../../store/references.ts';
import { sshConnector } from '../../store/ssh.ts';
import type { LocalStore } from '../../store/local-store.ts';
import type { StorePath } from '../../store/store.ts';
import { utf8 } from '../../util/bytes.ts';
import { StoreError, UsageError } from '../../util/errors.ts';
import type { Config } from '../config.ts';
import { COMMON_FLAGS, flag, parseFlags, type Flag } from '../flags.ts';
import { openLocalStore } from '../installables.ts';
import { say } from '../output.ts';

export const FLAGS: readonly Flag[] = [
  flag('to', 'copy to the host (the default)'),
  flag('from', 'copy from the host'),
  flag('gzip', 'compress what goes over the line', { aliases: ['bzip2', 'xz'] }),
  flag('include-outputs', 'outputs of derivations too'),
  flag('use-substitutes', 'let the destination fetch what its caches have', { short: 's' }),
  flag('show-progress', 'does nothing'),
  flag('dry-run', 'only say what would be copied'),
  flag('store', 'this store', { args: ['URI'] }),
  ...COMMON_FLAGS,
];

interface Copying {
  readonly store: LocalStore;
  readonly peer: ServeConnection;
  readonly paths: readonly StorePath[];
  readonly includeOutputs: boolean;
  readonly substitute: boolean;
  readonly dryRun: boolean;
}

export async function nixCopyClosure(argv: readonly string[], config: Config): Promise<number> {
  let to = true;
  const flags = parseFlags(argv, FLAGS, config, (name) => {
    if (name === 'to' || name === 'from') to = name === 'to';
  });
  const [host, ...words] = flags.positionals.map(utf8);
  if (host === undefined) throw new UsageError('no host name specified');
  const connect = sshConnector(`ssh://${host}`, host, ['nix-store', '--serve', '--write'], {
    env: process.env,
    compress: flags.has('gzip'),
  });
  const store = openLocalStore(config, to);
  let peer: ServeConnection | undefined;
  try {
    const paths = words.map((word) => followLinksToStorePath(store, word, utf8(process.cwd())));
    peer = new ServeConnection(connect(), host, store.storeDir);
    const copying = {
      ...{ store, peer, paths },
      includeOutputs: flags.has('include-outputs'),
      substitute: flags.has('use-substitutes'),
      dryRun: flags.has('dry-run'),
    };
    if (to) copyTo(copying);
    else await copyFrom(copying, config);
    return 0;
  } finally {
    peer?.channel.close();
    await store.close();
  }
}

function announce(missing: readonly StorePath[], dryRun: boolean): void {
  if (missing.length > 0) say(`copying ${String(missing.length)} paths...`);
  if (dryRun) for (const path of missing) say(`  ${path}`);
}

function copyTo({ store, peer, paths, includeOutputs, substitute, dryRun }: Copying): void {
  const closure = sortPaths(store, computeClosure(store, paths, { includeOutputs })).reverse();
  const valid = peer.validPaths(closure, substitute);
  const missing = topologicalSort(
    closure.filter((path) => !valid.has(path)),
    (path) => requirePathInfo(store, path).references,
  );
  announce(missing, dryRun);
  if (dryRun) return;
  for (const path of missing) {
    say(`copying path '${path}' to 'ssh://${peer.host}'...`);
    peer.addNar({ ...requirePathInfo(store, path), ultimate: false }, (sink) => {
      store.dumpPath(path, sink);
    });
  }
}

async function copyFrom(
  { store, peer, paths, includeOutputs, substitute, dryRun }: Copying,
  config: Config,
): Promise<void> {
  const closure = peer.closure(paths, includeOutputs);
  if (substitute && !dryRun) await substituteHere(store, closure, config);
  const absent = closure.filter((path) => !store.isValidPath(path));
  const infos = peer.pathInfos(absent);
  const lost = absent.find((path) => !infos.has(path));
  if (lost !== undefined) throw new StoreError(`path '${lost}' is not valid`);
  const missing = topologicalSort(absent, (path) => infos.get(path)!.references);
  announce(missing, dryRun);
  if (dryRun) return;
  for (const path of missing) {
    say(`copying path '${path}' from 'ssh://${peer.host}'...`);
    const incoming = store.incoming();
    try {
      peer.nar(path, (chunk) => {
        incoming.write(chunk);
      });
      incoming.finish(infos.get(path)!);
    } finally {
      incoming.close();
    }
  }
}

async function substituteHere(store: LocalStore, paths: readonly StorePath[], config: Config): Promise<void> {
  const { makeSubstituter } = await import('../substituters.ts');
  const observer = {
    warn: (message: string): void => say(`warning: ${message}`),
    error: (message: string): void => say(`error: ${message}`),
  };
  const substituter = makeSubstituter({ config, store, observer });
  try {
    for (const path of paths) await substituter?.substitute(path);
  } finally {
    await substituter?.close();
  }
}
