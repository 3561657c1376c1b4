// The backend of choice: helper.pl makes every system call in one process (perl-base is essential on Debian and
// Ubuntu). This file starts it, writes its plan and reads its reports; the protocol is described in helper.pl.
import { spawn } from 'node:child_process';
import type { ChildProcessByStdio } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { StoreError } from '../../util/errors.ts';
import { programFile } from '../../util/program-files.ts';
import type { BackendName, BuilderExit, RunningBuilder, SandboxBackend, SandboxRequest } from './backend.ts';
import type { LayoutStep } from './layout.ts';
import { callersStack } from './stack-limit.ts';

/** With namespaces when the request has a layout; else (backend `none`) only terminal, filter and clean ends. */
export function perlBackend(perl: string, name: BackendName = 'perl', limits: readonly string[] = []): SandboxBackend {
  return { name, limits, filters: true, vm: true, start: (request) => start(perl, request) };
}

interface Helper {
  readonly child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly reports: () => string;
  readonly errors: () => string;
}

function spawnHelper(perl: string, locks: readonly number[] | undefined, onReport?: () => void): Helper {
  const helper = programFile('src/build/sandbox/helper.pl');
  const args = locks === undefined ? [] : [String(process.pid), String(locks.length)];
  // A session of its own: Ctrl-C reaches only us, and we decide.
  const child = spawn(perl, [helper, ...args], {
    stdio: ['pipe', 'pipe', 'pipe', 'pipe', ...(locks ?? [])],
    env: {},
    detached: true,
    cwd: '/',
  }) as ChildProcessByStdio<Writable, Readable, Readable>;
  let reports = '';
  (child.stdio[3] as Readable).setEncoding('latin1').on('data', (text: string) => {
    reports += text;
    onReport?.();
  });
  let errors = '';
  child.stderr.setEncoding('latin1').on('data', (text: string) => (errors += text));
  child.stdin.on('error', () => undefined); // the helper died: its end says why
  return { child, reports: () => reports, errors: () => errors };
}

/** A helper that has locked what its builder will write, and waits for its plan: one process for both. */
export class PreparedHelper {
  private readonly helper: Helper;
  /** Settles when the locks are taken. */
  readonly locked: Promise<void>;
  private used = false;

  /** @param locks open lock files; they stay locked for as long as this process keeps them open */
  constructor(perl: string, locks: readonly number[], onWait: () => void) {
    let told: () => void = () => undefined;
    this.helper = spawnHelper(perl, locks, () => told());
    const { child, reports, errors } = this.helper;
    this.locked = new Promise((resolve, reject) => {
      let waiting = false;
      told = () => {
        if (!waiting && reports().startsWith('waiting\n')) {
          waiting = true;
          onWait();
        }
        if (/^locked$/m.test(reports())) resolve();
      };
      child.on('error', reject);
      child.on('exit', () =>
        reject(new StoreError(`acquiring/releasing lock: ${errors().trim() || reports().trim()}`)),
      );
    });
    this.locked.catch(() => undefined);
  }

  /** The helper, once. */
  take(): Helper | undefined {
    if (this.used) return undefined;
    this.used = true;
    return this.helper;
  }

  /** Ends a helper that nobody has taken. */
  abandon(): void {
    if (this.take() !== undefined) this.helper.child.kill('SIGKILL');
  }
}

function start(perl: string, request: SandboxRequest): RunningBuilder {
  const { child, reports: reported, errors } = request.prepared?.take() ?? spawnHelper(perl, undefined);
  child.stdin.end(encodePlan(request));
  let stopped = false;
  const exit = new Promise<BuilderExit>((resolve) => {
    child.on('error', (error) => resolve({ kind: 'setupFailed', message: error.message }));
    child.on('close', (code, signal) => {
      const reports = reported();
      const killed = stopped || /^ready$/m.test(reports);
      resolve(parseReports(reports) ?? helperDied(killed, code, signal, errors()));
    });
  });
  return {
    output: child.stdout,
    exit,
    kill() {
      stopped = true;
      child.kill('SIGTERM');
    },
  };
}

/** `killed`: the builder had started, or we ended it; then this is no failure to make a sandbox. */
function helperDied(killed: boolean, code: number | null, signal: string | null, errors: string): BuilderExit {
  if (killed) return { kind: 'signalled', signal: 9 };
  return { kind: 'setupFailed', message: errors.trim() || `the sandbox helper ended early (${signal ?? code})` };
}

/** The first failure counts: after "setup …" follows the exit status of the process that said so. */
function parseReports(text: string): BuilderExit | undefined {
  for (const line of text.split('\n')) {
    const space = line.indexOf(' ');
    const rest = line.slice(space + 1);
    switch (space < 0 ? line : line.slice(0, space)) {
      case 'setup':
        return { kind: 'setupFailed', message: rest };
      case 'exec':
        return { kind: 'notStarted', message: rest };
      case 'exit':
        return { kind: 'exited', code: Number(rest) };
      case 'signal':
        return { kind: 'signalled', signal: Number(rest) };
      default: // "waiting", "locked", "ready"
    }
  }
  return undefined;
}

function encodePlan(request: SandboxRequest): Buffer {
  const fields: string[] = ['tsnix-sandbox-1'];
  const add = (verb: string, ...args: (string | number)[]): void => {
    fields.push(verb, String(args.length), ...args.map(String));
  };
  add('parent', process.pid);
  add('terminal', 1);
  const stack = callersStack();
  if (stack !== undefined) add('stack', stack);
  const { user, vm } = request;
  const host = user.host;
  if (request.layout !== undefined) {
    add('namespaces');
    if (!request.network) add('private-network');
    if (host !== undefined) add('id-map', 'all');
    else if (vm?.kind === 'subordinate') {
      const { uid, gid } = callerIds();
      add('id-map', 'range', vm.newuidmap, vm.newgidmap, uid, gid, vm.firstUid, vm.firstGid, vm.count);
    } else add('id-map', 'self');
    add('root', request.root);
    for (const step of request.layout) add('step', ...encodeStep(step));
    add('inner-user', user.uid, user.gid);
    if (vm?.kind === 'range') add('vm', vm.firstUid, vm.firstGid, vm.count);
    else if (vm !== undefined) add('vm', 0, 0, 0);
  }
  if (host !== undefined) add('host-user', host.uid, host.gid);
  add('cwd', request.cwd);
  if (request.personality !== 0) add('personality', request.personality);
  if (request.seccomp !== undefined) add('seccomp', request.seccomp.toString('hex'));
  add('program', request.program);
  add('args', ...request.args);
  add('env', ...request.env.flat());
  add('reclaim', ...(request.reclaim ?? []));
  // A null byte inside a field would be read as two fields, whatever they then say.
  if (fields.some((field) => field.includes('\0'))) throw new Error('a null byte in the plan of a sandbox');
  fields.push('end', '');
  return Buffer.from(fields.join('\0'), 'latin1');
}

function encodeStep(step: LayoutStep): string[] {
  switch (step.op) {
    case 'directory':
      return [step.op, step.path, step.mode.toString(8)];
    case 'file':
      return [step.op, step.path, step.mode.toString(8), step.contents];
    case 'symlink':
      return [step.op, step.path, step.target];
    case 'bind':
      return [step.op, step.path, step.source, step.readOnly ? 'ro' : 'rw'];
    case 'tmpfs':
      return [step.op, step.path, step.options];
    case 'proc':
      return [step.op, step.path, step.mayBind ? 'bind-allowed' : 'fresh'];
    case 'devpts':
      return [step.op, step.path];
  }
}

function callerIds(): { uid: number; gid: number } {
  return { uid: process.getuid!(), gid: process.getgid!() };
}
