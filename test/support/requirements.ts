// Tests that need more than a fresh machine has (real Nix, jq, skopeo, the seed …) say so here. Where something is
// missing they are skipped, visibly and with the reason; where CI is set that is a failure: CI installs everything.
import { spawnSync } from 'node:child_process';
import { existsSync, accessSync, constants } from 'node:fs';
import { delimiter, join, resolve } from 'node:path';
import { describe, it } from 'vitest';

/** `../shared/seed`: the original dockerTools with its sibling files. */
export const seedDir = resolve(import.meta.dirname, '../../../shared/seed');

export function findProgram(name: string): string | undefined {
  for (const dir of [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin']) {
    const file = join(dir, name);
    try {
      accessSync(file, constants.X_OK);
      return file;
    } catch {
      // not here: look on
    }
  }
  return undefined;
}

let others: boolean | undefined;

/** Whether other users reach this checkout: tests that root runs as an ordinary user do. Says so where they don't. */
export function othersReachUs(): boolean {
  if (others !== undefined) return others;
  const as = ['--reuid=65534', '--regid=65534', '--clear-groups'];
  others =
    process.getuid?.() !== 0 ||
    spawnSync('setpriv', [...as, 'test', '-r', join(import.meta.dirname, 'requirements.ts')]).status === 0;
  if (!others && process.env['CI']) throw new Error('other users cannot read this checkout: tests would be skipped');
  if (!others) process.stderr.write('skipped: tests as an ordinary user: others cannot read this checkout\n');
  return others;
}

/** A name of a program on PATH, `seed`, `other-users`, or a path that must exist. */
function isThere(need: string): boolean {
  if (need === 'seed') return existsSync(seedDir);
  if (need === 'other-users') return othersReachUs();
  return need.startsWith('/') ? existsSync(need) : findProgram(need) !== undefined;
}

function suite(title: string, needs: readonly string[], body: () => void): void {
  const missing = needs.filter((need) => !isThere(need));
  if (missing.length === 0) {
    describe(title, body);
    return;
  }
  const reason = `needs ${missing.join(', ')}`;
  if (process.env['CI']) {
    describe(title, () => {
      it(`SKIPPED IN CI: ${reason}`, () => {
        throw new Error(`${title}: ${reason}; .ci/run must install it`);
      });
    });
    return;
  }
  process.stderr.write(`skipped: ${title}: ${reason}\n`);
  describe.skip(`${title} (${reason})`, body);
}

/** `describe`, but skipped with a reason where one of `needs` is missing. */
export function describeWith(needs: readonly string[], title: string, body: () => void): void {
  suite(title, needs, body);
}
