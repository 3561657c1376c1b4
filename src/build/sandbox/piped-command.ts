// Running a sandbox program of the host (bwrap, unshare) whose builder's output must be a real pipe: Node's own are
// sockets, which can't be opened again as /dev/stderr. A shell makes the pipe; `cat` passes it on.
import { spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import type { SandboxUser } from './backend.ts';
import { callersStack } from './stack-limit.ts';

export interface PipedCommand {
  readonly output: Readable;
  /** Descriptor 3: what the command reports. */
  readonly reports: () => string;
  /** Settles when the command and all that hold its output have ended. */
  readonly ended: Promise<void>;
  /** Ends the shell, the command and `cat`. */
  killGroup(): void;
}

/**
 * @param command program and arguments, byte strings
 * @param inputs contents of descriptors 4, 5, …
 */
export function startPiped(
  command: readonly string[],
  inputs: readonly Buffer[],
  user: SandboxUser,
  setpriv: string | undefined,
): PipedCommand {
  // The shell dies with us, and what it started with it.
  const stack = callersStack();
  const limits = `ulimit -S -c 0; ${stack === undefined ? '' : `ulimit -S -s ${stack}; `}`;
  const script = `umask 022; ${limits}{ "$@"; echo "status $?" >&3; } 2>&1 </dev/null | cat`;
  const shell = ['/bin/sh', '-c', script, 'sh', ...command];
  const words = setpriv === undefined ? shell : [setpriv, '--pdeathsig', 'KILL', ...shell];
  const child = spawn(words[0]!, words.slice(1).map(asArgument), {
    stdio: ['ignore', 'pipe', 'ignore', 'pipe', ...inputs.map(() => 'pipe' as const)],
    env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' },
    cwd: '/',
    detached: true,
    ...(user.host === undefined ? {} : { uid: user.host.uid, gid: user.host.gid }),
  });
  let reports = '';
  (child.stdio[3] as Readable).setEncoding('latin1').on('data', (text: string) => (reports += text));
  inputs.forEach((contents, index) => {
    const stream = child.stdio[4 + index] as Writable;
    stream.on('error', () => undefined); // it ended without reading: its end says why
    stream.end(contents);
  });
  return {
    output: child.stdout!,
    reports: () => reports,
    ended: new Promise((resolve) => {
      child.on('error', (error) => {
        reports += `error ${error.message}\n`;
        resolve();
      });
      child.on('close', () => resolve());
    }),
    killGroup() {
      if (child.pid !== undefined) killQuietly(-child.pid);
    },
  };
}

/** Kills a process, or the group of one that is given negated; it may be gone already. */
export function killQuietly(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // gone already
  }
}

/** Node passes arguments on as UTF-8: bytes that are not UTF-8 can't go this way. */
function asArgument(bytes: string): string {
  return Buffer.from(bytes, 'latin1').toString('utf8');
}
