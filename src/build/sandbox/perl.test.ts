// One helper process serves one build after the other; what becomes of a build does not depend on those before it.
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { busybox } from '../../../test/support/build-fixture.ts';
import { describeWith, findProgram } from '../../../test/support/requirements.ts';
import type { BuilderExit, RunningBuilder } from './backend.ts';
import { HelperPool, perlBackend } from './perl.ts';

const perl = findProgram('perl')!;

/** Parents of a process, from `pid` up to this one. */
function ancestors(pid: number): number[] {
  const found: number[] = [];
  for (let at = pid; at !== process.pid && at > 1;) {
    found.push(at);
    at = Number(/\) \S (\d+)/.exec(readFileSync(`/proc/${at}/stat`, 'latin1'))![1]);
  }
  return found;
}

function exists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

describeWith(['perl'], 'helper processes', () => {
  let helpers = new HelperPool();
  afterEach(async () => {
    await helpers.close();
    helpers = new HelperPool();
  });

  function start(script: string): RunningBuilder & { readonly text: () => string } {
    const running = perlBackend(perl, 'none').start({
      root: '/',
      layout: undefined,
      user: { uid: 1000, gid: 100 },
      network: false,
      program: '/bin/sh',
      args: ['sh', '-c', script],
      env: [['PATH', process.env['PATH'] ?? '']],
      cwd: '/',
      seccomp: undefined,
      personality: 0,
      helpers,
    });
    let text = '';
    running.output.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')));
    return Object.assign(running, { text: () => text });
  }
  async function run(script: string): Promise<[BuilderExit, string]> {
    const running = start(script);
    return [await running.exit, running.text()];
  }
  /** Of a builder that prints its own process id, and then waits: helper, builder. */
  async function family(running: ReturnType<typeof start>): Promise<number[]> {
    while (!running.text().includes('\n')) await new Promise((resolve) => running.output.once('data', resolve));
    return ancestors(Number(running.text())).reverse();
  }
  const waits = 'echo $$; exec sleep 1000';

  it('serve builds one after the other, each with its own exit, output and limits', async () => {
    expect(await run('echo one; exit 3')).toEqual([{ kind: 'exited', code: 3 }, 'one\n']);
    expect(await run('kill -9 $$')).toEqual([{ kind: 'signalled', signal: 9 }, '']);
    expect(await run('ulimit -n 17; export LEFT=x; cd /tmp; umask 777')).toEqual([{ kind: 'exited', code: 0 }, '']);
    const [, seen] = await run('echo $(ulimit -n) $LEFT $PWD $(umask)');
    expect(seen).toMatch(/^(?!17)\d+ \/ 0022\n$/);
  });

  it('are the same process as long as nothing went wrong', async () => {
    const parent = 'read -r _ _ _ helper _ < /proc/$$/stat; echo $helper';
    const [, first] = await run(parent);
    expect(await run('exit 1')).toEqual([{ kind: 'exited', code: 1 }, '']);
    expect((await run(parent))[1]).toBe(first);
    await helpers.close();
    expect(exists(Number(first))).toBe(false);
  });

  it('bring all that was printed before the end', async () => {
    const [exit, text] = await run('i=0; while [ $i -lt 60000 ]; do echo "line $i of this log"; i=$((i+1)); done');
    expect(exit).toEqual({ kind: 'exited', code: 0 });
    const all = Array.from({ length: 60000 }, (_, i) => `line ${i} of this log\n`).join('');
    expect(text.length).toBe(all.length);
    expect(text === all).toBe(true);
  });

  it('end with a build that is killed, and no process of it is left', async () => {
    const running = start(waits);
    const pids = await family(running);
    expect(pids).toHaveLength(2);
    running.kill();
    expect(await running.exit).toEqual({ kind: 'signalled', signal: 9 });
    expect(exists(pids[1]!)).toBe(false);
    expect((await run('echo next'))[1]).toBe('next\n');
  });

  it('may be killed as soon as they are started', async () => {
    for (let i = 0; i < 20; i++) {
      const running = start(waits);
      if (i % 2 === 1) await new Promise((resolve) => setTimeout(resolve, i / 2));
      running.kill();
      expect(await running.exit).toEqual({ kind: 'signalled', signal: 9 });
    }
  });

  it('take the builder with them when they die', async () => {
    const running = start(waits);
    const [helper, builder] = await family(running);
    process.kill(helper!, 'SIGKILL');
    expect(await running.exit).toEqual({ kind: 'signalled', signal: 9 });
    for (let i = 0; i < 1000 && exists(builder!); i++) await new Promise((resolve) => setTimeout(resolve, 10));
    expect(exists(builder!)).toBe(false);
    expect((await run('echo next'))[1]).toBe('next\n');
  });

  it('are replaced where they died between two builds', async () => {
    const [, helper] = await run('read -r _ _ _ helper _ < /proc/$$/stat; echo $helper');
    process.kill(Number(helper), 'SIGKILL');
    expect(await run('echo next')).toEqual([{ kind: 'exited', code: 0 }, 'next\n']);
  });
});

/** Processes whose parent is `pid`. */
function children(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').split(' ').filter(Boolean).map(Number);
}

async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; i < 1000 && !condition(); i++) await new Promise((resolve) => setTimeout(resolve, 10));
  expect(condition()).toBe(true);
}

describeWith(['perl', busybox], 'a sandbox that is made ahead of its build', () => {
  const dir = mkdtempSync(join(tmpdir(), 'tsnix-ahead-'));
  let helpers = new HelperPool();
  beforeAll(() => {
    for (const name of ['root', 'outputs', 'store/box/bin']) mkdirSync(join(dir, name), { recursive: true });
    for (const name of ['sh', 'cat', 'ls', 'readlink', 'sleep'])
      copyFileSync(busybox, join(dir, 'store/box/bin', name));
  });
  afterEach(async () => {
    await helpers.close();
    helpers = new HelperPool();
  });
  afterAll(() => {
    rmSync(dir, { recursive: true });
  });

  /** Another build will follow. */
  async function run(script: string, network = false): Promise<string> {
    rmSync(join(dir, 'outputs'), { recursive: true });
    mkdirSync(join(dir, 'outputs'));
    const running = perlBackend(perl).start({
      root: join(dir, 'root'),
      layout: {
        frame: [
          { op: 'bind', path: '/dev/null', source: '/dev/null', readOnly: false },
          { op: 'tmpfs', path: '/tmp', options: 'mode=1777' },
          { op: 'proc', path: '/proc', mayBind: true },
        ],
        scratch: [],
        store: {
          path: '/store',
          outputsDir: join(dir, 'outputs'),
          inputsDir: join(dir, 'store'),
          inputs: [{ name: 'box', kind: 'directory' }],
        },
        steps: [],
      },
      user: { uid: 1000, gid: 100 },
      network,
      program: '/store/box/bin/sh',
      args: ['sh', '-c', script],
      env: [['PATH', '/store/box/bin']],
      cwd: '/',
      seccomp: undefined,
      personality: 0,
      helpers,
      more: true,
    });
    let text = '';
    running.output.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')));
    expect(await running.exit).toEqual({ kind: 'exited', code: 0 });
    return text;
  }
  const commandOf = (pid: number): string => readFileSync(`/proc/${pid}/cmdline`, 'latin1');
  const helper = (): number => children(process.pid).find((pid) => commandOf(pid).includes('helper.pl'))!;
  const madeAhead = async (): Promise<number> => {
    await until(() => children(helper()).length > 0);
    return children(helper())[0]!;
  };

  it('is what the next build runs in, and nothing of the last one is in it', async () => {
    expect(await run('echo left > /tmp/left; ls /tmp; echo $$')).toBe('left\n1\n');
    const made = await madeAhead();
    const second = run('echo $$; cat /proc/sys/kernel/hostname; ls /tmp; cd /proc; echo [0-9]*; sleep 1; exit');
    await until(() => commandOf(made).startsWith('sh\0'));
    expect(await second).toBe('1\nlocalhost\n1\n');
  });

  it('is made anew where the next build asks for another', async () => {
    await run('exit 0');
    const made = await madeAhead();
    expect(await run('readlink /proc/self/ns/net', true)).toBe(`${readlinkSync('/proc/self/ns/net')}\n`);
    expect(exists(made)).toBe(false);
  });

  it('is made anew where somebody killed it', async () => {
    await run('exit 0');
    process.kill(await madeAhead(), 'SIGKILL');
    expect(await run('echo next')).toBe('next\n');
  });

  it('does not wait for long, and ends with its helper', async () => {
    await run('exit 0');
    await madeAhead();
    await until(() => children(helper()).length === 0);
    await run('exit 0');
    const made = await madeAhead();
    await helpers.close();
    expect(exists(made)).toBe(false);
  });
});
