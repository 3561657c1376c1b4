// The original dockerTools instantiated by real Nix and by us, with stand-ins for nixpkgs: the same derivations, byte
// for byte.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { instantiateHere, instantiateWithNix, listTree, type Instantiated } from '../support/instantiate.ts';
import { describeWith, seedDir } from '../support/requirements.ts';

describeWith(['nix-instantiate', 'seed'], 'the original dockerTools, against nix-instantiate', () => {
  let dir: string;
  let cases: Instantiated[];
  let expected: string[];

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'tsnix-seed-'));
    const stubs = join(import.meta.dirname, 'seed/stubs.nix');
    const lib = resolve(import.meta.dirname, '../../lib/lib');
    const expression = `import ${stubs} { seed = ${seedDir}; lib = import ${lib}; }`;
    expected = instantiateWithNix(join(dir, 'theirs'), expression);
    cases = await instantiateHere(join(dir, 'ours'), expression);
  }, 120_000);

  afterAll(() => {
    rmSync(dir, { recursive: true, force: true });
  });

  it('every function gives the same derivation', () => {
    expect(cases.length).toBeGreaterThan(20);
    expect(cases.map(({ name, drvPath }) => `${name} ${drvPath}`)).toEqual(
      expected.map((path, i) => `${cases[i]!.name} ${path}`),
    );
  });

  it('both stores hold the same objects, byte for byte', () => {
    const [ours, theirs] = ['ours', 'theirs'].map((who) => listTree(Buffer.from(join(dir, who, 'nix/store'))));
    expect(ours).toEqual(theirs);
  });
});
