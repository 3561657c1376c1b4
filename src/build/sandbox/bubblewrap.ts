// Sandboxes by bubblewrap, for machines without perl. Its mounts cost time quadratic in their number, and it takes at
// most 9,000 arguments: for few inputs only (sandbox figures in docs/performance.md).
import { lstatSync, mkdirSync, readlinkSync, writeFileSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import { fsPath, toBuffer } from '../../util/bytes.ts';
import type { BuilderExit, RunningBuilder, SandboxBackend, SandboxRequest } from './backend.ts';
import { allSteps } from './layout.ts';
import type { LayoutStep } from './layout.ts';
import { killQuietly, startPiped } from './piped-command.ts';

/** Beyond this many inputs another backend is faster. */
export const bubblewrapInputs = 500;

export interface BubblewrapPrograms {
  readonly bwrap: string;
  readonly setpriv: string | undefined;
}

export function bubblewrapBackend(programs: BubblewrapPrograms): SandboxBackend {
  return {
    name: 'bubblewrap',
    filters: true,
    vm: false,
    start: (request) => start(programs, request),
  };
}

const helpTexts = new Map<string, string>();

function hasFeature(bwrap: string, option: string): boolean {
  let help = helpTexts.get(bwrap);
  if (help === undefined) {
    try {
      help = execFileSync(bwrap, ['--help'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
    } catch {
      help = ''; // it can't even print that: starting it will say why
    }
    helpTexts.set(bwrap, help);
  }
  return help.includes(option);
}

function start(programs: BubblewrapPrograms, request: SandboxRequest): RunningBuilder {
  const { bwrap } = programs;
  const args = ['--unshare-user', '--unshare-pid', '--unshare-ipc', '--unshare-uts', '--as-pid-1'];
  if (!request.network) args.push('--unshare-net');
  if (hasFeature(bwrap, '--disable-userns')) args.push('--disable-userns');
  args.push('--die-with-parent', '--new-session', '--hostname', 'localhost', '--cap-drop', 'ALL');
  args.push('--uid', String(request.user.uid), '--gid', String(request.user.gid));
  args.push(...mountArguments(allSteps(request.layout!), request.root), '--remount-ro', '/');
  args.push('--clearenv');
  for (const [name, value] of request.env) args.push('--setenv', name, value);
  args.push('--chdir', request.cwd);
  if (hasFeature(bwrap, '--argv0')) args.push('--argv0', request.args[0]!);
  const inputs: Buffer[] = [Buffer.from(args.map((word) => `${word}\0`).join(''), 'latin1')];
  const command = [bwrap, '--args', '4', '--json-status-fd', '3'];
  if (request.seccomp !== undefined) {
    inputs.push(request.seccomp);
    command.push('--seccomp', '5');
  }
  const running = startPiped(
    [...command, '--', request.program, ...request.args.slice(1)],
    inputs,
    request.user,
    programs.setpriv,
  );
  let killed = false;
  // bwrap complains on standard error, which is the builder's: kept for the case that there was no builder.
  let first = '';
  const listen = (chunk: Buffer): void => {
    if (first.length < 1000) first += chunk.toString('latin1');
    else running.output.off('data', listen);
  };
  running.output.on('data', listen);
  return {
    output: running.output,
    exit: running.ended.then(() => exitOf(running.reports(), first, killed)),
    kill() {
      killed = true;
      const pid = /"child-pid": (\d+)/.exec(running.reports())?.[1];
      // Killing the builder's first process ends its namespace; bwrap, the shell and `cat` then end by themselves.
      if (pid === undefined) running.killGroup();
      else killQuietly(Number(pid));
    },
  };
}

function exitOf(reports: string, output: string, killed: boolean): BuilderExit {
  const code = /"exit-code": (\d+)/.exec(reports)?.[1];
  if (code !== undefined) {
    // bwrap adds 128 to signals, as shells do.
    return killed ? { kind: 'signalled', signal: 9 } : { kind: 'exited', code: Number(code) };
  }
  if (killed) return { kind: 'signalled', signal: 9 };
  const exec = /^bwrap: execvp .*: (.*)$/m.exec(output)?.[1];
  if (exec !== undefined) return { kind: 'notStarted', message: exec };
  if (!/^bwrap: /m.test(output) && reports.includes('"child-pid"')) return { kind: 'signalled', signal: 9 };
  return { kind: 'setupFailed', message: output.trim() || reports.trim() || 'it ended without a word' };
}

function mountArguments(layout: readonly LayoutStep[], root: string): string[] {
  const args: string[] = [];
  let files = 0;
  let hasDevices = false;
  for (const step of layout) {
    // bwrap's own /dev is the same but for a few harmless names, and can't be put together piece by piece.
    if (step.path === '/dev' && step.op === 'directory') {
      hasDevices = true;
      args.push('--dev', '/dev');
      continue;
    }
    if (hasDevices && step.path.startsWith('/dev/') && step.op !== 'tmpfs' && step.path !== '/dev/kvm') continue;
    switch (step.op) {
      case 'directory':
        args.push('--perms', `0${step.mode.toString(8)}`, '--dir', step.path);
        args.push('--chmod', `0${step.mode.toString(8)}`, step.path);
        break;
      case 'file': {
        const file = `${root}/${files++}`;
        mkdirSync(fsPath(root), { recursive: true });
        writeFileSync(fsPath(file), toBuffer(step.contents), { mode: step.mode });
        args.push('--ro-bind', file, step.path);
        break;
      }
      case 'symlink':
        args.push('--symlink', step.target, step.path);
        break;
      case 'bind':
        if (step.path === '/dev/kvm') args.push('--dev-bind', step.source, step.path);
        else if (lstatSync(fsPath(step.source)).isSymbolicLink()) {
          args.push('--symlink', readlinkSync(fsPath(step.source), { encoding: 'latin1' }), step.path);
        } else args.push(step.readOnly ? '--ro-bind' : '--bind', step.source, step.path);
        break;
      case 'tmpfs':
        args.push('--perms', '1777', '--tmpfs', step.path);
        break;
      case 'proc':
        args.push('--proc', step.path);
        break;
      case 'devpts':
        break;
    }
  }
  return args;
}
