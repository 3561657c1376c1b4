// From a store's URI to a store. `auto` is Nix's rule: the store in /nix where it is ours to write, else the daemon
// where one listens, else a chroot store in the home folder.
import { accessSync, constants, existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { NotImplementedError, StoreError } from '../util/errors.ts';
import { fsPath, utf8 } from '../util/bytes.ts';
import { Channel } from './daemon/channel.ts';
import { sshConnector } from './ssh.ts';
import { DaemonStore, defaultDaemonSettings, type DaemonSettings } from './daemon/daemon-store.ts';
import { ServeStore } from './daemon/serve-store.ts';
import { DummyStore } from './dummy-store.ts';
import { LocalStore } from './local-store.ts';
import { canonPath, defaultStoreDir } from './store-path.ts';
import type { QueriedStore } from './queried-store.ts';
import { splitStoreUri } from './store-uri.ts';
import { nixHome } from '../util/user-dirs.ts';

export interface OpenStoreOptions {
  /** Nothing is written, nor made. */
  readonly readOnly?: boolean;
  readonly fsyncMetadata?: boolean;
  readonly autoOptimise?: boolean;
  readonly warn?: (message: string) => void;
  /** What daemons are told of our settings. */
  readonly daemonSettings?: () => DaemonSettings;
  /** What daemons say. */
  readonly daemonMessage?: (text: string) => void;
}

type Env = Readonly<Record<string, string | undefined>>;

function envPath(env: Env, name: string): string | undefined {
  const value = env[name];
  return value === undefined || value === '' ? undefined : canonPath(utf8(value));
}

function absolute(path: string): string {
  return path.startsWith('/') ? canonPath(path) : canonPath(utf8(resolve('.')) + '/' + path);
}

/** Can we write there, or make it if it is not there? */
function isWritable(dir: string): boolean {
  try {
    accessSync(fsPath(dir), constants.R_OK | constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

function openLocal(
  uri: string,
  rootDir: string | undefined,
  params: ReadonlyMap<string, string>,
  env: Env,
  options: OpenStoreOptions,
): LocalStore {
  const path = (name: string): string | undefined => {
    const value = params.get(name);
    return value === undefined || value === '' ? undefined : absolute(value);
  };
  const root = rootDir ?? path('root');
  const storeDir = path('store') ?? envPath(env, 'NIX_STORE_DIR') ?? envPath(env, 'NIX_STORE') ?? defaultStoreDir;
  const stateDir =
    path('state') ??
    (root === undefined ? (envPath(env, 'NIX_STATE_DIR') ?? '/nix/var/nix') : joinRoot(root, '/nix/var/nix'));
  const logDir =
    path('log') ??
    (root === undefined ? (envPath(env, 'NIX_LOG_DIR') ?? '/nix/var/log/nix') : joinRoot(root, '/nix/var/log/nix'));
  const realStoreDir = path('real') ?? (root === undefined ? storeDir : joinRoot(root, '/nix/store'));
  const features = params.get('system-features');
  return new LocalStore({
    uri,
    ...(features === undefined ? {} : { systemFeatures: features.split(/[ +]+/).filter((word) => word !== '') }),
    storeDir,
    realStoreDir,
    stateDir,
    logDir,
    readOnly: (options.readOnly ?? false) || params.get('read-only') === 'true',
    fsyncMetadata: options.fsyncMetadata ?? true,
    autoOptimise: options.autoOptimise ?? false,
    ...(options.warn === undefined ? {} : { warn: options.warn }),
  });
}

function joinRoot(root: string, path: string): string {
  return root === '/' ? path : root + path;
}

/** `~/.local/share/nix/root`, where Nix would have it. */
export function chrootStoreDir(env: Env): string {
  return canonPath(`${utf8(nixHome(env, 'DATA'))}/root`);
}

/** What the rule `auto` looks at. */
export function stateDirOf(env: Env): string {
  return envPath(env, 'NIX_STATE_DIR') ?? '/nix/var/nix';
}

export function daemonSocketPath(env: Env): string {
  return envPath(env, 'NIX_DAEMON_SOCKET_PATH') ?? daemonSocket(stateDirOf(env));
}

const daemonSocket = (stateDir: string): string => `${stateDir}/daemon-socket/socket`;

function openDaemon(
  uri: string,
  socket: string | undefined,
  params: ReadonlyMap<string, string>,
  env: Env,
  options: OpenStoreOptions,
): DaemonStore {
  const stateDir = params.get('state') ?? envPath(env, 'NIX_STATE_DIR') ?? '/nix/var/nix';
  const path = socket ?? envPath(env, 'NIX_DAEMON_SOCKET_PATH') ?? daemonSocket(stateDir);
  const storeDir = params.get('store') ?? envPath(env, 'NIX_STORE_DIR') ?? envPath(env, 'NIX_STORE') ?? defaultStoreDir;
  const root = params.get('root');
  const below = (path: string): string | undefined =>
    root === undefined || root === '' ? undefined : joinRoot(absolute(root), path);
  return new DaemonStore({
    uri,
    storeDir,
    realStoreDir: params.get('real') ?? below('/nix/store') ?? storeDir,
    logDir: params.get('log') ?? below('/nix/var/log/nix') ?? envPath(env, 'NIX_LOG_DIR') ?? '/nix/var/log/nix',
    connect: () => Channel.unix(path),
    settings: options.daemonSettings ?? defaultDaemonSettings,
    message: options.daemonMessage ?? ((): void => undefined),
  });
}

/** `ssh-ng://[USER@]HOST[:PORT]`: `nix-daemon --stdio` there. */
function openSsh(
  uri: string,
  authority: string,
  params: ReadonlyMap<string, string>,
  env: Env,
  options: OpenStoreOptions,
): DaemonStore {
  const words = (params.get('remote-program') ?? 'nix-daemon').split(/[ +]+/).filter((word) => word !== '');
  const remoteStore = params.get('remote-store');
  const command = [...words, '--stdio', ...(remoteStore === undefined ? [] : ['--store', remoteStore])];
  const connect = sshConnector(uri, authority, command, {
    env,
    key: params.get('ssh-key'),
    compress: params.get('compress') === 'true',
  });
  return new DaemonStore({
    uri,
    storeDir: params.get('store') ?? envPath(env, 'NIX_STORE_DIR') ?? defaultStoreDir,
    realStoreDir: undefined,
    connect,
    settings: options.daemonSettings ?? defaultDaemonSettings,
    message: options.daemonMessage ?? ((): void => undefined),
  });
}

/**
 * What starts `nix-store --serve --write` for an `ssh://[USER@]HOST[:PORT]`.
 * @param onError takes what is said on standard error
 * @throws StoreError for what is no host
 */
export function openServe(uri: string, env: Env, onError?: (chunk: Buffer) => void): () => Channel {
  const { base, params } = splitStoreUri(uri);
  const words = (params.get('remote-program') ?? 'nix-store').split(/[ +]+/).filter((word) => word !== '');
  const remoteStore = params.get('remote-store');
  const command = [...words, '--serve', '--write', ...(remoteStore === undefined ? [] : ['--store', remoteStore])];
  return sshConnector(uri, base.slice('ssh://'.length), command, {
    env,
    key: params.get('ssh-key'),
    compress: params.get('compress') === 'true',
    onError,
  });
}

function openAuto(params: ReadonlyMap<string, string>, env: Env, options: OpenStoreOptions): QueriedStore {
  const stateDir = params.get('state') ?? envPath(env, 'NIX_STATE_DIR') ?? '/nix/var/nix';
  const isRoot = process.geteuid?.() === 0;
  if (isRoot || isWritable(stateDir)) return openLocal('local', undefined, params, env, options);
  const socket = envPath(env, 'NIX_DAEMON_SOCKET_PATH') ?? daemonSocket(stateDir);
  if (existsSync(fsPath(socket))) return openDaemon('daemon', socket, params, env, options);
  const told = env['NIX_STORE_DIR'] !== undefined || env['NIX_STATE_DIR'] !== undefined || params.size > 0;
  if (told) return openLocal('local', undefined, params, env, options);
  const root = chrootStoreDir(env);
  if (!existsSync(fsPath(root))) {
    const why = existsSync(fsPath(stateDir)) ? 'is not writable and no daemon listens' : 'does not exist';
    options.warn?.(`'${stateDir}' ${why}, so '${root}' will be used as a chroot store`);
  }
  return openLocal(`local?root=${root}`, root, params, env, options);
}

/**
 * Opens a store: undefined, '' and `auto`; `local`, `local?root=DIR&…` (root, store, state, log, real, read-only);
 * `/DIR` and `./DIR` (chroot stores); `daemon`, `unix://SOCKET`, `ssh-ng://HOST` (Nix daemons); `ssh://HOST`
 * (`nix-store --serve`); `dummy://` (holds nothing). Binary caches are opened elsewhere (src/fetch/cache).
 * @param uri a byte string
 * @throws StoreError for a URI that is none, NotImplementedError for kinds of store to come
 */
export function openStore(uri: string | undefined, env: Env, options: OpenStoreOptions = {}): QueriedStore {
  const { base, params } = splitStoreUri(uri ?? '');
  if (base === '' || base === 'auto') return openAuto(params, env, options);
  if (base === 'local' || base === 'local://') return openLocal(uri!, undefined, params, env, options);
  if (base.startsWith('local://')) {
    const root = absolute(base.slice('local://'.length));
    return openLocal(uri!, root, params, env, options);
  }
  if (base.startsWith('/') || base === '.' || base === '..' || base.startsWith('./') || base.startsWith('../')) {
    const root = absolute(base);
    const query = uri!.slice(base.length + 1);
    return openLocal(`local?${query === '' ? '' : `${query}&`}root=${root}`, root, params, env, options);
  }
  if (base === 'dummy://' || base === 'dummy') {
    return new DummyStore(params.get('store') ?? envPath(env, 'NIX_STORE_DIR') ?? defaultStoreDir);
  }
  if (base === 'daemon' || base === 'unix://') return openDaemon(uri!, undefined, params, env, options);
  if (base.startsWith('unix://')) return openDaemon(uri!, absolute(base.slice('unix://'.length)), params, env, options);
  if (base.startsWith('ssh-ng://')) return openSsh(uri!, base.slice('ssh-ng://'.length), params, env, options);
  if (base.startsWith('ssh://')) {
    return new ServeStore({
      uri: uri!,
      host: base.slice('ssh://'.length),
      storeDir: params.get('store') ?? envPath(env, 'NIX_STORE_DIR') ?? envPath(env, 'NIX_STORE') ?? defaultStoreDir,
      connect: openServe(uri!, env),
    });
  }
  const scheme = /^([a-z0-9+.-]+)(?::\/\/.*)?$/.exec(base)?.[1];
  if (scheme !== undefined && laterKinds.has(scheme)) {
    throw new NotImplementedError(`stores of kind '${scheme}' are not implemented yet (store '${uri!}')`);
  }
  throw new StoreError(`don't know how to open Nix store with URI '${uri!}'`);
}

const laterKinds = new Set(['s3', 'local-overlay']);
