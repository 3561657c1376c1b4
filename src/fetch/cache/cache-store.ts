// A binary cache as the store of a command (`--store file:///DIR`, `--store https://HOST`). Commands ask their store
// synchronously, and a cache answers over the network: a process of our own (cache-child.ts) has it open, and speaks
// the worker protocol.
import { Channel } from '../../store/daemon/channel.ts';
import { DaemonStore, defaultDaemonSettings } from '../../store/daemon/daemon-store.ts';
import { operation } from '../../store/daemon/operations.ts';
import { parseRealisation, type Realisation } from '../../store/realisation.ts';
import { topologicalSort } from '../../store/references.ts';
import type { StorePath } from '../../store/store.ts';
import { wireText } from '../../store/wire-input.ts';
import { fromUtf8, utf8 } from '../../util/bytes.ts';
import { programFile } from '../../util/program-files.ts';
import type { DownloadSettings } from '../http-settings.ts';
import type { DiskCacheTimes } from './disk-cache.ts';

/** What the process is told first. */
export interface CacheChildRequest {
  /** With parameters. */
  readonly uri: string;
  readonly storeDir: string;
  readonly settings: DownloadSettings;
  readonly diskCache: { readonly file: string; readonly times: DiskCacheTimes };
}

export interface CacheStoreOptions extends Omit<CacheChildRequest, 'uri'> {
  /** Byte strings; with parameters. */
  readonly uri: string;
  readonly message: (text: string) => void;
}

export class CacheStore extends DaemonStore {
  constructor({ uri, storeDir, settings, diskCache, message }: CacheStoreOptions) {
    const request: CacheChildRequest = { uri: fromUtf8(uri), storeDir: fromUtf8(storeDir), settings, diskCache };
    super({
      uri,
      storeDir,
      realStoreDir: undefined,
      connect: () => {
        const channel = Channel.command(process.execPath, [
          '--no-warnings',
          programFile('src/fetch/cache/cache-child.ts'),
        ]);
        channel.peer = `binary cache '${uri}'`;
        channel.write(wireText(utf8(JSON.stringify(request))));
        return channel;
      },
      settings: defaultDaemonSettings,
      message,
    });
  }

  /** A folder is its owner's; who may write to a server is not known. */
  override get trustsUs(): boolean | undefined {
    this.referenceGraph([]); // there is a cache
    return this.uri.startsWith('file:') ? true : undefined;
  }

  /** All of a closure in one question: the process asks for many paths at a time. */
  referenceGraph(paths: readonly StorePath[]): Map<StorePath, StorePath[]> {
    const from = this.ask(operation.queryReferenceGraph, (to) => {
      to.strings(paths);
    });
    const graph = new Map<StorePath, StorePath[]>();
    for (let count = from.readNumber(); count > 0; count--)
      graph.set(this.parse(from.readString()), this.readPaths(from));
    return graph;
  }

  buildTrace(drvPath: StorePath, output: string): Realisation | undefined {
    const from = this.ask(operation.queryBuildTrace, (to) => {
      to.string(drvPath);
      to.string(output);
    });
    const text = from.readString();
    return text === '' ? undefined : parseRealisation(text, { drvPath, output }, this.uri, this.storeDir);
  }

  override realisation(drvPath: StorePath, output: string): StorePath | undefined {
    return this.buildTrace(drvPath, output)?.outPath;
  }

  override closure(paths: readonly StorePath[]): StorePath[] {
    const graph = this.referenceGraph(paths);
    return topologicalSort(paths, (path) => graph.get(path)!, true);
  }
}
