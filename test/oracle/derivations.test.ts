// Every case of derivations/*.nix instantiated by real Nix and by us, each into a chroot store of its own: the same
// store paths, and the same bytes in every .drv and every copied file.
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { allBuiltins } from '../../src/builtins/index.ts';
import { Evaluator } from '../../src/eval/evaluator.ts';
import { NodeEvalIo } from '../../src/eval/node-io.ts';
import { defaultSettings } from '../../src/eval/settings.ts';
import type { Slot } from '../../src/eval/value.ts';
import { parseDerivation, printDerivation } from '../../src/store/aterm.ts';
import { DerivationHashes } from '../../src/store/hash-modulo.ts';
import { staticOutputPath } from '../../src/store/derivation.ts';
import { openStore } from '../../src/store/open.ts';
import { storePathName } from '../../src/store/store-path.ts';
import type { StorePath } from '../../src/store/store.ts';
import { fromUtf8, utf8 } from '../../src/util/bytes.ts';
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

/** `drv` or `drv!output` of every case, in order. */
function instantiateWithNix(
  root: string,
  fixtures: string,
  files: readonly string[],
  features: readonly string[],
): string[] {
  const args = ['--store', `local?root=${root}`, '--extra-experimental-features', features.join(' ')];
  const out = execFileSync('nix-instantiate', [...args, '--expr', `(${expression(fixtures, files)}).derivations`], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
    env: { ...process.env, NIX_CONFIG: '', NIX_REMOTE: '' },
  });
  return out.trim().split('\n');
}

interface Case {
  readonly name: string;
  readonly drvPath: string;
  readonly outputName: string;
}

async function instantiateHere(
  root: string,
  fixtures: string,
  files: readonly string[],
  features: readonly string[],
): Promise<Case[]> {
  const store = openStore(`local?root=${root}`, {});
  const io = new NodeEvalIo({ store, system: 'x86_64-linux', log: () => undefined });
  const settings = { ...defaultSettings, experimentalFeatures: new Set(features) };
  const ev = new Evaluator({ io, settings, builtins: allBuiltins });
  const source = `let all = ${expression(fixtures, files)}; in
    map (d: map builtins.unsafeDiscardStringContext [ d.drvPath d.outputName ]) all.derivations
    ++ [ all.names ]`;
  const listOf = (slot: Slot): string[][] =>
    ev
      .expectList(slot, 0, '')
      .map((item) => ev.expectList(item, 0, '').map((text) => ev.expectStringNoContext(text, 0, '')));
  const result = listOf(ev.evalString(utf8(source), '/', { kind: 'string' }));
  const names = result.pop()!;
  const cases = result.map(([drvPath, outputName], i) => ({
    name: fromUtf8(names[i]!),
    drvPath: drvPath!,
    outputName: outputName!,
  }));
  await store.close();
  return cases;
}

/** Every file, directory and link below a directory, as text. */
function listTree(dir: Buffer, prefix = ''): string[] {
  return readdirSync(dir, { encoding: 'latin1' })
    .sort()
    .flatMap((name) => {
      const path = Buffer.concat([dir, Buffer.from(`/${name}`, 'latin1')]);
      const stat = lstatSync(path);
      const shown = `${prefix}/${name}`;
      if (stat.isSymbolicLink()) return [`${shown} -> ${readlinkSync(path, 'latin1')}`];
      if (stat.isDirectory()) return [`${shown}/`, ...listTree(path, shown)];
      return [`${shown} ${(stat.mode & 0o777).toString(8)} ${readFileSync(path, 'latin1')}`];
    });
}

describeWith(['nix-instantiate'], 'derivations, against nix-instantiate', () => {
  let dir: string;
  let cases: Case[];
  let expected: string[];
  const storeOf = (who: 'theirs' | 'ours'): Buffer => Buffer.from(join(dir, who, 'nix/store'));

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'tsnix-oracle-'));
    const fixtures = join(dir, 'fixtures');
    mkdirSync(fixtures);
    writeFixtures(fixtures);
    expected = [
      ...instantiateWithNix(join(dir, 'theirs'), fixtures, plainFiles, []),
      ...instantiateWithNix(join(dir, 'theirs'), fixtures, floatingFiles, floatingFeatures),
    ];
    cases = [
      ...(await instantiateHere(join(dir, 'ours'), fixtures, plainFiles, [])),
      ...(await instantiateHere(join(dir, 'ours'), fixtures, floatingFiles, floatingFeatures)),
    ];
  });

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
    const ours = listTree(storeOf('ours')).filter((line) => !/^\/\.links|\.lock /.test(line));
    const theirs = listTree(storeOf('theirs')).filter((line) => !/^\/\.links|\.lock /.test(line));
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
