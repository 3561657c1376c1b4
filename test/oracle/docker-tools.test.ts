// Images by the original dockerTools and real Nix, in Nix's sandbox, against those by ours, which has the same inputs in the
// same store: the same uncompressed archive.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { HOST_PROGRAMS, NIX_BUILD } from '../support/nix-build.ts';
import { describeWith, seedDir } from '../support/requirements.ts';
import { TestInstallation } from '../support/tsnix.ts';

/** All of test/e2e/docker/images.nix but for what wants a virtual machine. */
const NAMES = [
  ...['nothing', 'one', 'manyContents', 'oddContents', 'keptDirlinks', 'overlapping', 'owned', 'created', 'config'],
  ...['commands', 'chain', 'chain3', 'named', 'onLayered', 'layeredNothing', 'layeredOne', 'layeredMany'],
  ...['layeredOwned', 'layeredCommands', 'layeredConfig', 'layered3', 'layered13', 'layered14', 'layered15'],
  'layered16',
];
const tools = ['jq', 'jshon', 'rsync', 'pigz', 'sponge', 'go', '/usr/bin/python3'];
const needs = ['nix-build', 'seed', ...tools, '/usr/share/gocode/src/github.com/docker'];

// Debian's Nix builds in its sandbox only as root, or where it has build users.
describeWith(process.getuid?.() === 0 ? needs : ['root'], 'images by the original under real Nix, and by ours', () => {
  let tsnix: TestInstallation;
  const built = new Map<string, string>();

  beforeAll(() => {
    tsnix = new TestInstallation();
    const file = join(import.meta.dirname, 'seed/images.nix');
    const of = (which: string): string[] => NAMES.flatMap((name) => ['-A', `${which}.${name}`]);
    const args = [file, '--arg', 'seed', seedDir, '-j2'];
    const theirs = execFileSync('nix-build', [...args, ...of('original'), '--store', tsnix.store, ...NIX_BUILD], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, NIX_CONFIG: '', NIX_REMOTE: '' },
    });
    theirs
      .split('\n')
      .slice(0, -1)
      .forEach((path, i) => built.set(`original.${NAMES[i]!}`, tsnix.real(path)));
    tsnix
      .build([...args, ...of('native'), ...HOST_PROGRAMS])
      .forEach((path, i) => built.set(`native.${NAMES[i]!}`, path));
  }, 600_000);
  afterAll(() => {
    tsnix.close();
  }, 60_000);

  const plainHash = (name: string): string =>
    createHash('sha256')
      .update(gunzipSync(readFileSync(built.get(name)!)))
      .digest('hex');

  it('tsnix image diff finds no difference, or tells it', () => {
    const diff = (a: string, b: string): number | null =>
      tsnix.run(['image', 'diff', '--brief', built.get(a)!, built.get(b)!]).status;
    expect(diff('original.layeredMany', 'native.layeredMany')).toBe(0);
    expect(diff('original.layeredMany', 'native.layeredOne')).toBe(1);
  });

  it.each(NAMES)('%s', (name) => {
    expect(plainHash(`native.${name}`)).toBe(plainHash(`original.${name}`));
  });
});
