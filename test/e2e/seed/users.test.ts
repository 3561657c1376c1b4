// runAsRoot without being root: the same bytes for root and for a user with a range of ids, where the kernel keeps
// owners, and for a user with a single id, where fakeroot does and the overlay is in user space.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { describeWith, seedDir } from '../../support/requirements.ts';
import { TestInstallation } from '../../support/tsnix.ts';

/** An id that no /etc/subuid gives a range to, and that owns nothing. */
const someone = 54_321;

/** An ordinary user whom /etc/subuid gives a range of ids to. */
function someoneWithRange(): number {
  const [name] = readFileSync('/etc/subuid', 'utf8').split(':');
  return Number(execFileSync('id', ['-u', name!], { encoding: 'utf8' }));
}

const needs = [
  'seed',
  '/etc/subuid',
  'newuidmap',
  'jq',
  'jshon',
  'rsync',
  'pigz',
  'go',
  'sponge',
  'useradd',
  'perl',
  'faked-sysv',
  'setpriv',
  'other-users',
];

const isRoot = process.getuid?.() === 0;
if (!isRoot) process.stderr.write('skipped: runAsRoot, whoever builds: only root can build as several users\n');

describeWith(isRoot ? needs : [], 'runAsRoot, whoever builds', () => {
  const installations: TestInstallation[] = [];
  afterAll(() => {
    for (const installation of installations) installation.close();
  }, 120_000);

  it.skipIf(!isRoot)(
    'gives the same images',
    () => {
      const attributes = ['image.asRoot', 'examples.service', 'examples.withUser'];
      const images = [undefined, someone, someoneWithRange()].map((uid) => {
        const installation = new TestInstallation(uid);
        installations.push(installation);
        const file = [join(import.meta.dirname, 'cases.nix'), '--arg', 'seed', seedDir];
        return installation.build([...file, ...attributes.flatMap((attribute) => ['-A', attribute])]);
      });
      const [byRoot, ...byOthers] = images as [string[], ...string[][]];
      for (const paths of byOthers) {
        attributes.forEach((attribute, i) => {
          expect(readFileSync(paths[i]!).equals(readFileSync(byRoot[i]!)), attribute).toBe(true);
        });
      }
    },
    900_000,
  );
});
