// Two processes and one store; a process that is killed.
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { busybox, buildFixture } from '../../test/support/build-fixture.ts';
import type { BuildFixture } from '../../test/support/build-fixture.ts';
import { describeWith } from '../../test/support/requirements.ts';

const program = fileURLToPath(new URL('../../test/support/build-process.ts', import.meta.url));

interface Running {
  readonly child: ChildProcess;
  readonly output: () => string;
  readonly ended: Promise<string>;
}

function start(fixture: BuildFixture, drvPath: string, timeout = 0): Running {
  const child = spawn(process.execPath, [program, fixture.dir, drvPath, String(timeout)]);
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (output += text));
  return { child, output: () => output, ended: new Promise((resolve) => child.on('close', () => resolve(output))) };
}

async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; i < 1000 && !condition(); i++) await sleep(20);
  expect(condition()).toBe(true);
}

describeWith(['perl', busybox], 'realise() in several processes', () => {
  let fixture: BuildFixture;
  beforeAll(() => {
    fixture = buildFixture();
  });
  afterAll(() => fixture.close());

  it('builds what two want at once only once', async () => {
    const made = fixture.derivation({ name: 'shared', script: 'echo begun; sleep 2; echo > $out' });
    fixture.store.flush();
    const first = start(fixture, made.drvPath);
    await until(() => first.output().includes('line begun'));
    const second = start(fixture, made.drvPath);
    expect(await first.ended).toBe('started\nline begun\nfinished\nvalid\n');
    expect(await second.ended).toBe('waiting\nvalid\n');
  });

  it('leaves no process when killed, and rubbish only until the next build', async () => {
    const mark = `60${process.pid}`;
    const made = fixture.derivation({ name: 'killed', script: `echo begun; setsid sleep ${mark} & sleep ${mark}` });
    fixture.store.flush();
    const running = start(fixture, made.drvPath);
    await until(() => running.output().includes('line begun'));
    running.child.kill('SIGKILL');
    await running.ended;
    await until(() => {
      const processes = readdirSync('/proc').filter((pid) => {
        try {
          return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes(mark);
        } catch {
          return false; // ended meanwhile
        }
      });
      return processes.length === 0;
    });
    expect(fixture.store.isValidPath(made.out)).toBe(false);
    expect(readFileSync('/proc/mounts', 'utf8')).not.toContain(fixture.dir);
    const rubbish = `${fixture.store.realPath(made.drvPath)}.chroot`;
    expect(existsSync(rubbish)).toBe(true);
    // Its locks died with it.
    expect(await start(fixture, made.drvPath, 1).ended).toMatch(
      /^started\nline begun\nfailed [^]*timed out after 1 seconds/,
    );
    expect(existsSync(rubbish)).toBe(false);
  });
});
