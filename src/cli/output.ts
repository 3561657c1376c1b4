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

/** Everything else: bytes and a newline to standard error. What builders and expressions say can't steer the terminal. */
export function say(bytes: string): void {
  writeAll(2, toBuffer(`${withoutControls(bytes, wantsColor())}\n`));
}

/** Control sequences (CSI, OSC, others), carriage returns and bells go, as with Nix; colours may stay. */
 
const CONTROLS = /\x1b(?:\[[0-?]*[ -/]*([@-~]?)|\][^\x1b\x07]*(?:\x07|\x1b\\?)?|[@-_]?)|[\r\x07]/g;

export function withoutControls(text: string, colors: boolean): string {
  return text.replace(CONTROLS, (sequence, final?: string) => (colors && final === 'm' ? sequence : ''));
}

/** Whether errors may be coloured. */
export function wantsColor(env: Readonly<Record<string, string | undefined>> = process.env): boolean {
  if (env['NO_COLOR'] !== undefined || env['TERM'] === 'dumb') return false;
  return process.stderr.isTTY || env['CLICOLOR_FORCE'] !== undefined;
}
