// Writing to the outside: byte strings, at once and in order. Only src/cli prints.
import { writeSync } from 'node:fs';
import { toBuffer } from '../util/bytes.ts';

function writeAll(fd: number, data: Uint8Array): void {
  let offset = 0;
  while (offset < data.length) {
    try {
      offset += writeSync(fd, data, offset);
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      if (code === 'EAGAIN') {
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2);
        continue;
      }
      // The reader went away: as with SIGPIPE, there is nobody left to tell.
      if (code === 'EPIPE') process.exit(141);
      throw error;
    }
  }
}

/** Results: bytes to standard output. */
export function print(bytes: string): void {
  writeAll(1, toBuffer(bytes));
}

/** Everything else: bytes and a newline to standard error. */
export function say(bytes: string): void {
  writeAll(2, toBuffer(`${bytes}\n`));
}

/** Whether errors may be coloured. */
export function wantsColor(env: Readonly<Record<string, string | undefined>> = process.env): boolean {
  if (env['NO_COLOR'] !== undefined || env['TERM'] === 'dumb') return false;
  return process.stderr.isTTY || env['CLICOLOR_FORCE'] !== undefined;
}
