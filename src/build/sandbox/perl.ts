// The backend of choice: helper.pl makes every system call in one process (perl-base is essential on Debian and
// Ubuntu). This file starts it, writes its plans and reads its reports; the protocol is described in helper.pl. What is
// started once serves one build after the other: to start a process takes this one, with all its memory, 10 ms and more.
import { spawn } from 'node:child_process';
import type { ChildProcessByStdio } from 'node:child_process';
import { Readable } from 'node:stream';
import type { Writable } from 'node:stream';
import { programFile } from '../../util/program-files.ts';
import type { BackendName, BuilderExit, RunningBuilder, SandboxBackend, SandboxRequest } from './backend.ts';
import type { LayoutStep } from './layout.ts';
import { callersStack } from './stack-limit.ts';

/** With namespaces when the request has a layout; else (backend `none`) only terminal, filter and clean ends. */
export function perlBackend(perl: string, name: BackendName = 'perl', limits: readonly string[] = []): SandboxBackend {
  return { name, limits, filters: true, vm: true, start: (request) => start(perl, request) };
}

/** A build that is going on. */
interface Running {
  readonly output: Readable;
  readonly resolve: (exit: BuilderExit | undefined) => void;
  reports: string;
  errors: string;
  /** Bytes of output. */
  received: number;
  stopped: boolean;
}

/** One helper.pl: serves one build at a time. */
class HelperServer {
  private readonly child: ChildProcessByStdio<Writable, Readable, Readable>;
  private running: Running | undefined;
  /** Had a build before. */
  private used = false;
  /** Can serve another build. */
  usable = true;
  readonly ended: Promise<void>;

  constructor(perl: string) {
    // A session of its own: Ctrl-C reaches only us, and we decide.
    this.child = spawn(perl, [programFile('src/build/sandbox/helper.pl'), String(process.pid)], {
      stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
      env: {},
      detached: true,
      cwd: '/',
    });
    const { child } = this;
    child.stdin.on('error', () => undefined); // the helper died: its end says why
    child.stdout.on('data', (chunk: Buffer) => {
      if (this.running === undefined) return;
      this.running.received += chunk.length;
      this.running.output.push(chunk);
      this.checkEnd();
    });
    child.stderr.setEncoding('latin1').on('data', (text: string) => {
      if (this.running !== undefined) this.running.errors += text;
    });
    (child.stdio[3] as Readable).setEncoding('latin1').on('data', (text: string) => {
      if (this.running === undefined) return;
      this.running.reports += text;
      this.checkEnd();
    });
    this.ended = new Promise((resolve) => {
      const end = (exit: (running: Running) => BuilderExit): void => {
        this.usable = false;
        const { running } = this;
        if (running !== undefined && this.used && running.reports === '' && !running.stopped)
          running.resolve(undefined);
        else if (running !== undefined) this.finish(exit(running));
        resolve();
      };
      child.on('error', (error) => end(() => ({ kind: 'setupFailed', message: error.message })));
      child.on('close', (code, signal) =>
        end(({ reports, errors, stopped }) => {
          const killed = stopped || /^ready$/m.test(reports);
          return parseReports(reports) ?? helperDied(killed, code, signal, errors);
        }),
      );
    });
  }

  /** Nothing of a build is left, and all that it printed is here. */
  private checkEnd(): void {
    const { reports, received } = this.running!;
    const end = /^end (\d+)$/m.exec(reports);
    if (end === null || received < Number(end[1])) return;
    if (this.running!.stopped) this.usable = false;
    this.finish(parseReports(reports)!);
  }

  private finish(exit: BuilderExit): void {
    const { output, resolve } = this.running!;
    this.running = undefined;
    this.used = true;
    output.once('end', () => resolve(exit));
    output.push(null);
  }

  /** @returns undefined where it had ended, unnoticed, since its last build */
  run(plan: Buffer, output: Readable): Promise<BuilderExit | undefined> {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(plan.length);
    this.child.stdin.write(Buffer.concat([length, plan]));
    return new Promise((resolve) => {
      this.running = { output, resolve, reports: '', errors: '', received: 0, stopped: false };
    });
  }

  kill(): void {
    if (this.running === undefined) return;
    this.running.stopped = true;
    this.child.kill('SIGTERM');
  }

  end(): void {
    this.child.stdin.end();
  }
}

/** Helpers that wait for their next build. */
export class HelperPool {
  private readonly all = new Set<HelperServer>();
  private readonly idle: HelperServer[] = [];

  take(perl: string): HelperServer {
    for (let helper = this.idle.pop(); helper !== undefined; helper = this.idle.pop()) if (helper.usable) return helper;
    const helper = new HelperServer(perl);
    this.all.add(helper);
    void helper.ended.then(() => this.all.delete(helper));
    return helper;
  }

  giveBack(helper: HelperServer): void {
    if (helper.usable) this.idle.push(helper);
    else helper.end();
  }

  /** Settles when no helper is left. All have been given back. */
  async close(): Promise<void> {
    for (const helper of this.all) helper.end();
    await Promise.all([...this.all].map((helper) => helper.ended));
  }
}

function start(perl: string, request: SandboxRequest): RunningBuilder {
  const { helpers } = request;
  const plan = encodePlan(request);
  const output = new Readable({ read: () => undefined });
  let helper: HelperServer;
  const run = async (): Promise<BuilderExit> => {
    for (;;) {
      helper = helpers?.take(perl) ?? new HelperServer(perl);
      const exit = await helper.run(plan, output);
      if (helpers === undefined) helper.end();
      else helpers.giveBack(helper);
      if (exit !== undefined) return exit;
    }
  };
  return { output, exit: run(), kill: () => helper.kill() };
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
      default: // "begun", "ready", "end"
    }
  }
  return undefined;
}

function encodePlan(request: SandboxRequest): Buffer {
  const fields: string[] = ['tsnix-sandbox-1'];
  const add = (verb: string, ...args: (string | number)[]): void => {
    fields.push(verb, String(args.length), ...args.map(String));
  };
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
