// Every case of derivations/*.nix instantiated by real Nix and by us, each into a chroot store of its own: the same
// store paths, and the same bytes in every .drv and every copied file.
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseDerivation, printDerivation } from '../../src/store/aterm.ts';
import { staticOutputPath } from '../../src/store/derivation.ts';
import { DerivationHashes } from '../../src/store/hash-modulo.ts';
import { storePathName } from '../../src/store/store-path.ts';
import type { StorePath } from '../../src/store/store.ts';
import { instantiateHere, instantiateWithNix, listTree, type Instantiated } from '../support/instantiate.ts';
import { describeWith } from '../support/requirements.ts';

const corpus = join(import.meta.dirname, 'derivations');
const plainFiles = ['basic', 'fixed', 'outputs', 'contexts', 'paths', 'structured', 'graphs'];
const floatingFiles = ['floating'];
const floatingFeatures = ['ca-derivations', 'impure-derivations'];

/** Files of every kind that a store object can hold. */
function writeFixtures(dir: string): void {
  const file = (name: string, contents: string | Buffer, mode = 0o644): void => {
    writeFileSync(join(dir, name), contents);
    chmodSync(join(dir, name), mode);
  };
  for (const name of ['tree/sub', 'tree/other', 'tree/nothing', 'empty-dir', 'names', 'odd']) {
    mkdirSync(join(dir, name), { recursive: true });
  }
  file('file.txt', 'some text\n');
  file('script.sh', '#!/bin/sh\necho hi\n', 0o755);
  file('empty', '');
  file('big.bin', Buffer.alloc(300_001, 'z'));
  file('tree/sub/deep.txt', 'deep\n');
  file('tree/top.txt', 't\n', 0o640);
  file('tree/run', '#!/bin/sh\n', 0o700);
  symlinkSync('sub/deep.txt', join(dir, 'tree/link'));
  symlinkSync('/nonexistent', join(dir, 'tree/absolute'));
  symlinkSync('tree', join(dir, 'tree-link'));
  symlinkSync('file.txt', join(dir, 'link'));
  symlinkSync('nowhere', join(dir, 'dangling'));
  for (const name of ['a', 'b', 'A', 'B', 'a-b', 'a.b', 'a_b', '0', 'é', 'zz', 'Z']) file(`names/${name}`, name);
  file('odd/with space', 'x');
  file('odd/new\nline', 'y');
  writeFileSync(Buffer.concat([Buffer.from(`${dir}/odd/`), Buffer.from([0xff, 0xfe])]), 'not UTF-8');
}

function expression(fixtures: string, files: readonly string[]): string {
  return `import ${corpus} { fixtures = ${fixtures}; files = [ ${files.map((file) => `"${file}"`).join(' ')} ]; }`;
}

describeWith(['nix-instantiate'], 'derivations, against nix-instantiate', () => {
  let dir: string;
  let cases: Instantiated[];
  let expected: string[];
  const storeOf = (who: 'theirs' | 'ours'): Buffer => Buffer.from(join(dir, who, 'nix/store'));

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'tsnix-oracle-'));
    const fixtures = join(dir, 'fixtures');
    mkdirSync(fixtures);
    writeFixtures(fixtures);
    const plain = expression(fixtures, plainFiles);
    const floating = expression(fixtures, floatingFiles);
    const theirs = join(dir, 'theirs');
    const ours = join(dir, 'ours');
    expected = [...instantiateWithNix(theirs, plain), ...instantiateWithNix(theirs, floating, floatingFeatures)];
    cases = [...(await instantiateHere(ours, plain)), ...(await instantiateHere(ours, floating, floatingFeatures))];
  }, 120_000);

  afterAll(() => {
    rmSync(dir, { recursive: true, force: true });
  });

  it('the corpus is large', () => {
    expect(cases.length).toBeGreaterThanOrEqual(270);
    expect(expected.length).toBe(cases.length);
  });

  it('every derivation has the same path', () => {
    const theirs = expected.map((path, i) => `${cases[i]!.name} ${path.replace(/!.*/, '')}`);
    expect(cases.map(({ name, drvPath }) => `${name} ${drvPath}`)).toEqual(theirs);
  });

  it('every case stands for the same output', () => {
    const theirs = expected.map((path) => /!(.*)/.exec(path)?.[1] ?? 'out');
    expect(cases.map(({ outputName }) => outputName)).toEqual(theirs);
  });

  it('both stores hold the same objects, byte for byte', () => {
    const ours = listTree(storeOf('ours'));
    const theirs = listTree(storeOf('theirs'));
    expect(ours).toEqual(theirs);
  });

  it('nix-store finds our store in order', () => {
    const args = ['--store', `local?root=${join(dir, 'ours')}`, '--verify', '--check-contents'];
    execFileSync('nix-store', args, { stdio: ['ignore', 'pipe', 'pipe'] });
  });

  describe('from the .drv files alone', () => {
    const readAll = (): Map<StorePath, string> => {
      const texts = new Map<StorePath, string>();
      for (const name of readdirSync(storeOf('theirs'), 'latin1')) {
        if (!name.endsWith('.drv')) continue;
        texts.set(`/nix/store/${name}` as StorePath, readFileSync(join(dir, 'theirs/nix/store', name), 'latin1'));
      }
      return texts;
    };
    const parse = (path: StorePath, text: string): ReturnType<typeof parseDerivation> =>
      parseDerivation(text, storePathName(path).slice(0, -4), '/nix/store');

    it('printDerivation() gives back what parseDerivation() read', () => {
      for (const [path, text] of readAll()) expect(printDerivation(parse(path, text))).toBe(text);
    });

    it('DerivationHashes finds every output path', () => {
      const texts = readAll();
      const hashes = new DerivationHashes('/nix/store', (path) => parse(path, texts.get(path)!));
      for (const [path, text] of texts) {
        const drv = parse(path, text);
        const outputs = [...drv.outputs.values()];
        if (outputs.every(({ kind }) => kind === 'inputAddressed')) {
          const paths = hashes.inputAddressedPaths(drv);
          expect([...paths!.values()]).toEqual(outputs.map(staticOutputPath));
        } else if (outputs.every(({ kind }) => kind === 'deferred')) {
          expect(hashes.inputAddressedPaths(drv)).toBeNull();
        }
      }
    });
  });
});
