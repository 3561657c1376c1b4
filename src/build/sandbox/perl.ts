// The backend of choice: helper.pl makes every system call in one process (perl-base is essential on Debian and
// Ubuntu). This file starts it, writes its plans and reads its reports; the protocol is described in helper.pl. What is
// started once serves one build after the other: to start a process takes this one, with all its memory, 10 ms and more.
import { spawn } from 'node:child_process';
import type { ChildProcessByStdio } from 'node:child_process';
import { Readable } from 'node:stream';
import type { Writable } from 'node:stream';
import { programFile } from '../../util/program-files.ts';
import type { BackendName, BuilderExit, RunningBuilder, SandboxBackend, SandboxRequest } from './backend.ts';
import type { InputKind, LayoutStep, StoreView } from './layout.ts';
import { callersStack } from './stack-limit.ts';

/** With namespaces when the request has a layout; else (backend `none`) only terminal, filter and clean ends. */
export function perlBackend(perl: string, name: BackendName = 'perl'): SandboxBackend {
  return { name, filters: true, vm: true, start: (request) => start(perl, request) };
}

/** A build that is going on. */
interface Running {
  readonly plan: Plan;
  readonly output: Readable;
  readonly resolve: (exit: BuilderExit | undefined) => void;
  reports: string;
  errors: string;
  /** Bytes of output. */
  received: number;
  stopped: boolean;
}

/** What helper.pl reads of one build: what many have in common, and the rest; see there. */
interface Plan {
  readonly frame: Buffer;
  readonly rest: Buffer;
  readonly more: boolean;
}

/** One helper.pl: serves one build at a time. */
class HelperServer {
  private readonly child: ChildProcessByStdio<Writable, Readable, Readable>;
  private running: Running | undefined;
  /** Of the build before, if there was one: it may have got ready for another. */
  frame: Buffer | undefined;
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
        if (running !== undefined && this.frame !== undefined && running.reports === '' && !running.stopped)
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
    const { output, resolve, plan } = this.running!;
    this.running = undefined;
    this.frame = plan.frame;
    output.once('end', () => resolve(exit));
    output.push(null);
  }

  /** @returns undefined where it had ended, unnoticed, since its last build */
  run(plan: Plan, output: Readable): Promise<BuilderExit | undefined> {
    const { frame, rest, more } = plan;
    this.child.stdin.write(
      Buffer.concat([lengthOf(frame), frame, Buffer.from(more ? 'm' : '-'), lengthOf(rest), rest]),
    );
    return new Promise((resolve) => {
      this.running = { plan, output, resolve, reports: '', errors: '', received: 0, stopped: false };
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

  take(perl: string, frame: Buffer): HelperServer {
    while (this.idle.length > 0) {
      const ready = this.idle.findIndex((helper) => helper.frame?.equals(frame) === true);
      const [helper] = this.idle.splice(ready, 1); // -1: the last one
      if (helper!.usable) return helper!;
    }
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
      helper = helpers?.take(perl, plan.frame) ?? new HelperServer(perl);
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

/** Verbs with their words, separated by null bytes. */
class PlanText {
  private readonly fields: string[] = [];

  add(verb: string, ...words: readonly (string | number)[]): void {
    this.addAll(verb, words.map(String));
  }

  /** Of any length. */
  addAll(verb: string, words: readonly string[]): void {
    this.fields.push(verb, String(words.length));
    for (const word of words) this.fields.push(word);
  }

  encode(): Buffer {
    // A null byte inside a field would be read as two fields, whatever they then say.
    if (this.fields.some((field) => field.includes('\0'))) throw new Error('a null byte in the plan of a sandbox');
    return Buffer.from([...this.fields, 'end', ''].join('\0'), 'latin1');
  }
}

function encodePlan(request: SandboxRequest): Plan {
  return {
    frame: encodeFrame(request),
    rest: encodeRest(request),
    more: request.more === true && request.layout !== undefined && request.vm === undefined,
  };
}

function encodeFrame({ layout, network, user, vm, root, reclaim = [] }: SandboxRequest): Buffer {
  const text = new PlanText();
  text.add('terminal', 1);
  const stack = callersStack();
  if (stack !== undefined) text.add('stack', stack);
  const { host } = user;
  if (layout !== undefined) {
    text.add('namespaces');
    if (!network) text.add('private-network');
    if (host !== undefined) text.add('id-map', 'all');
    else if (vm?.kind === 'subordinate') {
      text.add('id-map', 'range', vm.newuidmap, vm.newgidmap, vm.firstUid, vm.firstGid, vm.count);
    } else text.add('id-map', 'self');
    text.add('root', root);
    for (const step of layout.frame) text.add('step', ...encodeStep(step));
    text.add('inner-user', user.uid, user.gid);
    if (vm?.kind === 'range') text.add('vm', vm.firstUid, vm.firstGid, vm.count);
    else if (vm !== undefined) text.add('vm', 0, 0, 0);
  }
  if (host !== undefined) text.add('host-user', host.uid, host.gid);
  text.add('reclaim', ...reclaim);
  return text.encode();
}

function encodeRest(request: SandboxRequest): Buffer {
  const text = new PlanText();
  const { layout } = request;
  if (layout !== undefined) {
    for (const step of layout.scratch) text.add('scratch', ...encodeStep(step));
    addStore(text, layout.store);
    for (const step of layout.steps) text.add('step', ...encodeStep(step));
  }
  text.add('cwd', request.cwd);
  if (request.personality !== 0) text.add('personality', request.personality);
  if (request.seccomp !== undefined) text.add('seccomp', request.seccomp.toString('hex'));
  text.add('program', request.program);
  text.addAll('args', request.args);
  text.addAll('env', request.env.flat());
  return text.encode();
}

function addStore(text: PlanText, { path, outputsDir, inputsDir, inputs }: StoreView): void {
  const names = (kind: InputKind): string[] => inputs.filter((input) => input.kind === kind).map((input) => input.name);
  text.add('store', path, outputsDir, inputsDir);
  text.addAll('directories', names('directory'));
  text.addAll('files', names('file'));
  text.addAll('symlinks', names('symlink'));
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

function lengthOf(bytes: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return length;
}
