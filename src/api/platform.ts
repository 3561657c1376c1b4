// What the library asks of the machine that it runs on: Node. The browser's bundle has src/browser/platform.ts here.
import { join } from 'node:path';
import { NodeEvalIo } from '../eval/node-io.ts';
import { openStore } from '../store/open.ts';
import { LocalStore } from '../store/local-store.ts';
import { LimitError } from '../util/errors.ts';
import { hasHeapRoom, isHeapAbove } from '../util/heap-room.ts';
import { packageRoot } from '../util/program-files.ts';
import { utf8 } from '../util/bytes.ts';
import type { MachineIo, MachineOptions } from './machine.ts';

/** The machine's files, and a store where one is asked for. @throws StoreError */
export function machineIo({ store: uri, restrict, ...rest }: MachineOptions): MachineIo {
  const options = { ...rest, ...(restrict === undefined ? {} : { restrict }), filesChange: true };
  if (uri === undefined) return { io: new NodeEvalIo({ ...options, readOnly: true }) };
  const store = openStore(utf8(uri), process.env, { warn: (message) => options.log(`warning: ${message}`) });
  const io = new NodeEvalIo({
    ...options,
    store,
    realiseCommand: [join(packageRoot(), 'bin/tsnix'), 'realise-for-evaluation', '--quiet', '--store', store.uri, '--'],
  });
  return {
    io,
    flush: () => {
      if (store instanceof LocalStore) store.flush();
    },
    close: () => store.close(),
  };
}

export function currentFolder(): string {
  return process.cwd();
}

/** What throws a LimitError where so many more bytes are above `max`, or more than the heap can take. */
export function memoryCheck(max: number | undefined): (bytes: number) => void {
  return (bytes) => {
    if (max !== undefined && isHeapAbove(max, bytes)) {
      throw new LimitError(`evaluation uses more memory than it may: ${max} bytes`);
    }
    if (!hasHeapRoom(bytes)) throw new LimitError('evaluation uses more memory than there is');
  };
}
