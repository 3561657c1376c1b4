// The same locks by this Node's own flock() and by helper processes; util-linux's flock, as another program, judges.
import { spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { describeWith } from '../../test/support/requirements.ts';
import { flockHere } from './flock.ts';

const exclusive = 2 | 4;
const shared = 1 | 4;
/** Without it Node has no `node:ffi`; older ones know neither. */
const without = '--no-experimental-ffi';
const hasForeignFunctions = process.allowedNodeEnvironmentFlags.has(without);
const ways: [string, string[]][] = [['as this Node does it', []]];
if (hasForeignFunctions) ways.push(['by helper processes', [without]]);

describeWith(['flock'], 'locks', () => {
  const dir = mkdtempSync(join(tmpdir(), 'tsnix-flock-'));
  afterAll(() => rmSync(dir, { recursive: true, force: true }));
  const free = (file: string, ...options: string[]): boolean =>
    spawnSync('flock', [...options, '-n', file, 'true']).status === 0;

  describe.runIf(hasForeignFunctions)('flockHere()', () => {
    it('takes the lock that other programs see, until the descriptor is closed', () => {
      const file = join(dir, 'a');
      const fd = openSync(file, 'w');
      expect(flockHere(fd, shared)).toBe(true);
      expect([free(file, '-s'), free(file)]).toEqual([true, false]);
      expect(flockHere(fd, exclusive)).toBe(true);
      expect(free(file, '-s')).toBe(false);
      const second = openSync(file, 'w');
      expect(flockHere(second, shared)).toBe(false);
      closeSync(fd);
      expect(flockHere(second, shared)).toBe(true);
      closeSync(second);
      expect(flockHere(second, shared)).toBe(false);
    });
  });

  it.each(ways)('are taken, refused, waited for and die with their process: %s', (_title, options) => {
    const script = `
      import { spawn, spawnSync } from 'node:child_process';
      import { setTimeout as sleep } from 'node:timers/promises';
      import { PathLocks } from ${JSON.stringify(join(import.meta.dirname, 'locks.ts'))};
      const [a, b] = [${JSON.stringify(join(dir, 'x'))}, ${JSON.stringify(join(dir, 'y'))}];
      const free = (path) => spawnSync('flock', ['-n', path + '.lock', 'true']).status === 0;
      const both = PathLocks.tryAcquire([a, b]);
      console.log('free', free(a), free(b));
      both.release(true);
      const other = spawn('flock', [b + '.lock', 'sh', '-c', 'echo; read line'], { stdio: ['pipe', 'pipe', 'inherit'] });
      await new Promise((resolve) => other.stdout.once('data', resolve));
      console.log('refused', PathLocks.tryAcquire([a, b]) === undefined);
      let turns = 0;
      const ticking = setInterval(() => turns++, 1);
      const waiting = PathLocks.acquire([a, b], { onWait: () => console.log('waits') });
      await sleep(50);
      console.log('free', free(a), 'goes on', turns > 0);
      other.stdin.end();
      const locks = await waiting;
      clearInterval(ticking);
      console.log('free', free(a), free(b));
      process.kill(process.pid, 'SIGKILL');`;
    const run = spawnSync(process.execPath, [...options, '--input-type=module-typescript', '-e', script], {
      encoding: 'utf8',
    });
    expect(run.stderr).toBe('');
    expect(run.signal).toBe('SIGKILL');
    expect(run.stdout.trim().split('\n')).toEqual([
      'free false false',
      'refused true',
      'waits',
      'free false goes on true',
      'free false false',
    ]);
    expect([free(join(dir, 'x.lock')), free(join(dir, 'y.lock'))]).toEqual([true, true]);
  });
});
