// The native dockerTools against the original, run verbatim, on images of every kind: the same uncompressed archive.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { describeWith, seedDir } from '../../support/requirements.ts';
import { TestInstallation } from '../../support/tsnix.ts';

const NAMES = [
  'nothing',
  'one',
  'manyContents',
  'oddContents',
  'keptDirlinks',
  'overlapping',
  'owned',
  'created',
  'config',
  'commands',
  'chain',
  'chain3',
  'named',
  'onLayered',
  'asRoot',
  'layeredNothing',
  'layeredOne',
  'layeredMany',
  'layeredOwned',
  'layeredCommands',
  'layeredConfig',
  'layered3',
  'layered13',
  'layered14',
  'layered15',
  'layered16',
];

const PROGRAMS = ['seed', 'jq', 'jshon', 'rsync', 'pigz', 'sponge', 'go', '/usr/share/gocode/src/github.com/docker'];

describeWith(PROGRAMS, 'native images and original ones', () => {
  let tsnix: TestInstallation;
  const built = new Map<string, string>();

  beforeAll(() => {
    tsnix = new TestInstallation();
    const attributes = NAMES.flatMap((name) => [`original.${name}`, `native.${name}`]);
    const outputs = tsnix.build([
      `${import.meta.dirname}/images.nix`,
      '--arg',
      'seed',
      seedDir,
      '-j2',
      ...attributes.flatMap((attribute) => ['-A', attribute]),
    ]);
    attributes.forEach((attribute, i) => built.set(attribute, outputs[i]!));
  }, 600_000);
  afterAll(() => {
    tsnix.close();
  }, 60_000);

  const plainHash = (path: string): string =>
    createHash('sha256')
      .update(gunzipSync(readFileSync(path)))
      .digest('hex');

  it.each(NAMES)('%s', (name) => {
    expect(plainHash(built.get(`native.${name}`)!)).toBe(plainHash(built.get(`original.${name}`)!));
  });
});
