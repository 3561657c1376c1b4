// One helper process serves one build after the other; what becomes of a build does not depend on those before it.
import { readFileSync } from 'node:fs';
import { afterEach, expect, it } from 'vitest';
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
  /** Of a builder that prints its own process id, and then waits: server, helper, builder. */
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
    const parent = 'read -r _ _ _ helper _ < /proc/$$/stat; read -r _ _ _ server _ < /proc/$helper/stat; echo $server';
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
    expect(pids).toHaveLength(3);
    running.kill();
    expect(await running.exit).toEqual({ kind: 'signalled', signal: 9 });
    expect(exists(pids[2]!)).toBe(false);
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

  it.each(['server', 'helper'])('take the builder with them when the %s dies', async (which) => {
    const running = start(waits);
    const pids = await family(running);
    process.kill(pids[which === 'server' ? 0 : 1]!, 'SIGKILL');
    expect(await running.exit).toEqual({ kind: 'signalled', signal: 9 });
    for (let i = 0; i < 1000 && exists(pids[2]!); i++) await new Promise((resolve) => setTimeout(resolve, 10));
    expect(exists(pids[2]!)).toBe(false);
    expect((await run('echo next'))[1]).toBe('next\n');
  });

  it('are replaced where they died between two builds', async () => {
    const [, server] = await run(
      'read -r _ _ _ helper _ < /proc/$$/stat; read -r _ _ _ server _ < /proc/$helper/stat; echo $server',
    );
    process.kill(Number(server), 'SIGKILL');
    expect(await run('echo next')).toEqual([{ kind: 'exited', code: 0 }, 'next\n']);
  });
});
