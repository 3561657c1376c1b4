// `nix-daemon`, and `nix daemon`: the store of this machine for clients. With --stdio for the one at the other end of
// standard input and output, which is what `ssh-ng://` starts; else for those that connect to a socket, each by a process
// of its own. Node does not tell who connects, so only the user who started it can: the socket is closed to others.
import { spawn, type ChildProcess } from 'node:child_process';
import { rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname, resolve as absolute } from 'node:path';
import { DaemonServer } from '../../store/daemon/server.ts';
import { WireInput } from '../../store/wire-input.ts';
import { systemErrorText } from '../../store/nar-dump.ts';
import { utf8 } from '../../util/bytes.ts';
import { shortSocketPath } from '../../util/socket-path.ts';
import { StoreError, UsageError } from '../../util/errors.ts';
import { makeDirs } from '../../util/make-dirs.ts';
import type { Config } from '../config.ts';
import { LocalServedStore } from '../daemon/local-served-store.ts';
import { COMMON_FLAGS, flag, parseFlags, type Flag, type ParsedFlags } from '../flags.ts';
import { printBytes, say, setLog, writeMessage } from '../output.ts';
import { selfCommand } from '../self.ts';
import { openConfiguredStore } from '../session.ts';

/** The version of Nix whose behaviour this is. */
const version = '2.36.0';

export const FLAGS: readonly Flag[] = [
  flag('stdio', 'serve one client, on standard input and output'),
  flag('force-trusted', 'trust the client (the default)'),
  flag('force-untrusted', 'do not trust the client'),
  flag('default-trust', 'trust the client'),
  flag('store', 'the store to serve', { args: ['URI'] }),
  ...COMMON_FLAGS,
];

export async function nixDaemon(argv: readonly string[], config: Config): Promise<number> {
  const flags = parseFlags(argv, FLAGS, config);
  if (flags.positionals.length > 0) throw new UsageError(`unexpected argument '${flags.positionals[0]!}'`);
  if (!flags.has('stdio')) return await listen(config, flags);
  const store = openConfiguredStore(config, false);
  try {
    const served = new LocalServedStore({ flags: [], args: [], config, parsed: flags, store });
    const trusted = !flags.has('force-untrusted');
    const server = new DaemonServer({ store: served, input: new WireInput(0), output: printBytes, version, trusted });
    config.logIsFixed = true;
    setLog(server.log(writeMessage));
    await server.run();
    return 0;
  } finally {
    await store.close();
  }
}

/** Serves whoever connects, until a signal ends it. @throws StoreError where the socket cannot be had */
async function listen(config: Config, flags: ParsedFlags): Promise<number> {
  const { env } = process;
  const stateDir = env['NIX_STATE_DIR'] || '/nix/var/nix';
  const socket = env['NIX_DAEMON_SOCKET_PATH'] || `${stateDir}/daemon-socket/socket`;
  const [program, ...args] = [...selfCommand('nix-daemon'), '--stdio', ...config.flagArguments()];
  const store = flags.get('store');
  if (store !== undefined) args.push('--store', store);
  if (flags.has('force-untrusted')) args.push('--force-untrusted');
  const clients = new Set<ChildProcess>();
  const server = createServer({ pauseOnConnect: true }, (client) => {
    const child = spawn(program!, args, { stdio: [client, client, 'inherit'] });
    clients.add(child);
    child.on('error', (error) => say(`error: ${utf8(error.message)}`));
    child.on('close', () => clients.delete(child));
    client.destroy(); // it is the child's now
  });
  try {
    makeDirs(utf8(dirname(absolute(socket))), 0o755);
    rmSync(socket, { force: true });
    const mask = process.umask(0o177);
    try {
      const path = shortSocketPath(absolute(socket));
      await new Promise<void>((resolve, reject) => server.once('error', reject).listen(path, resolve));
    } finally {
      process.umask(mask);
    }
  } catch (error) {
    throw new StoreError(`cannot bind to socket '${utf8(socket)}': ${systemErrorText(error)}`, { cause: error });
  }
  await new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => resolve());
  });
  server.close();
  for (const child of clients) child.kill();
  return 0;
}
