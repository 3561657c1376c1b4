// No isolation, where perl is missing too: the program runs as it is, in a session of its own that is killed as a
// whole. With perl, helper.pl does this better (perlBackend() with a request without layout): a terminal, the system
// call filter, and an end to processes that left their session.
import { spawn } from 'node:child_process';
import { PassThrough } from 'node:stream';
import { constants } from 'node:os';
import type { BuilderExit, RunningBuilder, SandboxBackend, SandboxRequest } from './backend.ts';

export const plainBackend: SandboxBackend = {
  name: 'none',
  filters: false,
  vm: false,
  start,
};

function start(request: SandboxRequest): RunningBuilder {
  const mask = process.umask(0o022);
  const child = spawn(latin1(request.program), request.args.slice(1).map(latin1), {
    argv0: latin1(request.args[0] ?? request.program),
    cwd: request.cwd,
    env: Object.fromEntries(request.env.map(([name, value]) => [latin1(name), latin1(value)])),
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
    ...(request.user.host === undefined ? {} : { uid: request.user.host.uid, gid: request.user.host.gid }),
  });
  process.umask(mask);
  const output = new PassThrough();
  child.stdout.pipe(output, { end: false });
  child.stderr.pipe(output, { end: false });
  const killGroup = (): void => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
    } catch {
      // nobody left
    }
  };
  const exit = new Promise<BuilderExit>((resolve) => {
    child.on('error', (error) => {
      output.end();
      resolve({ kind: 'notStarted', message: error.message });
    });
    child.on('exit', killGroup);
    child.on('close', (code, signal) => {
      output.end();
      resolve(
        signal === null
          ? { kind: 'exited', code: code ?? 1 }
          : { kind: 'signalled', signal: constants.signals[signal] },
      );
    });
  });
  return { output, exit, kill: killGroup };
}

// Node encodes arguments as UTF-8; bytes that are not UTF-8 can't be passed this way.
function latin1(bytes: string): string {
  return Buffer.from(bytes, 'latin1').toString('utf8');
}
