// Remote builders from the setting `builders`: by `ssh-ng://` and other daemons, by `ssh://` (nix-store --serve there), or
// in another store on this machine, which another process of ours serves. Loaded where there are any.
import { join } from 'node:path';
import { DaemonMachine, ServeMachine, type MachineStore } from '../build/remote/machine-store.ts';
import { parseMachines, type Machine } from '../build/remote/machines.ts';
import { RemoteBuilding } from '../build/remote/remote-building.ts';
import { Channel } from '../store/daemon/channel.ts';
import { DaemonStore } from '../store/daemon/daemon-store.ts';
import { ServeConnection } from '../store/daemon/serve-connection.ts';
import { openServe, openStore } from '../store/open.ts';
import { splitStoreUri } from '../store/store-uri.ts';
import { fromBuffer, fromUtf8, utf8 } from '../util/bytes.ts';
import { LineSplitter } from '../util/line-splitter.ts';
import { systemConfDir } from '../util/user-dirs.ts';
import { isThere } from './cache/looks.ts';
import { refuseQuickAnswer } from './cache/quick-answer.ts';
import type { Config } from './config.ts';
import { daemonSettings } from './daemon-settings.ts';
import { selfCommand } from './self.ts';

/** Machines that the settings name; the file `machines` beside nix.conf where they name none. @throws StoreError */
export function buildMachines(config: Config): Machine[] {
  const file = join(systemConfDir(process.env), 'machines');
  const text = config.isSet('builders') ? config.string('builders') : isThere(file) ? `@${file}` : '';
  if (text.includes('@')) refuseQuickAnswer('a file of machines is read');
  return parseMachines(utf8(text), config.system);
}

export function remoteBuilding(config: Config, machines: readonly Machine[], storeDir: string): RemoteBuilding {
  const settings = {
    maxSilentTime: config.int('max-silent-time'),
    timeout: config.int('timeout'),
    maxLogSize: config.int('max-build-log-size'),
    keepFailed: config.bool('keep-failed'),
  };
  const serve = (channel: Channel, host: string, signal: AbortSignal): MachineStore =>
    new ServeMachine(new ServeConnection(channel, host, storeDir), settings, signal);
  return new RemoteBuilding({
    machines,
    useSubstitutes: config.bool('builders-use-substitutes'),
    open: ({ uri }, signal, told) => {
      const { onLine } = told;
      const { base } = splitStoreUri(uri);
      const lines = new LineSplitter();
      const onError = (chunk: Buffer): void => lines.push(fromBuffer(chunk)).forEach((line) => onLine(line));
      if (base.startsWith('ssh://')) {
        return serve(openServe(uri, process.env, onError)(), base.slice('ssh://'.length), signal);
      }
      if (base.startsWith('ssh-ng://') || base.startsWith('unix://') || base === 'daemon') {
        const store = openStore(uri, process.env, {
          daemonSettings: () => daemonSettings(config),
          daemonMessage: onLine,
        });
        if (store instanceof DaemonStore) return new DaemonMachine(store, signal, told);
      }
      const [program, ...args] = [...selfCommand('tsnix'), 'nix-store', '--serve', '--write', '--store', fromUtf8(uri)];
      // The other store has settings of its own, but for those that this command line gives.
      const more = [...config.flagArguments(), '--builders', ''];
      return serve(Channel.command(program, [...args, ...more], onError), uri, signal);
    },
  });
}
