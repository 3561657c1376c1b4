// Without a sandbox there is no isolation, but still a clean end: no process, no file is left, no setuid bit is set.
import { readFileSync, readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { busybox } from '../../../test/support/build-fixture.ts';
import { runDriver } from '../../../test/support/build-driver.ts';
import type { DriverCase } from '../../../test/support/build-driver.ts';
import { describeWith, othersReachUs } from '../../../test/support/requirements.ts';

const mark = 5_000_000 + (process.pid % 1_000_000);
const cases: readonly DriverCase[] = [
  { name: 'plain', script: 'echo $0 $PWD; umask; cat | wc -c; echo x > /dev/stderr; echo $out > $out' },
  { name: 'survivor', script: `setsid sleep ${mark} & (setsid nohup sleep ${mark} &) ; echo fine > $out` },
  { name: 'quiet-survivor', script: `setsid sleep ${mark} > /dev/null 2>&1 & echo fine > $out` },
  { name: 'hang', script: `setsid sleep ${mark} & sleep ${mark}`, settings: { timeout: 1 } },
  { name: 'setuid', script: 'touch $out; chmod 4755 $out' },
  { name: 'no-output', script: 'true' },
  { name: 'half', script: 'mkdir $out; echo x > $out/x; exit 1' },
  { name: 'exit9', script: 'exit 9' },
  { name: 'missing', script: '', builder: '/does/not/exist' },
  // The end of its log is the end of a build: as Nix has it.
  { name: 'closed', script: `echo > $out; exec > /dev/null 2>&1; sleep ${mark}` },
];

function survivors(): string[] {
  return readdirSync('/proc').filter((pid) => {
    try {
      return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes(`sleep\0${mark}`);
    } catch {
      return false; // ended meanwhile
    }
  });
}

describeWith(['perl', busybox], 'no sandbox', () => {
  const users: [string, number | undefined][] =
    process.getuid?.() === 0
      ? [['as root', undefined], ...(othersReachUs() ? ([['as an ordinary user', 65534]] as [string, number][]) : [])]
      : [['as an ordinary user', undefined]];
  describe.each(users)('%s', (_title, uid) => {
    it('runs builders and cleans up after them', () => {
      const { results, leftovers } = runDriver({ open: true, cases, atOnce: 4 }, uid);
      const outcome = Object.fromEntries(Object.entries(results).map(([name, result]) => [name, result.exitStatus]));
      expect(outcome).toEqual({
        plain: 0,
        survivor: 0,
        'quiet-survivor': 0,
        hang: 101,
        setuid: 100,
        'no-output': 1,
        half: 100,
        exit9: 100,
        missing: 100,
        closed: 100,
      });
      expect(results['plain']!.lines.join('\n')).toMatch(/^sh \/.*\/builds\/nix-\d+-\d+\n0022\n0\nx$/);
      expect(results['setuid']!.error).toContain('Operation not permitted');
      expect(results['missing']!.error).toContain("executing '/does/not/exist': No such file or directory");
      expect(results['exit9']!.error).toContain('builder failed with exit code 9');
      expect(survivors()).toEqual([]);
      expect(leftovers).toEqual([]);
    }, 60_000);
  });
});
