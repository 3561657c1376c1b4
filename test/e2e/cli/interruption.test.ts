// Signals, several processes at once, and terminals.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { derivations, program, Workplace, type Started } from '../../support/cli.ts';
import { describeWith } from '../../support/requirements.ts';

const attributes = derivations(`
  slow = mk "slow" "echo started; echo > x; i=0; while [ $i -lt 400000 ]; do i=$((i+1)); done; echo built > $out" {};
  hangs = mk "hangs" "echo started; while :; do :; done" {};
  quick = mk "quick" "echo quick > $out" {};
  evaluated = builtins.readFile hangs;
`);

let work: Workplace;
beforeEach(() => {
  work = new Workplace({ 'default.nix': attributes });
});
afterEach(() => {
  work.close();
});

/** Started, with its builder at work. */
async function building(args: readonly string[]): Promise<Started> {
  const started = work.start(args, { env: { NIX_REMOTE: work.store } });
  const running = (): boolean => {
    try {
      return readdirSync(join(work.store, 'nix/var/log/nix/drvs'), { recursive: true, withFileTypes: true }).some(
        (entry) =>
          entry.name.endsWith('.drv') && readFileSync(join(entry.parentPath, entry.name), 'utf8') === 'started\n',
      );
    } catch {
      return false; // logs come and go while they are listed
    }
  };
  for (let i = 0; i < 400 && !(existsSync(join(work.store, 'nix/var/log/nix/drvs')) && running()); i++) await sleep(25);
  return started;
}

/** Processes and mounts that have to do with this store. */
async function remains(): Promise<string[]> {
  const found = (): string[] => [
    ...readdirSync('/proc').filter((pid) => {
      try {
        return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/mountinfo`, 'utf8').includes(work.store);
      } catch {
        return false; // it ended meanwhile
      }
    }),
  ];
  for (let i = 0; i < 200 && found().length > 0; i++) await sleep(25);
  return [
    ...found(),
    ...readdirSync(join(work.store, 'nix/store')).filter((name) => /\.lock$|\.chroot$|-hangs$|tmp/.test(name)),
    ...readdirSync(join(work.store, 'nix/var/nix/temproots')),
  ];
}

describeWith(['perl'], 'interrupted builds', () => {
  it.for([
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const)('leave nothing after %s', async ([signal, status]) => {
    const { kill, ended } = await building(['build', '-A', 'hangs']);
    kill(signal);
    const end = await ended;
    expect([end.status, end.stderr]).toEqual([status, expect.stringMatching(/\nerror: interrupted by the user\n$/)]);
    expect(await remains()).toEqual([]);
    expect(existsSync(join(work.project, 'result'))).toBe(false);
  });

  it('leave nothing where evaluation asked for the build', async () => {
    const { kill, ended } = await building(['eval', '-A', 'evaluated']);
    kill('SIGTERM');
    expect((await ended).status).toBe(143);
    // Evaluation is killed where it stands; its file of temporary roots, which no one holds, is the collector's.
    expect((await remains()).filter((name) => !/^\d+$/.test(name) || existsSync(`/proc/${name}`))).toEqual([]);
  });

  it('can be done again after SIGKILL', async () => {
    const { kill, ended } = await building(['build', '-A', 'slow']);
    kill('SIGKILL');
    expect((await ended).status).toBe(137);
    const again = await work.run(['build', '-A', 'slow']);
    expect(again.status).toBe(0);
    expect(readFileSync(join(work.project, 'result'), 'utf8')).toBe('built\n');
    expect((await remains()).filter((name) => !/^\d+$/.test(name))).toEqual([]);
  });
});

describeWith(['perl'], 'several processes', () => {
  it('build one thing once', async () => {
    const runs = await Promise.all([1, 2, 3].map(() => work.run(['build', '--no-out-link', '-A', 'slow'])));
    expect(new Set(runs.map(({ status, stdout }) => `${status} ${stdout}`)).size).toBe(1);
    expect(runs[0]!.status).toBe(0);
    expect(runs.filter(({ stderr }) => stderr.includes("building '"))).toHaveLength(1);
  });
});

describeWith(['script', 'perl'], 'on a terminal', () => {
  const onTerminal = async (command: string): Promise<string> => {
    const { stdout } = await work.startProgram(['script', '-qec', `stty cols 60; ${command}`, '/dev/null'], {
      env: { TERM: 'xterm', SHELL: '/bin/sh', NIX_REMOTE: work.store },
    }).ended;
    return stdout;
  };

  it('colours errors, but not for NO_COLOR', async () => {
    expect(await onTerminal(`${program} eval -E 'throw "x"'`)).toContain('\x1b[31;1merror:\x1b[0m');
    expect(await onTerminal(`NO_COLOR=1 ${program} eval -E 'throw "x"'`)).not.toContain('\x1b[31');
  });

  it('indents JSON, but not for pipes', async () => {
    const command = `${program} eval --json -E '{ a = 1; }'`;
    expect(await onTerminal(command)).toBe('{\r\n  "a": 1\r\n}\r\n');
    expect(await onTerminal(`${command} | cat`)).toBe('{"a":1}\r\n');
  });
});
